from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest

from functions.application.billing.issue_invoice import MAX_INVOICES_PER_CALL, Issued
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.domain.billing.invoice import BilledCustomer, InvoiceRecord
from functions.domain.errors import NotFound, Unbillable
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, flat, phase, unit


def stored(world: World, issued: Issued, number: int = 0) -> InvoiceRecord:
    record = world.invoices.get(TENANT, issued.invoices[number].invoice.id)
    assert record is not None
    return record


def due(world: World, until: str) -> int:
    return len(world.index.due(at(until), after=None, limit=100).items)


def test_a_period_becomes_an_invoice_that_explains_itself(world: World) -> None:
    world.plan(phase(flat("20", term="in_arrears"), unit("0.003")))
    world.subscribe(start="2026-04-01")

    record = stored(world, world.issue())

    fee, tokens = record.invoice.lines
    assert (fee.total_minor, tokens.total_minor, record.invoice.total_minor) == (2000, 900, 2900)
    assert tokens.usage is not None
    assert (tokens.usage.quantity, tokens.usage.lanes, tokens.usage.meter) == (
        Decimal(3000),
        {"0": 17, "1": 4},
        "tokens_total",
    )
    assert [(c.quantity, c.unit_amount, c.amount_minor) for c in tokens.charges] == [
        (Decimal(3000), Decimal("0.003"), 900)
    ]
    assert (record.invoice.number, record.invoice.run_id, record.invoice.customer.name) == (
        "INV-ACME-1",
        "run-1",
        "Acme Inc.",
    )
    assert world.usage.asked[0][2].start == at("2026-04-01")
    assert world.usage.asked[0][2].end == at("2026-05-01")


def test_running_again_issues_nothing_more(world: World) -> None:
    world.plan()
    world.subscribe(start="2026-04-01")

    first, second = world.issue(), world.issue(run_id="run-2")

    assert [each.invoice.number for each in first.invoices] == ["INV-ACME-1", "INV-ACME-2"]
    assert (second.invoices, second.has_more) == ((), False)
    assert len(world.all_invoices()) == 2


def test_missed_periods_are_caught_up_one_invoice_each(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-03-20")
    world.clock.time = at("2026-07-01")

    issued = world.issue()

    assert [(f"{each.invoice.period_start:%m-%d}", f"{each.invoice.period_end:%m-%d}") for each in issued.invoices] == [
        ("03-20", "04-20"),
        ("04-20", "05-20"),
        ("05-20", "06-20"),
    ]
    assert [each.invoice.total_minor for each in issued.invoices] == [3100, 3000, 3100]
    assert due(world, "2026-07-01") == 0
    assert due(world, "2026-07-20") == 1


def test_a_long_backlog_takes_several_calls(world: World) -> None:
    world.plan(phase(unit("0.01", cadence="P1D")), billingCadence="P1D")
    world.subscribe(start="2026-04-20")

    first, second = world.issue(), world.issue()

    assert (len(first.invoices), first.has_more) == (MAX_INVOICES_PER_CALL, True)
    assert (len(second.invoices), second.has_more) == (1, False)


def test_nothing_is_issued_before_a_period_has_ended(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-02")

    assert world.issue("2026-05-01T23:59:59").invoices == ()
    assert len(world.issue("2026-05-02").invoices) == 1


def test_eight_runs_at_once_give_one_invoice(world: World) -> None:
    world.plan(phase(flat("5", term="in_arrears"), unit("0.003")))
    world.subscribe(start="2026-04-01")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: world.issue(run_id=f"run-{n}"), range(8)))

    assert sum(len(each.invoices) for each in results) == 1
    assert [each.invoice.number for each in world.all_invoices()] == ["INV-ACME-1"]


def test_customers_that_share_a_prefix_get_different_numbers_at_the_same_moment(world: World) -> None:
    world.known_customers[GLOBEX] = BilledCustomer(id=GLOBEX, name="ACME Ltd", subject_keys=("x",))
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.subscribe(GLOBEX, start="2026-04-01")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda customer: world.issue(customer_id=customer), [ACME, GLOBEX]))

    assert sorted(each.invoice.number for each in world.all_invoices()) == ["INV-ACME-1", "INV-ACME-2"]


def test_a_run_that_is_overtaken_while_it_rates_issues_nothing(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    def other_run_is_faster() -> None:
        world.usage.before = lambda: None
        world.issue(run_id="faster")

    world.usage.before = other_run_is_faster
    slow = world.issue(run_id="slower")

    assert slow.invoices == ()
    assert [each.invoice.run_id for each in world.all_invoices()] == ["faster"]


def test_a_cancellation_while_rating_is_rated_again(world: World) -> None:
    world.plan(phase(unit()))
    made = world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-10")

    def cancel() -> None:
        world.usage.before = lambda: None
        cancel_subscription(TENANT, made.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)

    world.usage.before = cancel
    issued = world.issue()

    assert [f"{each.invoice.invoice_at:%m-%d}" for each in issued.invoices] == ["05-01", "05-10"]


def test_a_subscription_that_starts_at_an_instant_billed_before_gets_an_invoice_of_its_own(world: World) -> None:
    world.plan(phase(flat("5"), unit()))
    first = world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-01")
    cancel_subscription(TENANT, first.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)
    world.issue()
    world.clock.time = at("2026-05-02")
    world.subscribe(start="2026-05-01")

    again = world.issue()

    boundaries = [f"{each.invoice.invoice_at:%m-%d}" for each in world.all_invoices()]
    assert boundaries == ["04-01", "05-01", "05-01"]
    assert len({each.invoice.id for each in world.all_invoices()}) == 3
    assert [line.name for line in stored(world, again).invoice.lines] == ["Fee"]


def test_a_period_without_anything_to_charge_is_passed_over(world: World) -> None:
    world.plan(phase(flat("0")))
    world.subscribe(start="2026-04-01")

    assert world.issue().invoices == ()
    assert (due(world, "2026-05-31"), due(world, "2026-06-01")) == (0, 1)


def test_nobody_is_measured_for_a_customer_without_subjects(world: World) -> None:
    world.known_customers[ACME] = BilledCustomer(id=ACME, name="Acme")
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    record = stored(world, world.issue())

    assert (record.invoice.total_minor, world.usage.asked) == (0, [])


def test_corrections_that_outweigh_usage_never_pay_the_customer(world: World) -> None:
    world.usage.per_day["acme-app"] = Decimal(-5)
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    assert stored(world, world.issue()).invoice.total_minor == 0


def test_a_meter_that_is_gone_fails_this_customer_and_leaves_the_period_due(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    def gone() -> None:
        raise NotFound("There is no meter 'tokens_total'.")

    world.usage.before = gone
    with pytest.raises(NotFound):
        world.issue()
    assert due(world, "2026-05-01") == 1


def test_the_document_to_push_is_frozen_with_the_invoice(world: World) -> None:
    world.plan(phase(unit("0.003")))
    world.subscribe(start="2026-04-01")
    record = stored(world, world.issue())

    document = world.documents.get(TENANT, record.invoice.id)

    assert document == record.invoice.document()
    assert document.total_minor == 900
    with pytest.raises(NotFound):
        world.documents.get(TENANT, "01JNJBJDYNJBJDYNJBJDYNJBJD")


def test_yen_have_no_cents(world: World) -> None:
    world.plan(phase(unit("0.335")), currency="JPY")
    world.subscribe(start="2026-04-01")

    assert stored(world, world.issue()).invoice.total_minor == 1005


def test_a_boundary_that_would_be_owed_again_is_an_error_and_issues_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan()
    world.subscribe(start="2026-04-01")
    monkeypatch.setattr(Subscription, "billed", lambda self, _until, _now: self)

    with pytest.raises(Unbillable) as stuck:
        world.issue()

    assert stuck.value.code == "billing_stuck"
    assert world.all_invoices() == []


def test_more_than_an_invoice_can_say_is_told_and_stays_due(world: World) -> None:
    world.plan(phase(unit("999999999")))
    world.subscribe(start="2026-04-01")

    with pytest.raises(Unbillable, match=r"at most 9,999,999,999\.99 USD") as refused:
        world.issue()

    assert refused.value.code == "amount_too_large"
    assert (world.all_invoices(), due(world, "2026-05-01")) == ([], 1)


def test_lines_that_are_too_much_together_are_too_much(world: World) -> None:
    world.plan(phase(flat("9999999999.99", key="one"), flat("0.01", key="two")))
    world.subscribe(start="2026-04-01")

    with pytest.raises(Unbillable):
        world.issue()


def test_a_long_price_billed_by_the_day_fits_the_store_and_reads_back(world: World) -> None:
    words = Random(4)
    rows = [{"values": {"model": f"{words.getrandbits(800):x}"}, "amount": "0.5"} for _ in range(500)]
    price = {"type": "matrix", "dimensions": ["model"], "rows": rows, "defaultAmount": "0.5"}
    world.plan(phase(unit(cadence="P1D") | {"price": price}), billingCadence="P28D")
    world.subscribe(start="2026-04-01")

    issued = world.issue()

    assert stored(world, issued).invoice == issued.invoices[0].invoice
    assert world.documents.get(TENANT, issued.invoices[0].invoice.id).total_minor == 28 * 100 * 50


@pytest.mark.parametrize(
    ("card", "days", "expected"),
    [
        # 0.004 a day are 0.12 in thirty days, and each line is nothing or a cent.
        (flat("0.004", cadence="P1D", term="in_arrears"), 30, 12),
        (flat("0.004", cadence="P1D"), 30, 12),
        (unit("0.00004", cadence="P1D"), 30, 12),
        # Half of it is deducted, and rounded on its own: a cent is still on its way.
        (unit("0.00008", cadence="P1D") | {"discounts": {"percentage": {"percentage": 50}}}, 30, 11),
        (unit("0.00149", cadence="P1D"), 30, 450),
    ],
)
def test_fractions_below_a_cent_are_carried_from_day_to_day(
    world: World, card: dict[str, Any], days: int, expected: int
) -> None:
    world.plan(phase(card), billingCadence="P1D")
    world.clock.time = at("2026-05-01")
    world.subscribe()
    end = at("2026-05-01") + timedelta(days=days)
    total, carried = 0, set[Decimal]()
    for day in range(1, days + 1):
        world.clock.time = at("2026-05-01") + timedelta(days=day)
        for record in world.issue().invoices:
            lines = [line for line in record.invoice.lines if line.period_end <= end]
            total += sum(line.total_minor for line in lines)
            carried |= {line.carried for line in lines}

    assert total == expected
    assert all(abs(each) < Decimal("0.02") for each in carried), "it does not grow"


def test_an_ordinary_invoice_carries_nothing(world: World) -> None:
    world.plan(phase(unit("0.0010001")))
    of = world.subscribe(start="2026-04-01")

    (line,) = world.issue("2026-05-01").invoices[0].invoice.lines

    stored = world.subscriptions.get(TENANT, of.id)
    assert stored is not None
    assert (line.total_minor, line.carried, stored.phases[0].items[0].left_over) == (300, Decimal(0), Decimal(0))


def test_a_customer_who_used_nothing_and_owes_nothing_gets_no_invoice_unless_that_is_wanted(world: World) -> None:
    world.invoices_idle = False
    world.plan(phase(unit("0.01"), flat("0")))
    world.usage.per_day = {}
    of = world.subscribe(start="2026-04-01")
    assert world.issue().invoices == ()
    stored = world.subscriptions.get(TENANT, of.id)
    assert stored is not None
    assert stored.billed_until == at("2026-05-01"), "the period is over all the same"

    world.usage.per_day = {"acme-app": Decimal(1)}
    world.clock.time = at("2026-06-01")
    (record,) = world.issue().invoices
    assert record.invoice.total_minor == 31, "it starts where it should"
    world.usage.per_day, world.invoices_idle = {}, True
    world.clock.time = at("2026-07-01")
    assert [each.invoice.total_minor for each in world.issue().invoices] == [0]


def test_what_is_carried_never_makes_a_line_negative(world: World) -> None:
    tiers = [
        {"upToAmount": "100", "unitPrice": {"type": "unit", "amount": "0"}},
        {"unitPrice": {"type": "unit", "amount": "0.005"}},
    ]
    world.clock.time = at("2026-01-01")
    world.plan(phase(unit() | {"price": {"type": "tiered", "mode": "graduated", "tiers": tiers}}))
    world.usage.per_day = {"acme-app": Decimal(101) / 31}
    world.subscribe(start="2026-01-01")
    totals = []
    for month in range(2, 7):
        world.clock.time = at(f"2026-0{month}-01")
        totals += [record.invoice.total_minor for record in world.issue().invoices]
        world.usage.per_day = {"acme-app": Decimal(1)}

    assert totals == [1, 0, 0, 0, 0]


def test_the_last_number_is_read_right_before_the_next_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between is when others with the same prefix can take it."""
    world.plan(phase(flat(term="in_arrears")))
    world.subscribe(start="2026-04-01")
    asked = Mock()
    for name in ("get", "last_number", "issue"):
        asking = Mock(wraps=getattr(world.invoices, name))
        asked.attach_mock(asking, name)
        monkeypatch.setattr(world.invoices, name, asking)
    world.issue()
    assert [name for name, *_ in asked.mock_calls] == ["get", "last_number", "issue"]
