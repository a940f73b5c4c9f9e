"""What holds for every price, quantity and way of cutting a period."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from functions.domain.billing.rating import Pricing, RatedLine, rate_fee, rate_usage
from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.pricing import AnyPrice, Group, LineUsage, UnitConversion
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.subscriptions.proration import prorated
from infra.local.paths import REPOSITORY
from tests.domain.builders import at
from tests.domain.catalog.test_pricing import (
    CARDS,
    GRADUATED,
    GRADUATED_SHARE,
    HOURS,
    MATRIX,
    PACKAGE,
    PRICE,
    SHARE,
    VOLUME,
    hour,
)

QUANTITY = st.one_of(
    st.sampled_from([Decimal(text) for text in ("0", "5", "10", "15", "20", "100", "1000", "9" * 31)]),
    st.decimals(0, 10**6, places=3),
    st.decimals(0, 40, places=0),
    st.decimals(0, 1, places=12),
)
CUTS = st.lists(QUANTITY, min_size=1, max_size=6)
AMOUNT = st.decimals(0, 1000, places=9).map(lambda amount: f"{amount:f}")
GROUPS = [Group(("large", "input")), Group(("large", "output")), Group(("no", "row"))]
HOUR_GROUPS = [hour("2026-07-06T06:00"), hour("2026-07-05T22:00"), hour("2026-07-05T10:00")]
PAYMENTS = [Group((name,)) for name in ("a", "b", "c")]

SPLITTABLE: dict[str, dict[str, Any]] = {
    "unit": {"type": "unit", "amount": "0.0000025"},
    "package": PACKAGE,
    "dynamic": {"type": "dynamic", "multiplier": "1.0725"},
    "graduated": GRADUATED,
    "percentage": SHARE,
    "graduated percentage": GRADUATED_SHARE,
    "matrix": MATRIX,
    "time of day": HOURS,
}
OTHERS: dict[str, dict[str, Any]] = {
    "volume": VOLUME,
    "events": CARDS | {"minimumPerEvent": "1", "maximumPerEvent": "50"},
}
ROUNDING = st.sampled_from(["none", "ceiling", "floor", "half_up"])


def split(cuts: Sequence[Decimal], kinds: Sequence[Group]) -> list[LineUsage]:
    """The lines of one period; each cut is used by another of the groups in turn."""
    lines: list[LineUsage] = []
    before, groups_before = Decimal(0), dict[Group, Decimal]()
    for i, quantity in enumerate(cuts):
        group = kinds[i % len(kinds)]
        is_first, is_last = i == 0, i == len(cuts) - 1
        lines.append(LineUsage(quantity, before, is_first, is_last, {group: quantity}, dict(groups_before)))
        before = EXACT.add(before, quantity)
        groups_before[group] = EXACT.add(groups_before.get(group, Decimal(0)), quantity)
    return lines


def whole(lines: Sequence[LineUsage]) -> LineUsage:
    last, groups = lines[-1], dict[Group, Decimal]()
    for line in lines:
        for group, quantity in line.groups.items():
            groups[group] = EXACT.add(groups.get(group, Decimal(0)), quantity)
    return LineUsage(last.total, groups=groups)


def kinds_of(name: str) -> Sequence[Group]:
    return {"time of day": HOUR_GROUPS, "events": PAYMENTS}.get(name, GROUPS)


def exact(price: dict[str, Any], line: LineUsage) -> Decimal:
    with localcontext(EXACT):
        return sum((each.amount for each in PRICE.validate_python(price).charges(line)), Decimal(0))


def bill(of: Pricing, lines: Sequence[LineUsage]) -> list[RatedLine]:
    billed, rated = Money.zero("USD"), []
    for line in lines:
        rated.append(rate_usage(of, line, "USD", billed))
        billed += rated[-1].total
    return rated


@pytest.mark.parametrize("name", [*SPLITTABLE, *OTHERS])
@given(cuts=CUTS)
def test_the_lines_of_a_period_add_up_to_its_one_line_exactly(name: str, cuts: list[Decimal]) -> None:
    price = (SPLITTABLE | OTHERS)[name]
    lines = split(cuts, kinds_of(name))

    with localcontext(EXACT):
        assert sum((exact(price, line) for line in lines), Decimal(0)) == exact(price, whole(lines))


@pytest.mark.parametrize("name", SPLITTABLE)
@given(cuts=CUTS, off=st.decimals(0, 100, places=2), free=st.decimals("0.001", 200, places=3), rounding=ROUNDING)
def test_rounded_lines_add_up_to_the_one_line(
    name: str, cuts: list[Decimal], off: Decimal, free: Decimal, rounding: str
) -> None:
    price = PRICE.validate_python(SPLITTABLE[name])
    values: dict[str, Any] = {"percentage": {"percentage": f"{off:f}"}}
    if price.takes_usage_discount:
        values["usage"] = {"quantity": f"{free:f}"}
    conversion = {"operation": "divide", "conversionFactor": "3", "rounding": rounding, "precision": 1}
    of = Pricing(price, UnitConversion.model_validate(conversion), Discounts.model_validate(values))
    lines = split(cuts, kinds_of(name))

    parts = bill(of, lines)
    one = rate_usage(of, whole(lines), "USD")

    assert sum(part.total.minor for part in parts) == one.total.minor


@pytest.mark.parametrize("name", SPLITTABLE)
@given(cuts=CUTS, least=st.decimals(0, 100, places=2), room=st.decimals(0, 100, places=2))
def test_commitments_hold_for_the_period_however_it_is_cut(
    name: str, cuts: list[Decimal], least: Decimal, room: Decimal
) -> None:
    limits = {"minimumAmount": f"{least:f}", "maximumAmount": f"{least + room:f}"}
    of = Pricing(PRICE.validate_python(SPLITTABLE[name] | limits))
    lines = split(cuts, kinds_of(name))

    total = sum(part.total.minor for part in bill(of, lines))

    assert least * 100 <= total <= (least + room) * 100


@pytest.mark.parametrize("name", ["unit", "package", "graduated", "dynamic", "percentage", "graduated percentage"])
@given(one=QUANTITY, other=QUANTITY, off=st.decimals(0, 100, places=2), least=AMOUNT)
def test_more_usage_never_costs_less(name: str, one: Decimal, other: Decimal, off: Decimal, least: str) -> None:
    price = PRICE.validate_python(SPLITTABLE[name] | {"minimumAmount": least})
    of = Pricing(price, discounts=Discounts.model_validate({"percentage": {"percentage": f"{off:f}"}}))
    low, high = (rate_usage(of, LineUsage(each), "USD").total for each in sorted((one, other)))

    assert low <= high


@given(amounts=st.lists(AMOUNT, min_size=1, max_size=5), quantity=QUANTITY)
def test_graduated_tiers_of_any_amounts_never_fall_and_start_at_nothing(amounts: list[str], quantity: Decimal) -> None:
    tiers = [{"upToAmount": str(7 * (i + 1)), "unitPrice": {"amount": each}} for i, each in enumerate(amounts[:-1])]
    price = {"type": "tiered", "mode": "graduated", "tiers": [*tiers, {"unitPrice": {"amount": amounts[-1]}}]}

    assert exact(price, LineUsage(Decimal(0))) == 0
    assert exact(price, LineUsage(quantity)) <= exact(price, LineUsage(quantity + Decimal("0.5")))


@pytest.mark.parametrize("name", [*SPLITTABLE, *OTHERS])
@given(cuts=CUTS, off=st.decimals(0, 100, places=2), most=AMOUNT)
def test_no_line_is_ever_negative_and_its_charges_explain_it(
    name: str, cuts: list[Decimal], off: Decimal, most: str
) -> None:
    price = PRICE.validate_python((SPLITTABLE | OTHERS)[name] | {"maximumAmount": most})
    of = Pricing(price, discounts=Discounts.model_validate({"percentage": {"percentage": f"{off:f}"}}))

    for line in bill(of, split(cuts, kinds_of(name))):
        assert line.total.minor == sum(each.total.minor for each in line.charges)
        assert all(each.total.minor >= 0 for each in line.charges)
        assert len({each.charge.reference for each in line.charges}) == len(line.charges)


SECONDS_OF_APRIL = 30 * 24 * 3600
APRIL = Period(at("2026-04-01"), at("2026-05-01"))


@given(st.integers(1, SECONDS_OF_APRIL - 1), st.decimals(0, 10**9, places=9))
def test_a_fee_cut_in_two_is_the_whole_before_rounding(cut: int, amount: Decimal) -> None:
    middle = APRIL.start + timedelta(seconds=cut)
    parts = [prorated(amount, part, APRIL) for part in (Period(APRIL.start, middle), Period(middle, APRIL.end))]

    # Each quotient is kept to 192 digits; nothing that is ever rounded to a currency's digits can tell.
    assert abs(EXACT.subtract(EXACT.add(*parts), amount)) < Decimal(1).scaleb(-170)


@given(st.integers(1, SECONDS_OF_APRIL - 1), AMOUNT)
def test_a_fee_cut_in_two_is_the_whole_within_one_minor_unit_after_it(cut: int, amount: str) -> None:
    middle = APRIL.start + timedelta(seconds=cut)
    fee = Pricing(PRICE.validate_python({"type": "flat", "amount": amount}))
    halves = [rate_fee(fee, "USD", part, APRIL) for part in (Period(APRIL.start, middle), Period(middle, APRIL.end))]

    assert abs(sum(half.total.minor for half in halves) - rate_fee(fee, "USD", APRIL, APRIL).total.minor) <= 1


@given(CUTS)
def test_rating_does_not_depend_on_the_callers_decimal_context(cuts: list[Decimal]) -> None:
    lines = split(cuts, GROUPS)
    of = [Pricing(PRICE.validate_python(SPLITTABLE[name])) for name in ("unit", "graduated", "matrix")]
    expected = [[line.total for line in bill(each, lines)] for each in of]

    with localcontext() as context:
        context.prec = 3
        found = [[line.total for line in bill(each, [replace(line) for line in lines])] for each in of]

    assert found == expected


def test_every_price_is_tried_everywhere() -> None:
    """A price that is forgotten here, in the room's table or in the guide would be held by nobody."""
    schema = TypeAdapter(AnyPrice).json_schema()
    every = {each["properties"]["type"]["const"] for each in schema["$defs"].values() if "type" in each["properties"]}
    assert {price["type"] for price in (SPLITTABLE | OTHERS).values()} == every - {"flat"}, "SPLITTABLE, OTHERS"
    for page in ("functions/domain/catalog/pricing/README.md", "functions/pages/guide/pricing.md"):
        rows = [line for line in (REPOSITORY / page).read_text().splitlines() if line.startswith("| `")]
        assert {each for each in every if not any(f"`{each}`" in row for row in rows)} == set(), page
