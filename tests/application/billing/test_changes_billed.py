"""What edits, changes and cancellations cost: exact to the second, nothing twice, nothing lost."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.change_subscription import Changed, change_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.application.subscriptions.edit_subscription import edit_subscription
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceLine
from functions.domain.subscriptions.operations import Operation
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.world import TENANT, World
from tests.domain.builders import at, flat, phase, unit

OPERATION: TypeAdapter[Any] = TypeAdapter(Operation)


@pytest.fixture(autouse=True)
def everything_is_paid(world: World) -> None:
    """What is credited back was received before."""
    world.pays_at_once = True


def edit(world: World, of: Subscription, *operations: dict[str, Any], timing: str = "immediate") -> Subscription:
    return edit_subscription(
        TENANT,
        of.id,
        [OPERATION.validate_python(each) for each in operations],
        timing,
        subscriptions=world.subscriptions,
        features=world.features,
        clock=world.clock,
        new_id=world.new_id,
    )


def change(world: World, of: Subscription, plan: str, timing: str = "immediate") -> Changed:
    return change_subscription(
        TENANT,
        of.id,
        PlanChoice(plan),
        timing,
        SubscriptionTerms(),
        catalogue=world.catalogue,
        subscriptions=world.subscriptions,
        clock=world.clock,
        new_id=world.new_id,
    )


def add(card: dict[str, Any]) -> dict[str, Any]:
    return {"op": "add_item", "phaseKey": "main", "rateCard": card}


def amounts(record: InvoiceRecord) -> list[tuple[str, int]]:
    return [(line.name, line.total_minor) for line in record.invoice.lines]


def only(records: tuple[InvoiceRecord, ...]) -> InvoiceRecord:
    (record,) = records
    return record


def graduated(first: str, then: str, bound: str = "1000") -> dict[str, Any]:
    def tier(amount: str, **more: str) -> dict[str, Any]:
        return {"flatPrice": None, "unitPrice": {"type": "unit", "amount": amount}} | more

    price = {"type": "tiered", "mode": "graduated", "tiers": [tier(first, upToAmount=bound), tier(then)]}
    return unit() | {"price": price}


def test_a_dearer_fee_within_the_month_credits_back_the_rest_of_the_old_one(world: World) -> None:
    world.plan(phase(flat("30")))
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-11T06:00:00")
    edit(world, of, add(flat("60")))

    record = only(world.issue().invoices)

    # 20.75 of 31 days are left.
    assert amounts(record) == [("Fee (unused time)", -2008), ("Fee", 4016)]
    assert record.invoice.total_minor == 2008
    assert len({line.reference for line in record.invoice.lines}) == 2
    assert only(world.issue("2026-06-01").invoices).invoice.total_minor == 6000


def test_a_fee_that_is_dropped_becomes_an_invoice_that_gives_money_back(world: World) -> None:
    world.plan(phase(flat("31")))
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-31")
    edit(world, of, {"op": "remove_item", "phaseKey": "main", "itemKey": "fee"})

    assert only(world.issue().invoices).invoice.total_minor == -100
    assert world.issue("2026-07-01").invoices == ()


@pytest.mark.parametrize(("currency", "paid", "back"), [("JPY", 1000, -323), ("KWD", 1000_000, -322_580)])
def test_unused_time_is_rounded_to_the_currencys_own_digits(world: World, currency: str, paid: int, back: int) -> None:
    world.plan(phase(flat("1000")), currency=currency)
    of = world.subscribe(start="2026-05-01")
    assert only(world.issue("2026-05-01").invoices).invoice.total_minor == paid
    world.clock.time = at("2026-05-22")
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)

    assert only(world.issue().invoices).invoice.total_minor == back


def test_usage_is_cut_where_the_price_changed_and_comes_with_the_regular_invoice(world: World) -> None:
    world.plan(phase(unit("0.01")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    edit(world, of, add(unit("0.02")))
    assert world.issue().invoices == ()

    record = only(world.issue("2026-06-01").invoices)

    assert amounts(record) == [("Tokens", 1000), ("Tokens", 4200)]
    assert [(line.period_start, line.period_end) for line in record.invoice.lines] == [
        (at("2026-05-01"), at("2026-05-11")),
        (at("2026-05-11"), at("2026-06-01")),
    ]


def test_tiers_go_on_after_an_edit(world: World) -> None:
    """100 tokens a day: 1,000 cheap ones are used up by the 11th, so that none are left for the new price."""
    world.plan(phase(graduated("0", "0.01")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-16")
    edit(world, of, add(graduated("0", "0.03")))

    record = only(world.issue("2026-06-01").invoices)

    assert [line.total_minor for line in record.invoice.lines] == [500, 4800]
    assert before(record.invoice.lines[1]) == Decimal(1500)
    following = only(world.issue("2026-07-01").invoices)
    assert [line.total_minor for line in following.invoice.lines] == [6000]


def before(line: InvoiceLine) -> Decimal:
    assert line.working is not None
    return line.working.metered_before


def test_a_change_of_plan_bills_both_together_and_carries_the_usage_over(world: World) -> None:
    world.plan(phase(flat("31"), graduated("0", "0.01")))
    world.plan(phase(flat("62"), graduated("0", "0.02", "2000")), key="team")
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-16")
    changed = change(world, of, "team")

    at_once = only(world.issue().invoices)
    assert amounts(at_once) == [("Fee (unused time)", -1600), ("Tokens", 500), ("Fee", 3200)]
    # 1,500 were used before: of the 1,600 that follow, 500 are still free and 1,100 cost 0.02.
    following = only(world.issue("2026-06-01").invoices)
    assert amounts(following) == [("Fee", 6200), ("Tokens", 2200)]
    assert changed.following.billing_anchor == at("2026-05-01")


def test_a_change_at_the_next_cycle_bills_no_day_twice(world: World) -> None:
    world.plan(phase(flat("31"), unit("0.01")))
    world.plan(phase(flat("62"), unit("0.02")), key="team")
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-16")
    change(world, of, "team", "next_billing_cycle")

    assert world.issue().invoices == ()
    record = only(world.issue("2026-06-01").invoices)
    assert sorted(amounts(record)) == [("Fee", 6200), ("Tokens", 3100)]


def test_a_fee_paid_for_a_quarter_is_credited_back_month_by_month(world: World) -> None:
    world.plan(phase(flat("30")), billingCadence="P3M")
    of = world.subscribe(start="2026-05-01")
    assert only(world.issue("2026-05-01").invoices).invoice.total_minor == 9000
    world.clock.time = at("2026-06-16")
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)

    record = only(world.issue().invoices)
    assert amounts(record) == [("Fee (unused time)", -1500), ("Fee (unused time)", -3000)]


def test_an_edit_at_the_instant_of_a_bill_is_neither_lost_nor_doubled(world: World) -> None:
    world.plan(phase(flat("30")))
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    edit(world, of, add(flat("90")))

    assert amounts(only(world.issue().invoices)) == [("Fee (unused time)", -3000), ("Fee", 9000)]
    assert world.issue().invoices == ()


def test_the_due_index_follows_edits(world: World) -> None:
    world.plan(phase(flat("30")))
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-10")
    edit(world, of, add(flat("5", key="seat")))

    assert [each.customer_id for each in world.index.due(world.clock.now(), after=None, limit=5).items] != []
    world.issue()
    assert world.index.due(at("2026-05-31"), after=None, limit=5).items == []
