"""Unserved time is credited back as far as it was paid, once that is known: never more than was received."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.domain.billing.invoice import Invoice, InvoiceRecord
from functions.domain.billing.push import MAY_REPLACE, PaymentStatus
from functions.domain.errors import TollboothError
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.memory import Billing
from tests.application.billing.test_changes_billed import add, edit, only
from tests.application.billing.world import ACME, TENANT, FakeUsage, World
from tests.domain.builders import at, flat, phase, plan, subscription, unit
from tests.domain.builders import edit as edited

VOID, PAID, OPEN, UNCOLLECTIBLE = (
    PaymentStatus.VOID,
    PaymentStatus.PAID,
    PaymentStatus.OPEN,
    PaymentStatus.UNCOLLECTIBLE,
)
YEARLY = flat("1200", cadence="P1Y")


def of_a_year(world: World) -> tuple[Subscription, InvoiceRecord]:
    """A yearly fee of 1,200.00 that is invoiced, and nobody has paid."""
    world.clock.time = at("2026-01-01")
    world.plan(phase(YEARLY), billingCadence="P1Y")
    of = world.subscribe(start="2026-01-01")
    return of, only(world.issue().invoices)


def cancel(world: World, of: Subscription, on: str = "2026-01-02") -> None:
    world.clock.time = at(on)
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)


def totals(world: World, on: str | None = None) -> list[int]:
    if on:
        world.clock.time = at(on)
    return [record.invoice.total_minor for record in world.issue().invoices]


def claims(world: World, of: Subscription) -> list[tuple[bool, int, str | None]]:
    stored = world.subscriptions.get(TENANT, of.id)
    assert stored is not None
    return [(each.is_open, each.amount_minor, each.reason) for each in stored.claims]


def test_a_void_year_gives_nothing_back(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, VOID)
    cancel(world, of)

    assert totals(world) == []
    assert claims(world, of) == [(False, 119671, f"invoice {first.invoice.number} is void")]
    assert totals(world, "2027-06-01") == []


def test_what_was_paid_is_credited_back_at_once(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id)
    cancel(world, of)

    assert totals(world) == [-119671]
    assert claims(world, of) == []


def test_the_claim_on_an_open_invoice_waits_and_is_credited_back_when_it_is_paid(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, OPEN)
    cancel(world, of)
    assert totals(world) == []
    assert claims(world, of) == [(True, 119671, None)]
    assert totals(world, "2026-01-20") == []

    world.settle(first.invoice.id)
    given = only(world.issue("2026-01-22").invoices).invoice

    assert (given.total_minor, [line.name for line in given.lines]) == (-119671, ["Fee (unused time)"])
    assert (given.lines[0].period_start, given.lines[0].period_end) == (at("2026-01-02"), at("2027-01-01"))
    assert given.lines[0].reference.endswith("/period[0]/credit[20260102T000000Z]")
    assert claims(world, of) == []
    assert totals(world, "2027-06-01") == []


def test_the_claim_on_an_open_invoice_is_gone_when_it_is_voided(world: World) -> None:
    of, first = of_a_year(world)
    cancel(world, of)
    assert totals(world) == []

    world.settle(first.invoice.id, VOID)

    assert totals(world, "2026-01-04") == []
    assert claims(world, of) == [(False, 119671, f"invoice {first.invoice.number} is void")]


def test_what_is_written_off_gives_nothing_unless_it_is_paid_after_all(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, UNCOLLECTIBLE)
    cancel(world, of)
    assert totals(world, "2026-03-01") == []
    assert claims(world, of) == [(True, 119671, None)]

    world.settle(first.invoice.id)
    assert totals(world, "2026-03-03") == [-119671]


@pytest.mark.parametrize(
    ("returned", "expected"), [(120_000, []), (100_000, [-20_000]), (329, [-119_671]), (400, [-119_600])]
)
def test_what_was_refunded_or_credited_is_not_credited_back_again(
    world: World, returned: int, expected: list[int]
) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, returned_minor=returned)
    cancel(world, of)

    assert totals(world) == expected


def test_a_line_that_credits_back_less_says_so(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, returned_minor=100_000)
    cancel(world, of)

    (line,) = only(world.issue().invoices).invoice.lines
    assert [(each.reason, each.amount_minor) for each in line.discounts] == [("not_received", -99_671)]
    assert sum(each.amount_minor for each in line.charges) - line.discounts_minor == line.total_minor == -20_000


def test_a_refund_of_an_invoice_is_one_of_all_its_lines(world: World) -> None:
    world.plan(phase(flat("30"), flat("10", key="support")))
    of = world.subscribe(start="2026-05-01")
    first = only(world.issue("2026-05-01").invoices)
    world.settle(first.invoice.id, returned_minor=2000)
    world.clock.time = at("2026-05-01T00:00:01")
    edit(world, of, {"op": "remove_item", "phaseKey": "main", "itemKey": "support"})

    # Half of everything was refunded, so half of the support fee is left.
    assert totals(world) == [-500]


def test_what_was_credited_back_before_is_not_given_again(world: World) -> None:
    """Twice the same time is sold and dropped; the fee was paid once."""
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    world.settle(only(world.issue("2026-05-01").invoices).invoice.id, returned_minor=1500)
    world.clock.time = at("2026-05-11")
    edit(world, of, add(flat("62")))
    first = only(world.issue().invoices).invoice
    assert [line.total_minor for line in first.lines] == [-1600, 4200]
    world.settle(first.id, VOID)
    world.clock.time = at("2026-05-21")
    cancel(world, of, "2026-05-21")

    assert totals(world) == []


def test_an_upgrade_on_an_unpaid_invoice_charges_now_and_credits_back_later(world: World) -> None:
    world.plan(phase(flat("30")))
    of = world.subscribe(start="2026-05-01")
    first = only(world.issue("2026-05-01").invoices)
    world.clock.time = at("2026-05-16T12:00:00")
    edit(world, of, add(flat("60")))

    assert totals(world) == [3000]
    assert world.preview(of.id).invoice.total_minor == 6000, "the next fee, however often the claim is looked at before"
    world.settle(first.invoice.id)
    assert totals(world, "2026-05-18") == [-1500]


def test_the_preview_is_the_invoice_that_follows(world: World) -> None:
    of, first = of_a_year(world)
    world.settle(first.invoice.id, returned_minor=100_000)
    cancel(world, of)

    assert world.preview(of.id).invoice.total_minor == -20_000
    assert totals(world) == [-20_000]


# After any change of a subscription and of its invoices, no line credits back more than was received.

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 40 * 24)),
        st.tuples(st.just("bill"), st.none()),
        st.tuples(st.just("fee"), st.sampled_from(["9", "31", "0.05"])),
        st.tuples(st.just("drop"), st.none()),
        st.tuples(
            st.just("settle"),
            st.tuples(
                st.integers(0, 5), st.sampled_from([PAID, PAID, VOID, OPEN, UNCOLLECTIBLE]), st.integers(0, 4000)
            ),
        ),
        st.tuples(st.just("cancel"), st.none()),
    ),
    max_size=16,
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_no_line_credits_back_more_than_was_received_for_it(steps: list[tuple[str, Any]]) -> None:
    made = plan(phase(flat("31"), flat("12", key="year", cadence="P1Y"), unit()), billingCadence="P1M")
    of = subscription(made, "2026-01-31").model_copy(update={"customer_id": ACME})
    billing = Billing(FakeUsage(), of.active_from, of)
    billing.pays_at_once = False
    issued: list[Invoice] = []
    for kind, what in steps:
        current = billing.subscriptions.stored[of.id]
        try:
            match kind:
                case "wait":
                    billing.clock.time += timedelta(hours=what)
                case "bill":
                    issued += billing.issue()
                case "fee":
                    current = edited(current, add(flat(what)), at=billing.clock.time)
                case "drop":
                    drop = {"op": "remove_item", "phaseKey": "main", "itemKey": "fee"}
                    current = edited(current, drop, at=billing.clock.time)
                case "cancel":
                    current.require_changeable(billing.clock.time, billing.clock.time)
                    current = current.cancelled(billing.clock.time, billing.clock.time)
                case "settle":
                    number, status, returned = what
                    if number < len(issued):
                        _settle(billing, issued[number], status, returned)
        except TollboothError:
            continue
        if kind in ("fee", "drop", "cancel"):
            billing.subscriptions.stored[of.id] = current
        _require_conserved(billing)
    billing.clock.time += timedelta(days=900)
    issued += billing.issue()
    for invoice in issued:
        if billing.invoices.stored[invoice.id].payment.status is not VOID:
            _settle(billing, invoice, PAID, 0)
    billing.clock.time += timedelta(days=3)
    billing.issue()
    _require_conserved(billing)
    stored = billing.subscriptions.stored[of.id]
    assert not any(each.is_open and each.look_at and each.look_at < billing.clock.time for each in stored.claims)


def _settle(billing: Billing, invoice: Invoice, status: PaymentStatus, returned: int) -> None:
    payment = billing.invoices.stored[invoice.id].payment
    if payment.status in MAY_REPLACE[status]:
        returned = max(payment.returned_minor, min(returned, max(invoice.total_minor, 0)) if status is PAID else 0)
        billing.settle(invoice.id, status, returned_minor=returned)


def _require_conserved(billing: Billing) -> None:
    stored = next(iter(billing.subscriptions.stored.values()))
    given = defaultdict[str, int](int)
    for each_phase in stored.phases:
        for item in each_phase.items:
            for fee in item.advances:
                given[fee.line_id] += fee.given_back_minor
    for record in billing.invoices.stored.values():
        for line in record.invoice.lines:
            assert given.pop(line.id, 0) <= max(line.total_minor, 0)
    assert not any(given.values())
    charged = sum(
        line.total_minor
        for record in billing.invoices.stored.values()
        if record.payment.status is PAID
        for line in record.invoice.lines
        if line.total_minor > 0
    )
    back = -sum(
        line.total_minor
        for record in billing.invoices.stored.values()
        for line in record.invoice.lines
        if line.total_minor < 0
    )
    assert back <= charged
