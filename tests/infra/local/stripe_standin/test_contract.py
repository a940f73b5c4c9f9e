"""Every answer of the stand-in has the shape that Stripe's own package gives it, through an invoice's whole life."""

from typing import Any

import pytest
import stripe

from infra.local.stripe_standin.server import Server
from tests.infra.local.stripe_standin.contract import hints, wrong_answer, wrong_request

# Sent only when expanded, in special cases, or never to this account.
SOMETIMES = {
    "invoice": {"deleted", "confirmation_secret", "payments", "threshold_reason", "status_details"},
    "line_item": set[str](),
    "customer": {
        *("deleted", "cash_balance", "business_name", "individual_name", "invoice_credit_balance", "sources"),
        *("subscriptions", "tax", "tax_ids"),
    },
    "credit_note": {"refund"},
    "refund": {
        *("description", "destination_details", "failure_balance_transaction", "failure_reason", "instructions_email"),
        *("next_action", "pending_reason", "presentment_details"),
    },
}


def fully(kind: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, after it was found right and complete."""
    assert wrong_answer(kind, answer) == []
    assert set(hints(kind)) - set(answer) <= SOMETIMES[answer["object"]]
    return answer


def raw(server: Server, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = getattr(server.service.world, kind)[name]
    return found


@pytest.fixture
def drafted(client: stripe.StripeClient) -> str:
    customer = client.v1.customers.create({"name": "Acme", "email": "pay@acme.example", "metadata": {"a": "b"}})
    invoice = client.v1.invoices.create(
        {"customer": customer.id, "currency": "usd", "collection_method": "send_invoice", "days_until_due": 30}
    )
    client.v1.invoices.add_lines(
        invoice.id,
        {
            "lines": [
                {"amount": 1000 + i, "description": f"line {i}", "metadata": {"line_id": str(i)}} for i in range(12)
            ]
        },
    )
    return invoice.id


def test_a_customer_and_a_draft_have_stripes_shape(server: Server, client: stripe.StripeClient, drafted: str) -> None:
    invoice = fully(stripe.Invoice, raw(server, "invoices", drafted))
    fully(stripe.Customer, raw(server, "customers", invoice["customer"]))
    for line in server.service.world.lines[drafted]:
        fully(stripe.InvoiceLineItem, line)
    assert (invoice["total"], invoice["status"], invoice["number"]) == (sum(range(1000, 1012)), "draft", None)


def test_an_invoice_embeds_only_its_first_lines(client: stripe.StripeClient, drafted: str) -> None:
    invoice = client.v1.invoices.retrieve(drafted)
    assert (len(invoice.lines.data), invoice.lines.has_more) == (10, True)
    lines = client.v1.invoices.line_items.list(drafted, {"limit": 5})
    assert (len(lines.data), lines.has_more) == (5, True)
    assert [each.metadata["line_id"] for each in lines.auto_paging_iter()] == [str(i) for i in range(12)]


def test_open_paid_void_and_uncollectible_invoices_have_stripes_shape(
    server: Server, client: stripe.StripeClient, drafted: str
) -> None:
    client.v1.invoices.finalize_invoice(drafted, {"auto_advance": True})
    opened = fully(stripe.Invoice, raw(server, "invoices", drafted))
    assert (opened["status"], opened["amount_due"]) == ("open", opened["total"])
    assert opened["due_date"] == opened["status_transitions"]["finalized_at"] + 30 * 86_400
    client.v1.invoices.mark_uncollectible(drafted)
    assert fully(stripe.Invoice, raw(server, "invoices", drafted))["status"] == "uncollectible"
    client.v1.invoices.pay(drafted, {"payment_method": "pm_card_visa"})
    paid = fully(stripe.Invoice, raw(server, "invoices", drafted))
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"]) == ("paid", paid["total"], 0)
    expanded = client.v1.invoices.retrieve(drafted, {"expand": ["payments"]})
    assert expanded.payments is not None
    assert wrong_answer(stripe.Invoice, raw(server, "invoices", drafted) | {"payments": _listed(server, drafted)}) == []
    with pytest.raises(stripe.InvalidRequestError, match="void"):
        client.v1.invoices.void_invoice(drafted)


def _listed(server: Server, name: str) -> dict[str, Any]:
    payments = [each for each in server.service.world.payments.values() if each["invoice"] == name]
    return {"object": "list", "data": payments, "has_more": False, "url": "/v1/invoice_payments"}


def test_credit_notes_and_refunds_have_stripes_shape(server: Server, client: stripe.StripeClient, drafted: str) -> None:
    client.v1.invoices.finalize_invoice(drafted)
    note = client.v1.credit_notes.create({"invoice": drafted, "amount": 66, "reason": "order_change"})
    fully(stripe.CreditNote, raw(server, "credit_notes", note.id))
    assert raw(server, "invoices", drafted)["amount_remaining"] == 12_000
    client.v1.invoices.pay(drafted, {"payment_method": "pm_card_visa"})
    credited_back = client.v1.credit_notes.create({"invoice": drafted, "amount": 2000, "refund_amount": 2000})
    found = fully(stripe.CreditNote, raw(server, "credit_notes", credited_back.id))
    assert (found["type"], len(found["refunds"])) == ("post_payment", 1)
    (refund,) = client.v1.refunds.list().data
    fully(stripe.Refund, raw(server, "refunds", refund.id))
    assert refund.amount == 2000


def test_events_have_stripes_shape_and_are_listed_newest_first(
    server: Server, client: stripe.StripeClient, drafted: str
) -> None:
    client.v1.invoices.finalize_invoice(drafted, {"auto_advance": True})
    events = list(server.service.world.events.values())
    for event in events:
        known = hints(stripe.Event)
        assert set(event) <= set(known)
        assert {"id", "created", "data", "type", "livemode", "pending_webhooks"} <= set(event)
    listed = [event.type for event in client.v1.events.list({"limit": 100}).data]
    assert listed == [event["type"] for event in reversed(events)]
    assert listed[:2] == ["invoice.sent", "invoice.finalized"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"customer": "cus_1", "colour": "red"}, "colour is unknown"),
        ({"customer": "cus_1", "days_until_due": "soon"}, "is not"),
        ({"customer": "cus_1", "collection_method": "by_pigeon"}, "is none of"),
        ({"customer": "cus_1", "automatic_tax": {}}, "enabled is missing"),
        ({"customer": "cus_1", "metadata": {"a": {"b": "c"}}}, "/v1/invoices.metadata: "),
    ],
)
def test_the_contract_itself_notices_a_wrong_request(values: dict[str, Any], complaint: str) -> None:
    assert any(complaint in wrong for wrong in wrong_request("POST", "/v1/invoices", values))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"total": "12"}, "is not"),
        ({"shoe_size": 43}, "is unknown"),
        ({"status": "lost"}, "none of"),
        ({"lines": []}, "not a list object"),
        ({"automatic_tax": {"enabled": "yes"}}, "is not"),
    ],
)
def test_the_contract_itself_notices_a_wrong_answer(
    server: Server, drafted: str, change: dict[str, Any], complaint: str
) -> None:
    answer = raw(server, "invoices", drafted) | change
    assert any(complaint in wrong for wrong in wrong_answer(stripe.Invoice, answer))
    del answer["total"]
    assert "Invoice: total is missing" in wrong_answer(stripe.Invoice, answer)
