"""A message from the gateway is a hint: only what the gateway says now is written, and only about our invoice."""

from dataclasses import replace
from typing import Any

import pytest

from functions.application.billing.settle_invoice import Settled, settle_invoice
from functions.application.ports.gateway import GatewayEvent, GatewayUnreachable
from functions.domain.billing.push import PaymentStatus
from tests.application.billing.push.world import TENANT, PushWorld, document

# Each pushes to the stand-in over HTTP.
pytestmark = pytest.mark.large


@pytest.fixture
def ref(world: PushWorld) -> str:
    world.issue()
    ref = world.push().gateway_invoice
    assert ref is not None
    return ref


def event(ref: str | None, name: str = "evt_1", **changes: Any) -> GatewayEvent:
    return replace(GatewayEvent(name, "invoice.paid", TENANT, "01INVOICE", ref), **changes)


def settle(world: PushWorld, given: GatewayEvent, **others: Any) -> Settled:
    ports: dict[str, Any] = {"gateway": world.gateway, "pushes": world.pushes, "payments": world.payments}
    return settle_invoice(given, clock=world.clock, **(ports | others))


def pay(world: PushWorld, ref: str) -> None:
    world.client().v1.invoices.pay(ref, {"payment_method": "pm_card_visa"})


def test_a_payment_makes_our_invoice_paid(world: PushWorld, ref: str) -> None:
    pay(world, ref)
    assert settle(world, event(ref)) is Settled.RECORDED
    update = world.payments.updates[TENANT, "01INVOICE"][-1]
    assert (update.status, update.amount_paid_minor) == (PaymentStatus.PAID, document().total_minor)


def test_the_same_message_twice_is_settled_once(world: PushWorld, ref: str) -> None:
    pay(world, ref)
    settle(world, event(ref))
    asked = len(world.requests())
    assert settle(world, event(ref)) is Settled.DUPLICATE
    assert len(world.requests()) == asked


def test_a_message_that_says_paid_does_not_make_it_paid(world: PushWorld, ref: str) -> None:
    settle(world, event(ref, type="invoice.paid"))
    assert world.payments.status() is PaymentStatus.OPEN


def test_late_messages_never_turn_a_paid_invoice_back(world: PushWorld, ref: str) -> None:
    before = world.gateway.invoice(ref)
    pay(world, ref)
    settle(world, event(ref, "evt_paid"))

    class ReadEarlier:
        """Another function that read the invoice before the payment and writes after it."""

        def invoice(self, ref: str) -> Any:
            return before

    assert settle(world, event(ref, "evt_open"), gateway=ReadEarlier()) is Settled.UNCHANGED
    assert world.payments.status() is PaymentStatus.PAID


@pytest.mark.parametrize(
    ("action", "status"),
    [("void_invoice", PaymentStatus.VOID), ("mark_uncollectible", PaymentStatus.UNCOLLECTIBLE)],
)
def test_void_and_written_off_invoices_are_so_here_too(
    world: PushWorld, ref: str, action: str, status: PaymentStatus
) -> None:
    getattr(world.client().v1.invoices, action)(ref)
    settle(world, event(ref))
    assert world.payments.status() is status


def test_a_written_off_invoice_can_still_be_paid(world: PushWorld, ref: str) -> None:
    world.client().v1.invoices.mark_uncollectible(ref)
    settle(world, event(ref, "evt_1"))
    pay(world, ref)
    settle(world, event(ref, "evt_2"))
    assert world.payments.status() is PaymentStatus.PAID


@pytest.mark.parametrize(
    "change",
    [
        {"tenant": None},
        {"invoice_id": None},
        {"gateway_invoice": None},
        {"tenant": "somebody-else"},
        {"invoice_id": "99INVOICE"},
        {"gateway_invoice": "in_copied"},
    ],
)
def test_messages_about_other_invoices_are_ignored(world: PushWorld, ref: str, change: dict[str, Any]) -> None:
    pay(world, ref)
    assert settle(world, event(ref, **change)) is Settled.IGNORED
    assert world.payments.status() is PaymentStatus.OPEN


def test_a_message_is_not_forgotten_when_the_gateway_cannot_be_asked(world: PushWorld, ref: str) -> None:
    pay(world, ref)
    world.fault("drop_before", ".*", method="GET")
    with pytest.raises(GatewayUnreachable):
        settle(world, event(ref))
    assert settle(world, event(ref)) is Settled.RECORDED


def test_a_crash_before_the_write_leaves_the_message_to_be_repeated(world: PushWorld, ref: str) -> None:
    pay(world, ref)

    class Dying:
        def record_payment(self, *args: Any) -> bool:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        settle(world, event(ref), payments=Dying())
    assert settle(world, event(ref)) is Settled.RECORDED


def test_a_draft_says_nothing_about_money(world: PushWorld, ref: str) -> None:
    world.stripe.invoices[ref]["status"] = "draft"
    assert settle(world, event(ref)) is Settled.UNCHANGED


def returned(world: PushWorld) -> int | None:
    return world.payments.updates[TENANT, "01INVOICE"][-1].returned_minor


def of_hand(kind: str, **named: str) -> GatewayEvent:
    """As a refund or a credit note made at the gateway arrives: without anything of ours."""
    return replace(GatewayEvent("evt_back", kind, None, None, None), **named)


def test_a_refund_made_at_the_gateway_is_known_here(world: PushWorld, ref: str) -> None:
    pay(world, ref)
    settle(world, event(ref))
    assert returned(world) == 0
    v1 = world.client().v1
    intent = v1.invoice_payments.list({"invoice": ref}).data[0].payment.payment_intent
    assert isinstance(intent, str)
    v1.refunds.create({"payment_intent": intent, "amount": 12})

    assert settle(world, of_hand("refund.created", payment=intent)) is Settled.RECORDED
    assert returned(world) == 12


def test_a_refunded_credit_note_counts_once_and_one_to_the_balance_too(world: PushWorld, ref: str) -> None:
    pay(world, ref)
    v1 = world.client().v1
    v1.credit_notes.create({"invoice": ref, "amount": 70, "refund_amount": 70})
    v1.credit_notes.create({"invoice": ref, "amount": 30, "credit_amount": 30})
    intent = v1.invoice_payments.list({"invoice": ref}).data[0].payment.payment_intent
    assert isinstance(intent, str)
    v1.refunds.create({"payment_intent": intent, "amount": 5})

    assert settle(world, of_hand("credit_note.created", gateway_invoice=ref)) is Settled.RECORDED
    assert returned(world) == 105


@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/credit_notes"])
def test_what_went_back_is_asked_for_as_patiently_as_all_else(world: PushWorld, ref: str, path: str) -> None:
    pay(world, ref)
    world.client().v1.credit_notes.create({"invoice": ref, "amount": 70, "refund_amount": 70})
    world.fault("rate_limit", path, method="GET")
    assert settle(world, event(ref)) is Settled.RECORDED
    assert returned(world) == 70


def test_money_back_for_something_else_is_ignored(world: PushWorld, ref: str) -> None:
    assert settle(world, of_hand("refund.created", payment="pi_elsewhere")) is Settled.IGNORED
    assert settle(world, of_hand("credit_note.created", gateway_invoice="in_elsewhere")) is Settled.IGNORED
    assert settle(world, of_hand("charge.succeeded", payment="pi_elsewhere")) is Settled.IGNORED
