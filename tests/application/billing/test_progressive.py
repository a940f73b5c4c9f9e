"""Billing what was used so far: the lines of a period are its one line, cut; nothing is billed twice or lost."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.billing.rate_billables import Rater
from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.domain.billing.invoice import Invoice
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.simulation import InvoiceSimulation
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import GraduatedPrice, LineUsage
from functions.domain.metering.values.holding import held_ever
from functions.domain.period import Period
from functions.domain.subscriptions.billables_within import billables_within
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.memory import Billing
from tests.application.billing.test_changes_billed import add, edit, graduated, only
from tests.application.billing.world import ACME, TENANT, FakeUsage, MovableClock, World
from tests.domain.builders import at, flat, phase, plan, subscription, unit
from tests.domain.builders import edit as edited
from tests.domain.catalog.test_pricing import CARDS, GRADUATED, GRADUATED_SHARE, HOURS, MATRIX, PACKAGE, SHARE, VOLUME

START, END = at("2026-05-01"), at("2026-06-01")
SECONDS = int((END - START).total_seconds())
SPLITTABLE: list[dict[str, Any]] = [
    {"type": "unit", "amount": "0.0000025"},
    {"type": "unit", "amount": "1.5"},
    {"type": "dynamic", "multiplier": "1.0725"},
    PACKAGE,
    GRADUATED,
    SHARE,
    GRADUATED_SHARE,
]
COMMITMENTS = [{}, {"minimumAmount": "50"}, {"maximumAmount": "120"}, {"minimumAmount": "7", "maximumAmount": "70"}]


@dataclass(frozen=True)
class Used:
    """`quantity` at `second` of the period, known `late` seconds after it."""

    second: int
    quantity: Decimal
    late: int = 0


@dataclass
class Events(FakeUsage):
    """A meter of single events: the sum, or the highest, of those that have come by now."""

    used: Sequence[Used] = ()
    clock: MovableClock = field(default_factory=lambda: MovableClock(START))
    is_highest: bool = False

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        self.before()
        known = (self.clock.time - START).total_seconds()
        found = [
            each.quantity
            for each in self.used
            if START + timedelta(seconds=each.second) in question.period and each.second + each.late < known
        ]
        if self.is_highest:
            return max(found, default=Decimal(0)), {}
        return sum(found, Decimal(0)), {}


def billing(events: Events, of: Subscription) -> Billing:
    made = Billing(events, START, of)
    events.clock = made.clock
    return made


def one_card(price: dict[str, Any], **more: Any) -> dict[str, Any]:
    return unit() | {"price": price} | more


def of_acme(*cards: dict[str, Any], **changed: Any) -> Subscription:
    made = subscription(plan(phase(*cards), **changed), "2026-05-01")
    return made.model_copy(update={"customer_id": ACME})


def lines(invoices: Sequence[Invoice]) -> Iterator[InvoiceLine]:
    return (line for invoice in invoices for line in invoice.lines)


def run(made: Billing, cuts: Sequence[int], changes: Mapping[int, Any] | None = None) -> list[InvoiceLine]:
    """Bill what was used so far at each cut and the rest when all is known; `changes` by the second they are made."""
    billed: list[InvoiceLine] = []
    for second in sorted({*cuts, *(changes or {})}):
        made.clock.time = START + timedelta(seconds=second)
        if second in cuts:
            billed += lines(made.issue(progressive=True))
        if changes and second in changes:
            for of in list(made.subscriptions.stored.values()):
                made.subscriptions.stored[of.id] = changes[second](of, made.clock.time)
    made.clock.time = END + timedelta(days=3)
    billed += lines(made.issue())
    return billed


def before_rounding(of: InvoiceLine) -> Decimal:
    assert of.working is not None
    usage = LineUsage(
        of.working.priced,
        of.working.priced_before,
        is_first=of.position in (None, "first"),
        is_last=of.position in (None, "last"),
    )
    return sum((each.amount for each in of.price.charges(usage)), Decimal(0))


SOME = [Decimal(each) for each in (0, 5, 10, 1000)]
QUANTITY = st.one_of(st.sampled_from(SOME), st.decimals(0, 99, places=3))


def use(second: int, quantity: Decimal, late: int) -> Used:
    """Known before the run that closes the period, two days after its end."""
    return Used(second, quantity, min(late, SECONDS + 2 * 86_400 - second))


EVENTS = st.lists(
    st.builds(use, st.integers(0, SECONDS - 1), QUANTITY, st.sampled_from([0, 60, 86_400, 9 * 86_400])), max_size=12
)
CUTS = st.lists(st.integers(1, SECONDS - 1), max_size=5, unique=True)


@settings(max_examples=200, deadline=None)
@given(
    price=st.sampled_from(SPLITTABLE),
    limits=st.sampled_from(COMMITMENTS),
    used=EVENTS,
    cuts=CUTS,
    off=st.sampled_from([None, 10, 33]),
    free=st.sampled_from([None, "10", "250.5"]),
    conversion=st.sampled_from([None, {"operation": "divide", "conversionFactor": "3", "rounding": "ceiling"}]),
    is_highest=st.booleans(),
)
def test_the_lines_of_a_period_are_its_one_line_cut(
    price: dict[str, Any],
    limits: dict[str, str],
    used: list[Used],
    cuts: list[int],
    off: int | None,
    free: str | None,
    conversion: dict[str, Any] | None,
    is_highest: bool,
) -> None:
    discounts: dict[str, Any] = {}
    if off:
        discounts["percentage"] = {"percentage": off}
    if free:
        discounts["usage"] = {"quantity": free}
    card = one_card(price | limits, discounts=discounts or None, unitConfig=conversion)

    parts = run(billing(Events(used=used, is_highest=is_highest), of_acme(card)), cuts)
    (one,) = run(billing(Events(used=used, is_highest=is_highest), of_acme(card)), [])

    assert one.working is not None
    workings = [part.working for part in parts if part.working]
    assert sum((each.metered for each in workings), Decimal(0)) == one.working.metered
    assert sum((each.priced for each in workings), Decimal(0)) == one.working.priced
    assert len({part.reference for part in parts}) == len({part.id for part in parts}) == len(parts)
    time = [(part.period_start, part.period_end) for part in parts]
    assert [time[0][0], *(end for _, end in time)] == [*(start for start, _ in time), END], "one follows the other"
    if len(parts) > 1:
        assert [part.position for part in parts] == ["first", *["middle"] * (len(parts) - 2), "last"]
        assert len({part.split_group for part in parts}) == 1
    allowed = sum(len(part.charges) for part in parts) + len(one.charges)
    assert abs(sum(part.total_minor for part in parts) - one.total_minor) <= allowed


@settings(max_examples=100, deadline=None)
@given(price=st.sampled_from(SPLITTABLE), used=EVENTS, cuts=CUTS)
def test_before_rounding_the_lines_add_up_exactly(price: dict[str, Any], used: list[Used], cuts: list[int]) -> None:
    parts = run(billing(Events(used=used), of_acme(one_card(price))), cuts)
    (one,) = run(billing(Events(used=used), of_acme(one_card(price))), [])

    assert sum(map(before_rounding, parts), Decimal(0)) == before_rounding(one)


@settings(max_examples=100, deadline=None)
@given(
    price=st.sampled_from(SPLITTABLE),
    limits=st.sampled_from(COMMITMENTS),
    used=EVENTS.map(lambda found: [Used(each.second, each.quantity) for each in found]),
    cuts=CUTS,
    change=st.integers(1, SECONDS - 1),
)
def test_a_change_within_the_period_costs_the_same_however_it_was_billed_before(
    price: dict[str, Any], limits: dict[str, str], used: list[Used], cuts: list[int], change: int
) -> None:
    def dearer(of: Subscription, now: datetime) -> Subscription:
        return edited(of, add(one_card(GRADUATED)), at=now)

    card = one_card(price | limits)
    parts = run(billing(Events(used=used), of_acme(card)), cuts, {change: dearer})
    whole = run(billing(Events(used=used), of_acme(card)), [], {change: dearer})

    for version in ("/v[0]/", "/v[1]/"):
        mine, theirs = ([line for line in each if version in line.reference] for each in (parts, whole))
        assert sum((each.working.metered for each in mine if each.working), Decimal(0)) == sum(
            (each.working.metered for each in theirs if each.working), Decimal(0)
        )
        allowed = sum(len(each.charges) for each in [*mine, *theirs])
        assert abs(sum(each.total_minor for each in mine) - sum(each.total_minor for each in theirs)) <= allowed


@settings(max_examples=100, deadline=None)
@given(
    price=st.sampled_from(SPLITTABLE), limits=st.sampled_from(COMMITMENTS), used=EVENTS, cuts=CUTS, off=st.booleans()
)
def test_simulating_each_line_with_what_was_before_it_is_the_run(
    price: dict[str, Any], limits: dict[str, str], used: list[Used], cuts: list[int], off: bool
) -> None:
    discounts = {"percentage": {"percentage": "33"}, "usage": {"quantity": "100"}} if off else None
    for line in run(billing(Events(used=used), of_acme(one_card(price | limits, discounts=discounts))), cuts):
        assert line.working is not None
        body = {
            "name": line.name,
            "period": {"from": line.period_start, "to": line.period_end},
            "invoiceAt": line.invoice_at,
            "rateCard": {"price": price | limits} | ({"discounts": discounts} if discounts else {}),
            "quantity": f"{line.working.metered:f}",
            "preLinePeriodQuantity": f"{line.working.metered_before:f}",
            "position": line.position or "only",
            "previouslyBilledAmount": f"{Decimal(line.working.previously_billed_minor).scaleb(-2):f}",
        }
        (tried,) = InvoiceSimulation.model_validate({"currency": "USD", "lines": [body]}).lines
        again = tried.line("01K", "USD")
        assert (again.charges, again.total_minor) == (line.charges, line.total_minor)
        assert again.working == line.working


def test_usage_so_far_is_billed_and_the_rest_when_the_period_ends(world: World) -> None:
    world.plan(phase(flat("10"), unit("0.01")))
    of = world.subscribe(start="2026-05-01")
    world.issue("2026-05-01")
    world.clock.time = at("2026-05-11T12:00:00")

    record = only(world.issue(progressive=True).invoices)

    (line,) = record.invoice.lines
    assert (line.period_start, line.period_end) == (at("2026-05-01"), at("2026-05-11T12:00:00"))
    assert (record.invoice.total_minor, record.invoice.invoice_at) == (1050, at("2026-05-11T12:00:00"))
    world.clock.time = at("2026-05-20")
    looked_ahead = world.preview(of.id).invoice
    assert [(each.name, each.total_minor) for each in looked_ahead.lines] == [("Fee", 1000), ("Tokens", 2050)]
    world.clock.time = at("2026-06-01")
    (rest,) = (each for each in only(world.issue().invoices).invoice.lines if each.usage)
    assert (rest.period_start, rest.period_end, rest.total_minor) == (at("2026-05-11T12:00:00"), END, 2050)
    assert rest.usage is not None
    assert (rest.usage.counted_from, rest.usage.billed_before) == (at("2026-05-01"), Decimal(1050))
    world.clock.time = at("2026-07-01")
    (whole,) = (each for each in only(world.issue().invoices).invoice.lines if each.usage)
    assert (whole.position, whole.total_minor) == (None, 3000), "the next period is whole again"


@pytest.mark.parametrize(
    "price",
    [
        VOLUME,
        MATRIX,
        HOURS,
        CARDS | {"minimumPerEvent": "1", "maximumPerEvent": "50"},
    ],
)
def test_a_price_that_looks_at_the_whole_period_waits_for_its_end(world: World, price: dict[str, Any]) -> None:
    world.plan(phase(one_card(price)))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")

    assert world.issue(progressive=True).invoices == ()
    world.clock.time = at("2026-06-01")
    (line,) = only(world.issue().invoices).invoice.lines
    assert (line.period_start, line.position) == (at("2026-05-01"), None)


def test_so_does_a_meter_whose_answer_may_fall(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    world.usage.grows = False

    assert world.issue(progressive=True).invoices == ()


def test_nothing_used_is_no_invoice_and_leaves_the_period_whole(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.usage.per_day = {}
    world.clock.time = at("2026-05-11")

    assert world.issue(progressive=True).invoices == ()
    world.usage.per_day = {"acme-app": Decimal(100)}
    world.clock.time = at("2026-06-01")
    assert only(world.issue().invoices).invoice.total_minor == 3100


def test_the_same_instant_is_billed_once_and_an_earlier_one_not_at_all(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-21")

    assert only(world.issue("2026-05-11", progressive=True).invoices).invoice.total_minor == 1000
    assert world.issue("2026-05-11", progressive=True).invoices == ()
    assert world.issue("2026-05-05", progressive=True).invoices == ()
    assert only(world.issue("2026-05-21", progressive=True).invoices).invoice.total_minor == 1000
    assert len(world.all_invoices()) == 2


def test_what_ended_before_is_billed_as_it_is_without_asking_for_usage_so_far(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-11")

    ended, progressive = world.issue(progressive=True).invoices

    assert (ended.invoice.invoice_at, ended.invoice.total_minor) == (at("2026-05-01"), 3000)
    assert (progressive.invoice.invoice_at, progressive.invoice.total_minor) == (at("2026-05-11"), 1000)


def test_a_boundary_of_something_else_at_the_same_instant_does_not_hide_usage_so_far(world: World) -> None:
    world.plan(phase(flat("10", term="in_arrears"), unit("0.01", cadence="P1Y")), billingCadence="P1M")
    world.subscribe(start="2026-04-01")
    fee_only = only(world.issue("2026-05-01").invoices)
    assert [line.name for line in fee_only.invoice.lines] == ["Fee"]

    assert only(world.issue("2026-05-01", progressive=True).invoices).invoice.total_minor == 3000
    assert world.issue("2026-05-01", progressive=True).invoices == ()


def test_usage_taken_back_after_it_was_billed_makes_the_next_line_smaller(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    assert only(world.issue(progressive=True).invoices).invoice.total_minor == 1000
    world.usage.per_day = {"acme-app": Decimal(45)}
    world.clock.time = at("2026-05-21")
    assert world.issue(progressive=True).invoices == ()
    world.clock.time = at("2026-06-01")

    # 1,395 in all, of which 1,000 were billed.
    assert only(world.issue().invoices).invoice.total_minor == 395


def test_a_backtest_of_a_period_that_was_billed_in_parts_sees_it_whole(world: World) -> None:
    world.plan(phase(graduated("0.01", "0.02")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-21")
    world.issue(progressive=True)
    split = world.subscriptions.get(TENANT, of.id)
    assert split is not None

    def cost(window: Period) -> list[int]:
        rater = Rater(TENANT, held_ever(["acme-app"]), world.usage, Lineages([]))
        return [line.total_minor for line in rater.lines(split, billables_within(split, window), END)]

    assert cost(Period(START, END)) == [1000 + 2100 * 2]
    assert cost(Period(at("2026-05-11"), END)) == [1000 + 1100 * 2]


def test_an_edit_of_something_else_leaves_the_rest_as_it_was(world: World) -> None:
    world.plan(phase(flat("31", term="in_arrears"), unit("0.01")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    assert only(world.issue(progressive=True).invoices).invoice.total_minor == 1000
    edit(world, of, add(flat("62", term="in_arrears")))
    world.clock.time = at("2026-06-01")

    lines = only(world.issue().invoices).invoice.lines

    assert [(line.name, line.total_minor) for line in lines] == [("Fee", 1000), ("Fee", 4200), ("Tokens", 2100)]


def test_two_runs_at_once_bill_the_same_usage_once(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-21")
    others: list[int] = []

    def another_run() -> None:
        world.usage.before = lambda: None
        for as_of in ("2026-05-15", "2026-05-21"):
            found = world.issue(as_of, run_id="run-2", progressive=True).invoices
            others.extend(each.invoice.total_minor for each in found)

    world.usage.before = another_run

    assert world.issue("2026-05-11", progressive=True).invoices == ()
    assert others == [1400, 600]
    world.clock.time = at("2026-06-01")
    assert only(world.issue().invoices).invoice.total_minor == 1100


def test_a_run_that_died_before_it_wrote_is_repeated_to_the_same_invoice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    issue = world.invoices.issue

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.invoices, "issue", dies)
    with pytest.raises(KeyboardInterrupt):
        world.issue(progressive=True)
    world.clock.time = at("2026-05-11T00:10:00")
    monkeypatch.setattr(world.invoices, "issue", issue)

    once = world.issue("2026-05-11", progressive=True).invoices
    again = world.issue("2026-05-11", progressive=True).invoices

    assert (only(once).invoice.total_minor, again) == (1000, ())
    assert only(once).invoice.lines[0].period_end == at("2026-05-11")


def test_a_change_in_the_second_of_the_split_still_closes_the_period(world: World) -> None:
    """What only the last line owes, the minimum, is owed by a line of no time."""
    world.plan(phase(one_card({"type": "unit", "amount": "0.01", "minimumAmount": "62"})))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    assert only(world.issue(progressive=True).invoices).invoice.total_minor == 1000

    edit(world, of, {"op": "remove_item", "phaseKey": "main", "itemKey": "tokens"})
    world.clock.time = at("2026-06-01")

    (closing,) = only(world.issue().invoices).invoice.lines
    assert (closing.period_start, closing.period_end) == (at("2026-05-11"), at("2026-05-11"))
    assert (closing.position, closing.total_minor) == ("last", 1000), "10 of 31 days owe 20.00"
    world.clock.time = at("2026-08-01")
    assert world.issue().invoices == ()


def test_a_cancellation_within_the_period_bills_the_rest_at_once(world: World) -> None:
    world.plan(phase(unit("0.01")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-11")
    world.issue(progressive=True)
    world.clock.time = at("2026-05-16")
    cancel_subscription(TENANT, of.id, "immediate", subscriptions=world.subscriptions, clock=world.clock)

    (rest,) = only(world.issue().invoices).invoice.lines
    assert (rest.period_start, rest.period_end, rest.total_minor) == (at("2026-05-11"), at("2026-05-16"), 500)
    assert world.issue("2026-07-01").invoices == ()


def test_tiers_of_a_change_after_a_split_go_on_where_all_lines_before_left_them(world: World) -> None:
    world.plan(phase(graduated("0.01", "0.02")))
    of = world.subscribe(start="2026-05-01")
    world.clock.time = at("2026-05-06")
    assert only(world.issue(progressive=True).invoices).invoice.total_minor == 500
    world.clock.time = at("2026-05-09")
    edit(world, of, add(graduated("0.10", "0.20")))
    world.clock.time = at("2026-05-16")

    progressive = only(world.issue(progressive=True).invoices).invoice

    # 300 of the old item; of the new one's 700 the first 200 still fall into the first tier.
    assert [line.total_minor for line in progressive.lines] == [300, 200 * 10 + 500 * 20]
    assert isinstance(progressive.lines[1].price, GraduatedPrice)
    world.clock.time = at("2026-06-01")
    (rest,) = only(world.issue().invoices).invoice.lines
    assert rest.total_minor == 1600 * 20
