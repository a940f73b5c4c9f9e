"""A piece of a period is not a period: after any cut, its usage is billed once and its commitments hold once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.subscriptions.cancel_subscription import cancel_subscription
from functions.application.subscriptions.change_subscription import change_subscription, migrate_subscription
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.line import InvoiceLine
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import Subscription
from tests.application.billing.memory import Billing
from tests.application.billing.world import ACME, TENANT, FakeUsage
from tests.domain.builders import TOKENS, at, edit, flat, phase, plan
from tests.domain.catalog.test_pricing import (
    CARDS,
    GRADUATED,
    GRADUATED_SHARE,
    HOURS,
    MATRIX,
    PACKAGE,
    SHARE,
    UNIT,
    VOLUME,
)

START, END = at("2026-06-01"), at("2026-07-01")
# Two features of one meter.
FEATURES = {"tokens": TOKENS, "other": TOKENS.model_copy(update={"key": "other", "id": "01OTHER"})}


@dataclass(frozen=True)
class Used:
    at: datetime
    value: Decimal
    user: str = "a"
    model: str = "large"


@dataclass
class ListedUsage(FakeUsage):
    """Events measured the plain way."""

    events: Sequence[Used] = ()
    aggregation: Aggregation = Aggregation.SUM

    def only_grows(self, tenant: str, meter: str) -> bool:
        return self.aggregation.only_grows

    def adds_up(self, tenant: str, meter: str) -> bool:
        return self.aggregation.is_divisible

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        found = sorted((each for each in self.events if each.at in question.period), key=lambda each: each.at)
        return (self._measured(found) if found else Decimal(0)), {}

    def _measured(self, events: Sequence[Used]) -> Decimal:
        values = [each.value for each in events]
        match self.aggregation:
            case Aggregation.COUNT:
                return Decimal(len(values))
            case Aggregation.UNIQUE_COUNT:
                return Decimal(len({each.user for each in events}))
            case Aggregation.MAX:
                return max(values)
            case Aggregation.MIN:
                return min(values)
            case Aggregation.LATEST:
                return values[-1]
            case Aggregation.AVG:
                return sum(values, Decimal(0)) / len(values)
            case _:
                return sum(values, Decimal(0))

    def parts(self, question: UsageQuestion, needs: Needs) -> Mapping[Group, Decimal]:
        by_group: dict[Group, list[Used]] = {}
        for each in self.events:
            if each.at in question.period:
                hour = each.at.replace(minute=0, second=0) if needs.time_zone else None
                value = each.user if "payment" in needs.dimensions else each.model
                by_group.setdefault(Group((value,) * len(needs.dimensions), hour), []).append(each)
        return {group: self._measured(events) for group, events in by_group.items()}

    def levels(self, question: UsageQuestion) -> LevelTimes:
        """From one event to the next; the users behind c give units back."""
        changes = [(each.at, each.value if each.user <= "c" else -each.value) for each in self.events]
        period = question.period
        turns = sorted({period.start, period.end, *(at for at, _ in changes if at in period)})
        times = LevelTimes()
        for since, until in pairwise(turns):
            level = max(sum((value for at, value in changes if at <= since), Decimal(0)), Decimal(0))
            lasted = {level: int((until - since).total_seconds())} if level else {}
            times = times.then(LevelTimes(lasted, level))
        return times


def card(price: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"type": "usage_based", "key": "tokens", "name": "Tokens", "featureKey": "tokens", "billingCadence": "P1M"}
    return usage | {"price": price} | more


@dataclass
class Catalogue:
    """The plans that a subscription can be changed to, by key and version."""

    plans: dict[tuple[str, int | None], Plan] = field(default_factory=dict)

    def chosen(self, _tenant: str, choice: PlanChoice) -> tuple[Plan, tuple[()]]:
        return self.plans[choice.key, choice.version], ()

    def features_of(self, _tenant: str, _phases: Any) -> Any:
        return FEATURES


class Life:
    """One customer's subscription, with all its changes, and all that is billed for it."""

    def __init__(
        self,
        price: dict[str, Any],
        *events: Used,
        aggregation: Aggregation = Aggregation.SUM,
        start: datetime = START,
        anchor: datetime = START,
        **more: Any,
    ) -> None:
        self.card = card(price, **more)
        self.usage = ListedUsage(events=events, aggregation=aggregation)
        numbers = count(1)
        self.new_id = lambda: f"01ID{next(numbers):022d}"
        self.catalogue: Any = Catalogue()
        self.start, self.anchor = start, anchor
        self.billing = Billing(self.usage, start)
        self.of = self.subscribed(self.card)
        self.lines: list[InvoiceLine] = []

    def subscribed(self, *cards: dict[str, Any]) -> Subscription:
        """To a plan of these cards, and to nothing else."""
        made = subscribe(
            self.plan(*cards),
            new_id=self.new_id,
            customer_id=ACME,
            features=FEATURES,
            start=self.start,
            now=self.start,
            terms=SubscriptionTerms(anchor=self.anchor),
        )
        self.billing.subscriptions.stored = {made.id: made}
        self.billing.invoices.subscriptions = self.billing.subscriptions
        return made

    def plan(self, *cards: dict[str, Any], version: int = 1, key: str = "pro") -> Plan:
        return plan(phase(*cards)).model_copy(update={"version": version, "key": key, "id": f"01{key}{version}"})

    def until(self, instant: datetime) -> None:
        self.billing.clock.time = instant

    def bill(self, *, progressive: bool = False) -> None:
        self.lines += [line for each in self.billing.issue(progressive=progressive) for line in each.lines]
        self.of = self.stored()

    def stored(self) -> Subscription:
        return self.billing.subscriptions.stored[self.of.id]

    def edit(self, *operations: dict[str, Any]) -> None:
        self.of = edit(self.stored(), *operations, at=self.billing.clock.time)
        self.billing.subscriptions.stored[self.of.id] = self.of

    def rename(self, name: str) -> None:
        self.sell(self.card | {"name": name})

    def sell(self, changed: dict[str, Any]) -> None:
        self.edit({"op": "add_item", "phaseKey": "main", "rateCard": changed})

    def migrate(self, *cards: dict[str, Any]) -> None:
        assert self.of.plan is not None
        key, version = self.of.plan.key, self.of.plan.version + 1
        self.catalogue.plans[key, None] = self.plan(*(cards or (self.card,)), version=version, key=key)
        ports = self._ports() | {"plan_addons": None}
        self.of = migrate_subscription(TENANT, self.of.id, None, "immediate", SubscriptionTerms(), **ports).following

    def change(self, key: str, *cards: dict[str, Any]) -> None:
        self.catalogue.plans[key, None] = self.plan(*cards, key=key)
        changed = change_subscription(
            TENANT, self.of.id, PlanChoice(key), "immediate", SubscriptionTerms(), **self._ports()
        )
        self.of = changed.following

    def cancel(self) -> None:
        subscriptions, clock = self.billing.subscriptions, self.billing.clock
        cancel_subscription(TENANT, self.of.id, "immediate", subscriptions=subscriptions, clock=clock)

    def _ports(self) -> Any:
        return {
            "catalogue": self.catalogue,
            "subscriptions": self.billing.subscriptions,
            "clock": self.billing.clock,
            "new_id": self.new_id,
        }

    def live(self, steps: Sequence[tuple[int, str]]) -> None:
        """(second since the start, what happens then): nothing that changes a price."""
        for n, (second, kind) in enumerate(sorted(steps)):
            self.until(START + timedelta(seconds=second))
            match kind:
                case "rename":
                    self.rename(f"Name {n}")
                case "migrate":
                    self.migrate(self.card)
                case _:
                    self.bill(progressive=kind == "progressive")

    def total(self, end: datetime = END) -> int:
        """Everything up to the end, in cents."""
        self.until(end)
        self.bill()
        return sum(line.total_minor for line in self.lines)

    def amounts(self, end: datetime = END) -> list[int]:
        self.until(end)
        self.bill()
        return [line.total_minor for line in self.lines]


def day(number: int, hour: int = 12) -> datetime:
    return START + timedelta(days=number - 1, hours=hour)


USERS = [Used(day(n), Decimal(1), user) for n, user in [(2, "a"), (3, "b"), (4, "c"), (12, "a"), (13, "b"), (14, "c")]]
LEVELS = [Used(day(2), Decimal(7)), Used(day(5), Decimal(3)), Used(day(12), Decimal(9)), Used(day(20), Decimal(5))]


def test_users_seen_before_and_after_a_rename_are_billed_once() -> None:
    life = Life(UNIT | {"amount": "1"}, *USERS, aggregation=Aggregation.UNIQUE_COUNT)
    life.until(day(10))
    life.rename("Seats")

    assert life.amounts() == [300, 0]


def test_a_user_who_is_new_after_the_edit_is_its_growth() -> None:
    life = Life(UNIT | {"amount": "1"}, *USERS, Used(day(15), Decimal(1), "d"), aggregation=Aggregation.UNIQUE_COUNT)
    life.until(day(10))
    life.sell(life.card | {"price": UNIT | {"amount": "2"}})

    assert life.amounts() == [300, 200]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        # 7 until the tenth, 9 at the end: the second piece bills what it grew by.
        (Aggregation.MAX, [700, 200]),
        # These do not grow: the piece in force at the end bills the whole period.
        (Aggregation.MIN, [300]),
        (Aggregation.LATEST, [500]),
        (Aggregation.AVG, [600]),
        (Aggregation.SUM, [1000, 1400]),
    ],
)
def test_each_aggregation_is_measured_over_the_whole_period(aggregation: Aggregation, expected: list[int]) -> None:
    life = Life(UNIT | {"amount": "1"}, *LEVELS, aggregation=aggregation)
    life.until(day(10))
    life.rename("Tokens again")
    life.until(day(11))
    life.edit()

    assert life.amounts() == expected


@pytest.mark.parametrize("aggregation", [Aggregation.LATEST, Aggregation.UNIQUE_COUNT, Aggregation.MAX])
def test_usage_is_billed_once_over_a_change_of_plan_as_well(aggregation: Aggregation) -> None:
    life = Life(UNIT | {"amount": "1"}, *LEVELS, aggregation=aggregation)
    life.until(day(10))
    life.change("other", card(UNIT | {"amount": "1"}))
    once = Life(UNIT | {"amount": "1"}, *LEVELS, aggregation=aggregation)

    assert life.total() == once.total()


def test_what_the_new_plan_does_not_sell_is_billed_by_the_old_one() -> None:
    life = Life(UNIT | {"amount": "1"}, *LEVELS, aggregation=Aggregation.LATEST)
    life.until(day(10))
    life.change("other", flat("30", term="in_arrears"))

    assert life.amounts() == [300, 2050]


def test_a_minimum_is_owed_once_however_often_its_card_is_edited() -> None:
    life = Life(UNIT | {"minimumAmount": "100"})
    life.until(day(10))
    life.rename("Renamed")
    life.until(day(20))
    life.rename("Renamed again")

    assert life.amounts() == [0, 0, 10_000]


def test_a_maximum_holds_for_the_period_and_not_for_each_piece() -> None:
    life = Life(UNIT | {"amount": "1", "maximumAmount": "500"}, Used(day(3), Decimal(400)), Used(day(15), Decimal(400)))
    life.until(day(10))
    life.rename("Renamed")

    assert life.amounts() == [40_000, 10_000]


def test_a_migration_goes_on_with_the_minimum_and_the_maximum() -> None:
    price = UNIT | {"amount": "1", "minimumAmount": "100", "maximumAmount": "500"}
    life = Life(price, Used(day(3), Decimal(400)), Used(day(15), Decimal(400)))
    life.until(day(10))
    life.migrate()
    life.bill()
    assert [line.total_minor for line in life.lines] == [40_000]

    assert life.total() == 50_000


def test_a_migrated_minimum_is_settled_by_the_last_piece_alone() -> None:
    life = Life(UNIT | {"amount": "1", "minimumAmount": "100"}, Used(day(3), Decimal(30)))
    for n in (5, 10, 15):
        life.until(day(n))
        life.migrate()
        life.bill()

    assert life.amounts() == [3_000, 0, 0, 7_000]


def test_minimums_of_different_plans_are_prorated_to_the_second() -> None:
    """50 a month: ten days, nothing and twenty days of it."""
    life = Life(UNIT | {"minimumAmount": "50"})
    life.until(START + timedelta(days=10))
    life.change("second", life.card)
    life.change("third", life.card)

    assert life.amounts() == [1667, 3333]


def test_a_minimum_is_prorated_at_a_start_and_at_an_end_inside_a_period() -> None:
    begun = Life(UNIT | {"minimumAmount": "50"}, start=START + timedelta(days=15))
    assert begun.amounts() == [2500]

    ended = Life(UNIT | {"minimumAmount": "50"})
    ended.until(START + timedelta(hours=1))
    ended.cancel()
    assert ended.amounts() == [7]


def test_without_proration_a_minimum_is_whole_as_fees_are() -> None:
    life = Life(UNIT | {"minimumAmount": "50"})
    life.of = life.of.model_copy(
        update={"pro_rating_config": life.of.pro_rating_config.model_copy(update={"enabled": False})}
    )
    life.billing.subscriptions.stored[life.of.id] = life.of
    life.until(START + timedelta(hours=1))
    life.cancel()

    assert life.amounts() == [5000]


def test_a_removed_item_settles_its_minimum_and_one_sold_later_has_its_own() -> None:
    life = Life(UNIT | {"minimumAmount": "30"})
    life.until(START + timedelta(days=10))
    life.edit({"op": "remove_item", "phaseKey": "main", "itemKey": "tokens"})
    life.until(START + timedelta(days=20))
    life.sell(life.card)

    assert life.amounts() == [1000, 1000]


def test_the_volume_of_a_period_is_priced_as_a_whole_by_the_piece_in_force_at_its_end() -> None:
    # Up to 10 at 1.00, up to 20 at 0.80, beyond at 0.50: 8 and 16 are 24.
    tiers = [
        {"upToAmount": "10", "unitPrice": {"type": "unit", "amount": "1"}},
        {"upToAmount": "20", "unitPrice": {"type": "unit", "amount": "0.8"}},
        {"unitPrice": {"type": "unit", "amount": "0.5"}},
    ]
    life = Life(
        {"type": "tiered", "mode": "volume", "tiers": tiers}, Used(day(3), Decimal(8)), Used(day(15), Decimal(16))
    )
    life.until(day(10))
    life.rename("Renamed")
    life.until(day(12))
    life.migrate()

    assert life.amounts() == [1200]


def test_a_volume_price_beside_another_price_bills_its_own_piece() -> None:
    tiers = [
        {"upToAmount": "10", "unitPrice": {"type": "unit", "amount": "1"}},
        {"unitPrice": {"type": "unit", "amount": "0.5"}},
    ]
    volume = {"type": "tiered", "mode": "volume", "tiers": tiers}
    life = Life(UNIT | {"amount": "2"}, Used(day(3), Decimal(8)), Used(day(15), Decimal(16)))
    life.until(day(10))
    life.sell(card(volume))
    life.until(day(20))
    life.sell(card(UNIT | {"amount": "3"}))

    assert life.amounts() == [1600, 800, 0]


SEATS = GRADUATED | {
    "tiers": [{"upToAmount": "3", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "5"}}],
    "prorated": True,
}
FIVE_SEATS = Used(START - timedelta(days=40), Decimal(5))


def test_five_seats_and_one_more_for_half_of_the_month_over_an_edit_and_a_migration() -> None:
    life = Life(SEATS, FIVE_SEATS, Used(day(16, 0), Decimal(1)), aggregation=Aggregation.TIME_WEIGHTED_SUM)
    life.until(day(11, 0))
    life.rename("Seats")
    life.until(day(21, 0))
    life.migrate()

    # A third, a third and a third of 40.00, the sixth seat for five days and for ten.
    assert life.amounts() == [13_33, 14_17, 15_00]
    quantities = [[charge.quantity for charge in line.charges] for line in life.lines]
    assert quantities == [
        [1, Decimal("0.666666667")],
        [1, Decimal("0.833333333")],
        [1, 1],
    ]


def test_seats_of_a_start_inside_the_period_cost_their_share_of_the_full_one() -> None:
    life = Life(SEATS, FIVE_SEATS, start=START + timedelta(days=15), aggregation=Aggregation.TIME_WEIGHTED_SUM)

    assert life.amounts() == [20_00]


def test_a_prorated_volume_is_priced_by_the_units_there_are_at_the_end() -> None:
    tiers = [{"upToAmount": "5", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "8"}}]
    volume = {"type": "tiered", "mode": "volume", "tiers": tiers, "prorated": True}
    life = Life(volume, FIVE_SEATS, Used(day(16, 0), Decimal(1)), aggregation=Aggregation.TIME_WEIGHTED_SUM)
    life.until(day(20))
    life.rename("Seats")

    # Five and a half on average, at the price of six; what was used before the edit is billed at the end.
    assert life.amounts() == [44_00]


def test_another_plan_prices_the_seats_of_its_own_time() -> None:
    life = Life(SEATS, FIVE_SEATS, aggregation=Aggregation.TIME_WEIGHTED_SUM)
    life.until(day(11, 0))
    life.change("other", card(SEATS | {"tiers": [{"unitPrice": {"amount": "30"}}]}))

    assert life.amounts() == [13_33, 100_00]


def test_a_progressive_invoice_leaves_seats_to_the_end_of_the_period() -> None:
    life = Life(SEATS, FIVE_SEATS, aggregation=Aggregation.TIME_WEIGHTED_SUM)
    life.until(day(10))
    life.bill(progressive=True)
    assert life.lines == []

    assert life.amounts() == [40_00]


def test_an_item_of_another_meter_does_not_go_on_with_the_usage_of_this_one() -> None:
    life = Life(GRADUATED, Used(day(3), Decimal(15)))
    before = life.of.phases[0].items[0]
    other = before.model_copy(
        update={"feature": TOKENS.model_copy(update={"meter_slug": "calls_total"}), "id": "other"}
    )

    assert before.sells_the_same(before.model_copy(update={"id": "again"}))
    assert not before.sells_the_same(other)


def test_a_level_that_is_billed_by_another_cadence_from_now_on_is_not_lost() -> None:
    levels = [Used(day(3), Decimal(100)), Used(day(25), Decimal(100))]
    life = Life(UNIT | {"amount": "1"}, *levels, aggregation=Aggregation.LATEST)
    life.until(day(20))
    life.sell(life.card | {"billingCadence": "P3M"})

    assert life.amounts(at("2026-09-01")) == [10_000, 10_000]


def test_two_features_of_one_meter_keep_their_own_commitments_over_a_migration() -> None:
    cheap = card(UNIT | {"amount": "1", "minimumAmount": "100"}) | {"key": "other", "featureKey": "other"}
    life = Life(UNIT | {"amount": "5"}, Used(day(3), Decimal(19)), Used(day(25), Decimal(12)))
    life.of = life.subscribed(life.card, cheap)
    life.until(day(20))
    life.migrate(life.card, cheap)

    assert life.amounts() == [9_500, 1_900, 6_000, 8_100]


def test_what_was_billed_before_there_were_deals_stays_as_it_was() -> None:
    """A piece that is on an invoice already with its whole minimum, without a word about it."""
    life = Life(UNIT | {"amount": "1", "minimumAmount": "100"}, Used(day(3), Decimal(30)))
    life.until(day(10))
    life.rename("Renamed")
    first, second = life.of.phases[0].items
    billed = first.model_copy(update={"billed_to": day(10)})
    life.of = life.of.with_items(lambda _, item: billed if item.id == first.id else item)
    life.billing.subscriptions.stored[life.of.id] = life.of

    assert second.counts_from == START
    assert life.amounts() == [6_833], "of the twenty and a half days that are left"


# An edit that changes nothing in price changes nothing in the bill.

SUMS = [Aggregation.SUM, Aggregation.COUNT]
PRICES = [UNIT, GRADUATED, VOLUME, PACKAGE, SHARE, GRADUATED_SHARE, UNIT | {"amount": "0.0149"}]
OF_PARTS = [MATRIX, HOURS, CARDS]
# Levels last: with at least two cents a month, so that no whole period leaves anything over to the next one.
LEVEL_TIERS = [
    {"upToAmount": "3.5", "unitPrice": {"amount": "0.07"}, "flatPrice": {"amount": "0.02"}},
    {"upToAmount": "20", "unitPrice": {"amount": "9.99"}, "flatPrice": {"amount": "0.025"}},
    {"unitPrice": {"amount": "0.0149"}, "flatPrice": {"amount": "0.03"}},
]
OF_LEVELS = [
    GRADUATED | {"prorated": True},
    GRADUATED | {"tiers": LEVEL_TIERS, "prorated": True},
    VOLUME | {"tiers": LEVEL_TIERS, "prorated": True},
]
LIMITS: list[dict[str, str]] = [{}, {}, {"minimumAmount": "37.01"}, {"maximumAmount": "12.34"}]
MORE: list[dict[str, Any]] = [
    {},
    {"discounts": {"percentage": {"percentage": "12.5"}}},
    {"unitConfig": {"operation": "divide", "conversionFactor": "3", "rounding": "ceiling", "precision": 1}},
]
STEPS = st.lists(
    st.tuples(st.integers(0, 30 * 86_400 - 1), st.sampled_from(["rename", "rename", "migrate", "bill", "progressive"])),
    max_size=5,
)
EVENTS = st.lists(
    st.builds(
        lambda second, value, user: Used(
            START + timedelta(seconds=second), value, user, "large" if value > 3 else "small"
        ),
        st.integers(0, 30 * 86_400 - 1),
        st.decimals("0.001", 40, places=3),
        st.sampled_from("abcdef"),
    ),
    max_size=12,
)
# Each price with the aggregations that it goes with.
WAYS = st.one_of(
    st.tuples(st.sampled_from(PRICES), st.sampled_from([each for each in Aggregation if each.needs_value])),
    st.tuples(st.sampled_from(PRICES + OF_PARTS), st.sampled_from(SUMS)),
    st.tuples(st.sampled_from(OF_LEVELS), st.just(Aggregation.TIME_WEIGHTED_SUM)),
)


@settings(max_examples=250, deadline=None)
@given(
    way=WAYS,
    limits=st.sampled_from(LIMITS),
    more=st.sampled_from(MORE),
    events=EVENTS,
    steps=STEPS,
)
def test_edits_that_change_no_price_change_no_bill(
    way: tuple[dict[str, Any], Aggregation],
    limits: dict[str, str],
    more: dict[str, Any],
    events: list[Used],
    steps: list[tuple[int, str]],
) -> None:
    price, aggregation = way
    lives = [Life(price | limits, *events, aggregation=aggregation, **more) for _ in range(2)]
    cut, whole = lives
    cut.live(steps)

    assert cut.total() == whole.total()
    assert cut.total(END + timedelta(days=62)) == whole.total(END + timedelta(days=62))
