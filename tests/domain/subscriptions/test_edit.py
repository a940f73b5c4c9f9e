from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.domain.catalog.addon import Addon
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.errors import Conflict, InvalidInput, NotFound, TollboothError
from functions.domain.period import Period
from functions.domain.subscriptions.addons import SubscriptionAddon, bought
from functions.domain.subscriptions.billable_period import BillablePeriod
from functions.domain.subscriptions.edit import with_addons
from functions.domain.subscriptions.subscription import Subscription
from tests.domain.builders import at, edit, flat, phase, plan, subscription, unit
from tests.domain.catalog.test_addon import addon, free

RAMP = plan(phase(flat(), unit(), key="ramp", duration="P3M"), phase(flat("20"), unit("0.4"), key="rest"))
START = "2026-01-15"
NOW = at("2026-02-01")


def add(card: dict[str, Any], phase_key: str = "ramp") -> dict[str, Any]:
    return {"op": "add_item", "phaseKey": phase_key, "rateCard": card}


def remove(key: str, phase_key: str = "ramp") -> dict[str, Any]:
    return {"op": "remove_item", "phaseKey": phase_key, "itemKey": key}


def span(by: str, phase_key: str = "ramp") -> dict[str, Any]:
    return {"op": "stretch_phase", "phaseKey": phase_key, "extendBy": by}


def drop(phase_key: str, shift: str = "next") -> dict[str, Any]:
    return {"op": "remove_phase", "phaseKey": phase_key, "shift": shift}


def insert(key: str, after: str | None, duration: str | None = None) -> dict[str, Any]:
    new = {"key": key, "name": key, "startAfter": after} | ({"duration": duration} if duration else {})
    return {"op": "add_phase", "phase": new}


UNSCHEDULE = {"op": "unschedule_edit"}


def timeline(of: Subscription, key: str, n: int = 0) -> list[tuple[int, str, str | None]]:
    """(version, start, end) of the items of a key in phase n."""
    found = []
    for item in of.phases[n].items:
        if item.key == key:
            on = of.schedule.on(of.phases[n], item)
            end = None if on.end.year == 9999 else f"{on.end:%m-%d}"
            found.append((item.version, f"{on.start:%m-%d}", end))
    return found


def phases(of: Subscription) -> list[tuple[str, str, str | None]]:
    return [
        (each.key, f"{each.starts_at:%y-%m-%d}", f"{each.ends_at:%y-%m-%d}" if each.ends_at else None)
        for each in of.phases
    ]


def test_adding_an_item_of_the_same_key_ends_the_one_before() -> None:
    of = edit(subscription(RAMP, START), add(flat("15")), at=NOW)

    assert timeline(of, "fee") == [(0, "01-15", "02-01"), (1, "02-01", "04-15")]
    assert timeline(of, "tokens") == [(0, "01-15", "04-15")]


def test_an_item_that_stays_the_same_stays_itself() -> None:
    before = subscription(RAMP, START)
    of = edit(before, add(flat("15")), at=NOW)

    kept = {item.id for phase in before.phases for item in phase.items}
    assert {item.id for phase in of.phases for item in phase.items if item.version == 0} == kept
    assert edit(before, remove("fee"), add(flat()), at=NOW).phases == before.phases


def test_a_removed_item_ends_and_can_come_back_later() -> None:
    of = edit(subscription(RAMP, START), remove("tokens"), at=NOW)
    assert timeline(of, "tokens") == [(0, "01-15", "02-01")]

    back = edit(of, add(unit()), at="2026-03-01")
    assert timeline(back, "tokens") == [(0, "01-15", "02-01"), (1, "03-01", "04-15")]


def test_an_item_of_a_coming_phase_is_simply_replaced() -> None:
    of = edit(subscription(RAMP, START), remove("fee", "rest"), add(flat("99"), "rest"), at=NOW)

    assert timeline(of, "fee", 1) == [(0, "04-15", None)]
    price = next(item.card.price for item in of.phases[1].items if item.key == "fee")
    assert isinstance(price, FlatPrice)
    assert str(price.amount) == "99"
    with pytest.raises(Conflict, match=r"customizations\[0\].*remove it first"):
        edit(of, add(flat(), "rest"), at=NOW)


def test_tiers_go_on_where_the_item_before_left_them() -> None:
    of = edit(subscription(RAMP, START), add(unit("0.9")), at=NOW)
    (before,) = (each for each in of.billables_due_at(at("2026-02-15")) if each.item.version == 0 and is_usage(each))
    (after,) = (each for each in of.billables_due_at(at("2026-02-15")) if each.item.version == 1 and is_usage(each))

    assert before.counted_from == before.period.start == at("2026-01-15")
    assert (after.period.start, after.counted_from) == (NOW, at("2026-01-15"))
    following = next(each for each in of.billables_due_at(at("2026-03-15")) if is_usage(each))
    assert following.counted_from == following.period.start == at("2026-02-15")


def is_usage(billable: BillablePeriod) -> bool:
    return billable.item.key == "tokens"


def test_a_stretched_phase_moves_those_after_it_and_months_do_not_drift() -> None:
    of = subscription(
        plan(phase(flat(), key="a", duration="P1M"), phase(flat(), key="b", duration="P1M"), phase(flat(), key="c")),
        "2026-01-31",
    )
    of = edit(of, span("P1M", "a"), at=NOW)

    assert phases(of) == [
        ("a", "26-01-31", "26-03-31"),
        ("b", "26-03-31", "26-04-30"),
        ("c", "26-04-30", None),
    ]


def test_a_phase_is_added_between_and_removed_again() -> None:
    of = subscription(RAMP, START)
    more = edit(of, insert("extra", "P3M", "P2M"), add(flat("1"), "extra"), at=NOW)

    assert phases(more) == [
        ("ramp", "26-01-15", "26-04-15"),
        ("extra", "26-04-15", "26-06-15"),
        ("rest", "26-06-15", None),
    ]
    assert phases(edit(more, drop("extra"), at=NOW)) == phases(of)
    assert phases(edit(more, drop("extra", "prev"), at=NOW)) == [
        ("ramp", "26-01-15", "26-06-15"),
        ("rest", "26-06-15", None),
    ]


def test_removing_the_last_phase_lets_the_one_before_go_on() -> None:
    assert phases(edit(subscription(RAMP, START), drop("rest"), at=NOW)) == [("ramp", "26-01-15", None)]


def test_a_phase_added_at_the_end_needs_no_duration_and_cuts_the_last_one() -> None:
    of = edit(subscription(RAMP, START), insert("winter", "P9M"), at=NOW)

    assert phases(of)[1:] == [("rest", "26-04-15", "26-10-15"), ("winter", "26-10-15", None)]


def test_an_edit_for_the_next_cycle_can_be_unscheduled() -> None:
    of = subscription(RAMP, START)
    scheduled = edit(of, add(flat("15")), remove("tokens"), at=at("2026-02-15"), now=NOW)
    assert timeline(scheduled, "fee") == [(0, "01-15", "02-15"), (1, "02-15", "04-15")]
    with pytest.raises(Conflict, match="unschedule_edit it first"):
        edit(scheduled, add(flat("16")), at=NOW)

    again = edit(scheduled, UNSCHEDULE, at=NOW)
    assert again.phases == of.phases


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        (add(flat(), "nope"), NotFound, "there are ramp, rest"),
        (remove("nope"), NotFound, "it has fee, tokens"),
        (drop("ramp"), Conflict, "has begun"),
        (span("P1M", "rest"), InvalidInput, "is the last one"),
        (insert("ramp", "P1M", "P1M"), Conflict, "is a phase 'ramp' already"),
        (insert("early", "P1D", "P1M"), Conflict, "only be added ahead"),
        (insert("late", "P2M"), InvalidInput, "say how long"),
        (insert("late", "P9M", "P1M"), InvalidInput, "leave it out"),
        (span("P99Y11M"), InvalidInput, "not be longer than 100 years"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_operation(
    operation: dict[str, Any], error: type[TollboothError], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        edit(subscription(RAMP, START), add(flat("15")), operation, at=NOW)

    assert refused.value.fields[0].field == "customizations[1]"


def test_a_phase_that_is_over_cannot_be_edited() -> None:
    with pytest.raises(Conflict, match="'ramp' is over"):
        edit(subscription(RAMP, START), add(flat("15")), at="2026-04-15")


def test_a_fee_changed_within_its_period_is_credited_back_and_charged_to_the_second() -> None:
    of = subscription(plan(), START).billed(at(START), at(START))
    of = edit(of, add(flat("30"), "main"), at=NOW)

    credit, charge = of.billables_due_at(NOW)
    assert (credit.is_credit, credit.item.version, credit.period) == (True, 0, Period(NOW, at("2026-02-15")))
    assert (charge.is_credit, charge.item.version, charge.period) == (False, 1, Period(NOW, at("2026-02-15")))
    assert credit.full == charge.full == Period(at(START), at("2026-02-15"))


def test_a_stretched_phase_is_charged_for_what_its_cut_period_left_out() -> None:
    of = subscription(plan(phase(flat(), key="a", duration="P20D"), phase()), "2026-01-01")
    of = edit(of.billed(at("2026-01-01"), at("2026-01-01")), span("P20D", "a"), at="2026-01-10")

    (rest,) = of.billables_due_at(at("2026-01-21"))
    assert rest.period == Period(at("2026-01-21"), at("2026-02-01"))
    assert rest.name == "period[0]/rest[20260121T000000Z]"


# Random lives: time passes and is billed, the subscription is edited, cancelled, continued; in the end nothing is
# billed twice and nothing is left out.

CARDS = [
    flat("7"),
    flat("9", term="in_arrears"),
    flat("50", key="year", cadence="P1Y"),
    flat("1", key="month", cadence="P1M"),
    flat("5", key="setup", cadence=None),
    unit(),
    unit("0.1"),
]
PHASES = ["ramp", "rest", "extra"]
OPERATIONS = st.one_of(
    st.builds(add, st.sampled_from(CARDS), st.sampled_from(PHASES)),
    st.builds(remove, st.sampled_from(["fee", "tokens", "year", "month", "setup"]), st.sampled_from(PHASES)),
    st.builds(span, st.sampled_from(["P1M", "P10D", "PT7S"]), st.sampled_from(PHASES)),
    st.builds(drop, st.sampled_from(PHASES), st.sampled_from(["next", "prev"])),
    st.builds(insert, st.just("extra"), st.sampled_from(["P2M", "P100D", "P1Y"]), st.sampled_from(["P1M", "P33D"])),
    st.builds(insert, st.just("extra"), st.sampled_from(["P2M", "P100D", "P1Y"])),
    st.just(UNSCHEDULE),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 70 * 24 * 3600)),
        st.tuples(st.just("bill"), st.none()),
        st.tuples(st.just("bill so far"), st.none()),
        st.tuples(st.just("now"), st.lists(OPERATIONS, min_size=1, max_size=3)),
        st.tuples(st.just("next cycle"), st.lists(OPERATIONS, min_size=1, max_size=3)),
        st.tuples(st.just("add-on"), st.tuples(st.sampled_from(["fees", "seats"]), st.integers(0, 3), st.booleans())),
        st.tuples(st.just("cancel next cycle"), st.none()),
        st.tuples(st.just("continue"), st.none()),
    ),
    max_size=14,
)


NUMBERS = count(1)
ADDONS = {
    "fees": addon(flat("2"), flat("4", key="year", cadence="P1Y"), key="fees", instanceType="multiple"),
    "seats": addon(
        flat("1", key="seat"), free({"type": "metered", "issueAfterReset": 5}), key="seats", instanceType="multiple"
    ),
}


def subscription_addon(of: Addon, quantity: int, start: datetime, now: datetime) -> SubscriptionAddon:
    return bought(
        of,
        id=of.key,
        name="n",
        description=None,
        metadata=None,
        quantity=quantity,
        max_quantity=None,
        features={},
        at=start,
        now=now,
    )


class Life:
    """A subscription, the time, and every billable period that was billed."""

    def __init__(self, of: Subscription) -> None:
        self.of = of
        self.now = of.active_from
        self.billables: list[BillablePeriod] = []

    def live(self, kind: str, what: Any) -> None:
        match kind:
            case "wait":
                self.now += timedelta(seconds=what)
            case "bill":
                self.bill(self.now)
            case "bill so far":
                self.bill_so_far(self.now)
            case "now":
                self.edit(what, self.now)
            case "next cycle":
                self.edit(what, self.of.effective_time("next_billing_cycle", self.now))
            case "add-on":
                self.buy(*what)
            case "cancel next cycle":
                self.of = self.of.cancelled(self.of.effective_time("next_billing_cycle", self.now), self.now)
            case "continue":
                self.of = self.of.continued(self.now)

    def edit(self, operations: list[dict[str, Any]], effective: datetime) -> None:
        self.of.require_changeable(effective, self.now)
        self.of = edit(self.of, *operations, at=effective, now=self.now)

    def buy(self, key: str, quantity: int, is_at_once: bool) -> None:
        """So many of an add-on, now or from the next cycle on."""
        at = self.now if is_at_once else self.of.effective_time("next_billing_cycle", self.now)
        self.of.require_changeable(at, self.now)
        had = next((each for each in self.of.addons if each.addon.key == key), None)
        others = [each for each in self.of.addons if each.addon.key != key]
        if had is not None:
            addon = had.with_quantity(quantity, at, self.now)
        else:
            addon = subscription_addon(ADDONS[key], quantity, at, self.now)
        self.of = with_addons(
            self.of, [*others, addon], at=at, now=self.now, new_id=lambda: f"01MORE{next(NUMBERS):020d}"
        )

    def bill(self, until: datetime) -> None:
        for _ in range(500):
            due = self.of.next_due_at()
            if due is None or due > until:
                return
            found = self.of.billables_due_at(due)
            assert found
            self.billables += found
            self.of = self.of.billed(due, self.now)
        raise AssertionError("it is owed without end")

    def bill_so_far(self, at: datetime) -> None:
        self.bill(at)
        if self.of.can_progress_to(at):
            found = self.of.progressive_parts(at)
            self.billables += found
            self.of = self.of.progressed([(each, each.after(Decimal(1), 7, None)) for each in found], at, self.now)
            assert not self.of.can_progress_to(at)
            assert not self.of.progressive_parts(at)

    def end(self) -> None:
        if not self.of.is_over(self.now):
            self.of = self.of.cancelled(self.now, self.now)
        self.bill(self.now)
        assert self.of.next_due_at() is None


# An item that was billed and replaced at the instant it began does not come back under its old line.
@example("P1M", 0, [("bill", None), ("add-on", ("fees", 1, True)), ("bill", None), ("add-on", ("fees", 0, True))])
# Credited back, sold on and credited back again within a second, it has a line for each.
@example(
    "P1M",
    0,
    [
        ("bill", None),
        ("wait", 1),
        ("add-on", ("fees", 1, True)),
        ("bill", None),
        ("add-on", ("fees", 0, True)),
        ("bill", None),
    ],
)
@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["P1M", "P3M", "P1Y"]), st.integers(0, 40), STEPS)
def test_after_any_changes_items_of_a_subscription_are_billed_exactly_while_they_are_on(
    billing: str, anchor_days: int, steps: list[tuple[str, Any]]
) -> None:
    cards = [flat(), unit(), flat("3", key="late", term="in_arrears")]
    made = plan(phase(*cards, key="ramp", duration="P40D"), phase(*cards, key="rest"), billingCadence=billing)
    anchor = (at("2026-01-31") - timedelta(days=anchor_days)).isoformat()[:10]
    life = Life(subscription(made, "2026-01-31", anchor=anchor))
    for kind, what in steps:
        before = life.of
        try:
            life.live(kind, what)
        except TollboothError:
            life.of = before
    life.end()

    names = [(each.phase.key, each.item.key, each.item.version, each.name) for each in life.billables]
    assert len(set(names)) == len(names)
    expected = Counter[tuple[Any, ...]]()
    for each_phase in life.of.phases:
        for item in each_phase.items:
            on = life.of.schedule.on(each_phase, item)
            if item.card.price is not None and item.card.billing_cadence is not None and on.length:
                name = (each_phase.key, item.key, item.version)
                expected.update({(*name, on.start): 1, (*name, on.end): -1})
    assert clean(expected) == clean(edges(life.billables))
    assert all(item.split is None for each_phase in life.of.phases for item in each_phase.items)
    # For every period that was billed in parts, its last line closed it.
    parts = zip(names, life.billables, strict=True)
    last = {(*name, part.partition("/rest")[0]): each for (*name, part), each in parts if not each.is_credit}
    assert {each.position for each in last.values()} <= {None, "last"}


def edges(billables: list[BillablePeriod]) -> Counter[tuple[Any, ...]]:
    """Where the billed time of each item begins (+) and ends (-); what touches cancels out, and so do credits."""
    found = Counter[tuple[Any, ...]]()
    for each in billables:
        if each.item.card.billing_cadence is not None:
            sign = -1 if each.is_credit else 1
            name = (each.phase.key, each.item.key, each.item.version)
            found[(*name, each.period.start)] += sign
            found[(*name, each.period.end)] -= sign
    return found


def clean(found: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    return {name: count for name, count in found.items() if count}
