"""A minimum and a maximum over all usage of a subscription in a billing period, beside those of its rate cards."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.domain.catalog.plan import PlanCreate
from functions.domain.errors import InvalidInput
from tests.application.billing.test_pieces import END, START, Life, Used, card, day
from tests.application.billing.test_reconcile import differences_of
from tests.domain.builders import draft, flat, phase, plan, unit
from tests.domain.catalog.test_pricing import UNIT

ONE = UNIT | {"amount": "1"}


class Committed(Life):
    """A life on a plan with a commitment, of two cards of the same usage at 1.00 and at 2.00, and a fee of 10.00."""

    def __init__(self, *events: Used, prorate: bool = True, **commitment: str) -> None:
        self.commitment, self.prorate, self.sells_usage = commitment, prorate, True
        super().__init__(ONE, *events)

    def plan(self, *_cards: dict[str, Any], version: int = 1, key: str = "pro") -> Any:
        other = card(UNIT | {"amount": "2"}) | {"key": "other", "featureKey": "other"}
        config = {"enabled": self.prorate, "mode": "prorate_prices"}
        made = plan(
            phase(flat("10"), *((self.card, other) if self.sells_usage else ())),
            **({"commitment": dict(self.commitment)} if self.sells_usage else {}),
            proRatingConfig=config,
        )
        return made.model_copy(update={"version": version, "key": key, "id": f"01{key}{version}"})

    def shown(self, end: datetime = END) -> list[tuple[str, int]]:
        """What is billed for usage, and beside it."""
        self.until(end)
        self.bill()
        shown = (line for line in self.lines if line.feature_key or "spend" in line.reference)
        return [(line.feature_key or "minimum", line.total_minor) for line in shown]


def test_usage_below_the_minimum_is_filled_up_by_a_line_of_its_own() -> None:
    life = Committed(Used(day(3), Decimal(20)), minimumAmount="100")
    assert life.shown() == [("tokens", 20_00), ("other", 40_00), ("minimum", 40_00)]
    (minimum,) = [line for line in life.lines if not line.item_id]
    assert (minimum.period_start, minimum.period_end) == (START, END)
    assert (minimum.commitments_minor, minimum.charges[0].category) == (40_00, "commitment")


def test_usage_that_reaches_the_minimum_is_as_it_is() -> None:
    assert Committed(Used(day(3), Decimal(40)), minimumAmount="100").shown() == [("tokens", 40_00), ("other", 80_00)]


def test_usage_beyond_the_maximum_is_deducted_line_by_line() -> None:
    life = Committed(Used(day(3), Decimal(40)), maximumAmount="60")
    assert life.shown() == [("tokens", 40_00), ("other", 20_00)]
    (other,) = [line for line in life.lines if line.feature_key == "other"]
    assert [(each.reason, each.amount_minor) for each in other.discounts] == [("maximum_spend", 60_00)]


def test_a_month_without_usage_owes_the_minimum_and_the_fee_counts_for_nothing() -> None:
    assert Committed(minimumAmount="100").shown() == [("tokens", 0), ("other", 0), ("minimum", 100_00)]


def test_progressive_lines_share_both() -> None:
    life = Committed(Used(day(3), Decimal(15)), Used(day(20), Decimal(15)), maximumAmount="60", minimumAmount="50")
    life.until(day(10))
    life.bill(progressive=True)
    assert life.shown() == [("tokens", 15_00), ("other", 30_00), ("tokens", 15_00), ("other", 0)]
    idle = Committed(Used(day(3), Decimal(5)), minimumAmount="50")
    idle.until(day(10))
    idle.bill(progressive=True)
    assert idle.shown() == [("tokens", 5_00), ("other", 10_00), ("tokens", 0), ("other", 0), ("minimum", 35_00)]


@pytest.mark.parametrize("migrates", [False, True])
def test_within_a_deal_both_belong_to_the_whole_period(migrates: bool) -> None:
    life = Committed(Used(day(3), Decimal(10)), Used(day(20), Decimal(5)), minimumAmount="100", maximumAmount="100")
    life.until(day(11, 0))
    life.migrate() if migrates else life.rename("Renamed")
    shown = life.shown()
    assert sum(amount for _, amount in shown) == 100_00
    assert [name for name, _ in shown].count("minimum") == 1
    assert shown[-1] == ("minimum", 55_00)


def test_a_commitment_that_comes_with_a_migration_holds_for_the_whole_period() -> None:
    life = Committed(Used(day(3), Decimal(20)), Used(day(20), Decimal(5)))
    life.until(day(11, 0))
    life.commitment = {"minimumAmount": "100"}
    life.migrate()
    assert sum(amount for _, amount in life.shown()) == 100_00


def test_across_plans_each_has_its_part() -> None:
    """Ten days at 50.00 and twenty at 80.00, of thirty: 16.67 and 53.33."""
    life = Committed(minimumAmount="50")
    life.until(day(11, 0))
    life.commitment = {"minimumAmount": "80"}
    life.change("max")
    minimums = [amount for name, amount in life.shown() if name == "minimum"]
    assert minimums == [16_67, 53_33]


def test_a_cancellation_after_an_hour_owes_an_hour() -> None:
    life = Committed(minimumAmount="50")
    life.until(START + timedelta(hours=1))
    life.cancel()
    assert [amount for name, amount in life.shown() if name == "minimum"] == [7]


def test_without_proration_a_part_of_a_period_owes_the_whole() -> None:
    life = Committed(minimumAmount="50", prorate=False)
    life.until(day(11, 0))
    life.cancel()
    assert [amount for name, amount in life.shown() if name == "minimum"] == [50_00]


def test_every_month_begins_anew() -> None:
    life = Committed(Used(day(3), Decimal(40)), Used(day(35), Decimal(5)), minimumAmount="100")
    assert life.shown(END + timedelta(days=31)) == [
        *[("tokens", 40_00), ("other", 80_00)],
        *[("tokens", 5_00), ("other", 10_00), ("minimum", 85_00)],
    ]


def test_time_in_which_no_usage_is_sold_owes_nothing() -> None:
    """The usage cards are removed on the eleventh, by an edit, or a migration to a version without: a third."""
    edited, migrated = (Committed(Used(day(3), Decimal(1)), minimumAmount="100") for _ in range(2))
    for life in (edited, migrated):
        life.until(day(11, 0))
    removed = ({"op": "remove_item", "phaseKey": "main", "itemKey": key} for key in ("tokens", "other"))
    edited.edit(*removed)
    edited.until(day(15))
    edited.bill(progressive=True)
    migrated.sells_usage = False
    migrated.migrate()
    for life in (edited, migrated):
        assert sum(amount for _, amount in life.shown()) == 33_33
        assert [amount for name, amount in life.shown(END + timedelta(days=31)) if name == "minimum"] == [30_33]


def test_a_trial_without_usage_owes_nothing() -> None:
    """A card that is sold from the sixteenth on: half of a month of thirty days."""
    life = Committed(Used(day(20), Decimal(10)), minimumAmount="100", maximumAmount="300")
    life.sells_usage = False
    # As a plan would have it whose first phase sells none.
    fees = life.subscribed().model_copy(update={"commitment": life.of.commitment})
    life.of = life.billing.subscriptions.stored[fees.id] = fees
    life.until(day(16, 0))
    life.sell(life.card)
    assert life.shown() == [("tokens", 10_00), ("minimum", 40_00)]


def test_a_migration_that_is_cancelled_at_once_leaves_the_minimum_of_the_time_before() -> None:
    life = Committed(minimumAmount="100")
    life.until(day(11, 0))
    life.migrate()
    life.cancel()
    assert sum(amount for _, amount in life.shown()) == 33_33


def test_usage_that_is_billed_less_often_than_the_plan_is_refused() -> None:
    yearly = unit() | {"billingCadence": "P1Y"}
    with pytest.raises(InvalidInput) as refused:
        PlanCreate.model_validate(draft(phase(yearly), commitment={"minimumAmount": "50"}))
    assert [each.field for each in refused.value.fields] == ["phases[0].rateCards[0].billingCadence"]


def test_a_plan_that_sells_no_usage_commits_to_nothing() -> None:
    with pytest.raises(InvalidInput, match="the plan sells none"):
        PlanCreate.model_validate(draft(phase(flat("31")), commitment={"minimumAmount": "500"}))


def test_a_maximum_below_the_minimum_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be at least the minimumAmount 50"):
        PlanCreate.model_validate(draft(phase(unit()), commitment={"minimumAmount": "50", "maximumAmount": "49.99"}))


@settings(max_examples=80, deadline=None)
@given(
    least=st.sampled_from(["0", "37.01", "200"]),
    most=st.sampled_from(["200", "333.33", "1000"]),
    used=st.lists(st.tuples(st.integers(0, 30 * 86_400 - 1), st.integers(0, 60)), max_size=6),
    late=st.lists(st.tuples(st.integers(0, 30 * 86_400 - 1), st.integers(0, 60)), max_size=3),
    steps=st.lists(
        st.tuples(st.integers(0, 30 * 86_400 - 1), st.sampled_from(["rename", "migrate", "progressive", "bill"])),
        max_size=4,
    ),
)
def test_a_deal_costs_what_its_usage_comes_to_within_both_however_it_is_cut(
    least: str, most: str, used: list[tuple[int, int]], late: list[tuple[int, int]], steps: list[tuple[int, str]]
) -> None:
    events = [Used(START + timedelta(seconds=second), Decimal(value)) for second, value in used]
    life = Committed(*events, minimumAmount=least, maximumAmount=most)
    life.live(steps)
    issued = sum(amount for _, amount in life.shown())

    def cost(events: list[tuple[int, int]]) -> Decimal:
        return min(max(Decimal(3 * sum(value for _, value in events)), Decimal(least)), Decimal(most)) * 100

    assert issued == cost(used)
    assert differences_of(life) == []
    life.usage.events = [*events, *(Used(START + timedelta(seconds=at), Decimal(value)) for at, value in late)]
    assert issued + sum(each.open_minor for each in differences_of(life)) == cost([*used, *late])
