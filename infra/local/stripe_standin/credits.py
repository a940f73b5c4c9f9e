"""Corrections: credit notes and refunds."""

from infra.local.stripe_standin import collecting, lists, objects
from infra.local.stripe_standin.customers import find as find_customer
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.lines import find_invoice
from infra.local.stripe_standin.refusal import Refusal, missing, wrong_state
from infra.local.stripe_standin.world import Json, World

REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")
REFUND_REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create_note(world: World, params: Params) -> Json:
    invoice = find_invoice(world, params.text("invoice"), status=400)
    params.texts("expand")
    amount = params.integer("amount", low=1)
    ways = {way: params.integer(way, 0, low=0) for way in ("refund_amount", "credit_amount", "out_of_band_amount")}
    given = {
        "memo": params.text("memo", None),
        "reason": params.choice("reason", REASONS, None),
        "metadata": params.metadata(),
    }
    params.close()
    if invoice["status"] == "open":
        if any(ways.values()):
            raise Refusal(400, "An open invoice has nothing to credit back yet.", param="refund_amount")
        if amount > invoice["amount_remaining"]:
            raise wrong_state("The credit note is larger than what remains to be paid.")
        note = objects.credit_note(world, invoice, amount, pre_payment_amount=amount, **given)
    elif invoice["status"] == "paid":
        credited_back = invoice["post_payment_credit_notes_amount"]
        if amount > invoice["amount_paid"] - credited_back:
            raise wrong_state("The credit note is larger than what was paid.")
        if sum(ways.values()) != amount:
            raise Refusal(400, "refund, credit and out of band amounts must add up to the amount.", param="amount")
        note = objects.credit_note(
            world,
            invoice,
            amount,
            type="post_payment",
            post_payment_amount=amount,
            out_of_band_amount=ways["out_of_band_amount"] or None,
            **given,
        )
        _credit_back(world, invoice, note, ways)
    else:
        raise wrong_state(f"Credit notes need an open or paid invoice; this one is {invoice['status']}.")
    count = sum(each["invoice"] == invoice["id"] for each in world.credit_notes.values())
    note["number"] = f"{invoice['number']}-CN-{count + 1:02d}"
    world.keep(world.credit_notes, note)
    world.emit("credit_note.created", note)
    if invoice["status"] == "open":
        collecting.credit(world, invoice, amount)
    return note


def _credit_back(world: World, invoice: Json, note: Json, ways: dict[str, int]) -> None:
    invoice["post_payment_credit_notes_amount"] += note["amount"]
    if ways["credit_amount"]:
        find_customer(world, invoice["customer"])["balance"] -= ways["credit_amount"]
    if ways["refund_amount"]:
        intent = _intent_of(world, invoice)
        refund = objects.refund(world, ways["refund_amount"], invoice["currency"], intent)
        world.keep(world.refunds, refund)
        note["refunds"].append({"amount_refunded": refund["amount"], "refund": refund["id"], "type": "refund"} | _NONE)
        world.emit("refund.created", refund)


_NONE: Json = {"payment_record_refund": None}


def _intent_of(world: World, invoice: Json) -> str:
    for payment in world.payments.values():
        if payment["invoice"] == invoice["id"]:
            intent: str = payment["payment"]["payment_intent"]
            return intent
    raise wrong_state("This invoice was not paid by card here; there is nothing to refund to.")


def list_payments(world: World, params: Params) -> Json:
    invoice, payment = params.text("invoice", None), params.child("payment", None)
    intent = None
    if payment is not None:
        payment.choice("type", ("charge", "payment_intent"))
        intent = payment.text("payment_intent")
        payment.close()
    found = [
        each
        for each in reversed(world.payments.values())
        if invoice in (None, each["invoice"]) and intent in (None, each["payment"]["payment_intent"])
    ]
    return lists.page(found, params, "/v1/invoice_payments")


def retrieve_note(world: World, params: Params, name: str) -> Json:
    params.texts("expand")
    params.close()
    if name not in world.credit_notes:
        raise missing("credit note", name)
    return world.credit_notes[name]


def list_notes(world: World, params: Params) -> Json:
    invoice, customer = params.text("invoice", None), params.text("customer", None)
    is_inside = lists.created_filter(params)
    found = [
        each
        for each in reversed(world.credit_notes.values())
        if is_inside(each) and invoice in (None, each["invoice"]) and customer in (None, each["customer"])
    ]
    return lists.page(found, params, "/v1/credit_notes")


def void_note(world: World, params: Params, name: str) -> Json:
    note = retrieve_note(world, params, name)
    invoice = find_invoice(world, note["invoice"])
    if note["status"] == "void" or note["type"] != "pre_payment" or invoice["status"] != "open":
        raise wrong_state("Only an issued credit note of an open invoice can be voided.")
    note.update(status="void", voided_at=world.now())
    invoice["pre_payment_credit_notes_amount"] -= note["amount"]
    invoice["amount_due"] += note["amount"]
    invoice["amount_remaining"] += note["amount"]
    world.emit("credit_note.voided", note)
    return note


def create_refund(world: World, params: Params) -> Json:
    intent = params.text("payment_intent")
    params.texts("expand")
    payment = next((each for each in world.payments.values() if each["payment"]["payment_intent"] == intent), None)
    if payment is None:
        raise missing("payment_intent", intent, param="payment_intent", status=400)
    refunded = sum(each["amount"] for each in world.refunds.values() if each["payment_intent"] == intent)
    amount = params.integer("amount", payment["amount_paid"] - refunded, low=1)
    reason = params.choice("reason", REFUND_REASONS, None)
    metadata = params.metadata()
    params.close()
    if amount > payment["amount_paid"] - refunded or amount <= 0:
        raise wrong_state("Refund amount is greater than what is left of the charge.", code="charge_already_refunded")
    refund = objects.refund(world, amount, payment["currency"], intent, reason=reason, metadata=metadata)
    world.keep(world.refunds, refund)
    world.emit("refund.created", refund)
    return refund


def retrieve_refund(world: World, params: Params, name: str) -> Json:
    params.texts("expand")
    params.close()
    if name not in world.refunds:
        raise missing("refund", name)
    return world.refunds[name]


def list_refunds(world: World, params: Params) -> Json:
    intent = params.text("payment_intent", None)
    is_inside = lists.created_filter(params)
    found = [
        each
        for each in reversed(world.refunds.values())
        if is_inside(each) and intent in (None, each["payment_intent"])
    ]
    return lists.page(found, params, "/v1/refunds")
