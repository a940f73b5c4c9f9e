"""What happens to an invoice once it is final: finalize, send, pay, fail, void, write off."""

from infra.local.stripe_standin import currencies, customers, objects
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.lines import find_invoice
from infra.local.stripe_standin.refusal import Refusal, wrong_state
from infra.local.stripe_standin.world import Json, World

DECLINED_METHODS = frozenset({"pm_card_chargeDeclined", "pm_card_visa_chargeDeclined", "tok_chargeDeclined"})
RETRY_SECONDS = 3 * 86_400


def finalize(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    auto_advance = params.boolean("auto_advance", invoice["auto_advance"])
    params.close()
    if invoice["status"] != "draft":
        raise wrong_state(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    if not world.lines[name]:
        raise wrong_state("Nothing to invoice: this invoice has no lines.", code="invoice_no_customer_line_items")
    _finalize(world, invoice, auto_advance)
    return invoice


def _finalize(world: World, invoice: Json, auto_advance: bool) -> None:
    now, owner = world.now(), customers.find(world, invoice["customer"], param="customer", status=400)
    if invoice["number"] is None:
        invoice["number"] = f"{owner['invoice_prefix']}-{owner['next_invoice_sequence']:04d}"
        owner["next_invoice_sequence"] += 1
    if invoice["due_date"] is not None:
        invoice["due_date"] += now - invoice["created"]
    due, carried = _against_balance(invoice, owner)
    invoice.update(
        status="open",
        # Until now these were as the customer is at each moment.
        customer_name=owner["name"],
        customer_email=owner["email"],
        customer_address=owner["address"],
        auto_advance=auto_advance,
        effective_at=now,
        starting_balance=owner["balance"],
        ending_balance=carried,
        amount_due=due,
        amount_remaining=due,
        hosted_invoice_url=f"{world.url}/invoices/{invoice['id']}",
        invoice_pdf=f"{world.url}/invoices/{invoice['id']}/pdf",
    )
    invoice["status_transitions"]["finalized_at"] = now
    owner["balance"] = carried
    world.emit("invoice.finalized", invoice)
    if due == 0:
        _paid(world, invoice, 0)
    elif invoice["collection_method"] == "send_invoice" and auto_advance:
        world.emit("invoice.sent", invoice)


def _against_balance(invoice: Json, owner: Json) -> tuple[int, int]:
    """What is due now and what the customer's balance is afterwards: credit is used up, small sums are carried over."""
    due = invoice["total"] + owner["balance"]
    if due <= 0:
        return 0, due
    if due < currencies.SMALLEST_CHARGE.get(invoice["currency"], 0):
        return 0, due
    return due, 0


def pay(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    is_elsewhere = params.boolean("paid_out_of_band", False)
    method = params.text("payment_method", None) or params.text("source", None)
    params.close()
    if invoice["status"] == "draft":
        _finalize(world, invoice, invoice["auto_advance"])
    if invoice["status"] == "paid":
        raise wrong_state("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise wrong_state("Invoice is void and can no longer be paid")
    if is_elsewhere:
        _paid(world, invoice, invoice["amount_remaining"])
        return invoice
    if method is None:
        raise wrong_state("Cannot charge a customer that has no payment method.", code="resource_missing")
    if method in DECLINED_METHODS:
        fail_payment(world, invoice)
        raise Refusal(
            402,
            "Your card was declined.",
            type="card_error",
            code="card_declined",
            decline_code="generic_decline",
            is_kept=True,
        )
    settle(world, invoice)
    return invoice


def settle(world: World, invoice: Json) -> None:
    """The customer's card was charged."""
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    amount = invoice["amount_remaining"]
    world.keep(world.payments, objects.payment(world, invoice, amount))
    _paid(world, invoice, amount)


def fail_payment(world: World, invoice: Json) -> None:
    invoice.update(
        attempted=True,
        attempt_count=invoice["attempt_count"] + 1,
        next_payment_attempt=world.now() + RETRY_SECONDS if invoice["auto_advance"] else None,
    )
    world.emit("invoice.payment_failed", invoice)


def _paid(world: World, invoice: Json, amount: int) -> None:
    invoice.update(
        status="paid",
        auto_advance=False,
        amount_paid=invoice["amount_paid"] + amount,
        amount_remaining=0,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = world.now()
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)


def void(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    params.close()
    if invoice["status"] not in ("open", "uncollectible"):
        raise wrong_state(f"You can only void open or uncollectible invoices; this one is {invoice['status']}.")
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = world.now()
    world.emit("invoice.voided", invoice)
    return invoice


def mark_uncollectible(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    params.close()
    if invoice["status"] != "open":
        raise wrong_state(f"You can only mark open invoices uncollectible; this one is {invoice['status']}.")
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = world.now()
    world.emit("invoice.marked_uncollectible", invoice)
    return invoice


def send(world: World, params: Params, name: str) -> Json:
    invoice = find_invoice(world, name)
    params.texts("expand")
    params.close()
    if invoice["collection_method"] != "send_invoice":
        raise wrong_state("You can only send an invoice whose collection method is send_invoice.")
    if invoice["status"] == "draft":
        _finalize(world, invoice, invoice["auto_advance"])
    world.emit("invoice.sent", invoice)
    return invoice


def credit(world: World, invoice: Json, amount: int) -> None:
    """A credit note before payment: less is due, and nothing due is paid."""
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_due"] -= amount
    invoice["amount_remaining"] -= amount
    if invoice["amount_remaining"] == 0:
        _paid(world, invoice, 0)
