from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from functions.application.ports.gateway import PaymentUpdate
from functions.domain.billing.invoice import InvoiceRecord, InvoiceStatus
from functions.domain.billing.push import PaymentStatus, PushFailure
from functions.domain.errors import NotFound
from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import at, phase, unit

NOW = at("2026-05-01T00:01:00")
OPEN = PaymentUpdate(
    PaymentStatus.OPEN,
    NOW,
    gateway_invoice="in_1",
    number="R-1",
    hosted_invoice_url="https://pay.test/1",
    amount_due_minor=150000,
    due_at=at("2026-06-15"),
)
REFUSED = PaymentUpdate(PaymentStatus.PUSH_FAILED, NOW, failure=PushFailure("no_such_customer", "Nobody there."))


@pytest.fixture
def invoice_id(world: World) -> str:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    return world.issue().invoices[0].invoice.id


def stored(world: World, invoice_id: str) -> InvoiceRecord:
    record = world.invoices.get(TENANT, invoice_id)
    assert record is not None
    return record


def unpushed(world: World, until: datetime) -> int:
    return len(world.index.unpushed(until, after=None, limit=10).items)


def test_what_the_gateway_says_is_on_the_invoice(world: World, invoice_id: str) -> None:
    assert world.payments.record_payment(TENANT, invoice_id, OPEN)

    record = stored(world, invoice_id)
    assert record.status(NOW) is InvoiceStatus.PAYMENT_PROCESSING
    assert record.status(at("2026-06-15")) is InvoiceStatus.OVERDUE
    assert (record.payment.gateway_invoice, record.payment.hosted_invoice_url) == ("in_1", "https://pay.test/1")
    assert record.invoice.number == "INV-ACME-1"
    assert len(record.invoice.lines) == 1


def test_a_later_message_keeps_what_it_does_not_say(world: World, invoice_id: str) -> None:
    world.payments.record_payment(TENANT, invoice_id, OPEN)
    world.payments.record_payment(TENANT, invoice_id, PaymentUpdate(PaymentStatus.PAID, NOW, amount_paid_minor=150000))

    payment = stored(world, invoice_id).payment
    assert (payment.hosted_invoice_url, payment.amount_paid_minor) == ("https://pay.test/1", 150000)


@pytest.mark.parametrize("late", [PaymentStatus.OPEN, PaymentStatus.PUSH_FAILED, PaymentStatus.UNCOLLECTIBLE])
@pytest.mark.parametrize("final", [PaymentStatus.PAID, PaymentStatus.VOID])
def test_a_late_message_never_turns_a_final_state_back(
    world: World, invoice_id: str, final: PaymentStatus, late: PaymentStatus
) -> None:
    world.payments.record_payment(TENANT, invoice_id, PaymentUpdate(final, NOW))

    assert not world.payments.record_payment(TENANT, invoice_id, PaymentUpdate(late, NOW))
    assert stored(world, invoice_id).payment.status is final


def test_messages_that_arrive_together_leave_the_final_one(world: World, invoice_id: str) -> None:
    updates = [OPEN, PaymentUpdate(PaymentStatus.PAID, NOW), OPEN, PaymentUpdate(PaymentStatus.UNCOLLECTIBLE, NOW)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda update: world.payments.record_payment(TENANT, invoice_id, update), updates))

    assert stored(world, invoice_id).payment.status is PaymentStatus.PAID
    assert unpushed(world, at("2027-01-01")) == 0


def test_once_the_gateway_has_it_no_run_pushes_it_again(world: World, invoice_id: str) -> None:
    assert unpushed(world, at("2027-01-01")) == 1
    world.payments.record_payment(TENANT, invoice_id, OPEN)

    assert unpushed(world, at("2027-01-01")) == 0


def test_a_refused_push_is_visible_and_tried_again_ever_more_rarely(world: World, invoice_id: str) -> None:
    world.payments.record_payment(TENANT, invoice_id, REFUSED)

    record = stored(world, invoice_id)
    assert (record.status(NOW), record.is_failed) == (InvoiceStatus.ISSUED, True)
    (failure,) = world.failures.of_customer(TENANT, ACME)
    assert (failure.step, failure.code, failure.invoice_id) == ("push", "no_such_customer", invoice_id)
    hour = timedelta(hours=1)
    assert (unpushed(world, NOW + hour - timedelta(seconds=1)), unpushed(world, NOW + hour)) == (0, 1)

    later = replace(REFUSED, at=NOW + hour)
    world.payments.record_payment(TENANT, invoice_id, later)
    assert (unpushed(world, NOW + 2 * hour), unpushed(world, NOW + 3 * hour)) == (0, 1)
    assert world.failures.of_customer(TENANT, ACME)[0].attempts == 2


def test_a_push_that_succeeds_in_the_end_clears_the_failure(world: World, invoice_id: str) -> None:
    world.payments.record_payment(TENANT, invoice_id, REFUSED)
    world.payments.record_payment(TENANT, invoice_id, OPEN)

    assert world.failures.of_customer(TENANT, ACME) == []
    assert not stored(world, invoice_id).is_failed


def test_an_invoice_that_does_not_exist_is_not_paid(world: World) -> None:
    with pytest.raises(NotFound):
        world.payments.record_payment(TENANT, "01JNJBJDYNJBJDYNJBJDYNJBJD", OPEN)


def test_a_refusal_that_comes_again_within_the_second_keeps_its_place_in_the_index(
    world: World, invoice_id: str
) -> None:
    """From the longest wait on both name the same next try, and one transaction takes one write of an item."""
    for _ in range(8):
        assert world.payments.record_payment(TENANT, invoice_id, REFUSED)

    assert (unpushed(world, NOW + timedelta(hours=23)), unpushed(world, NOW + timedelta(hours=25))) == (0, 1)
