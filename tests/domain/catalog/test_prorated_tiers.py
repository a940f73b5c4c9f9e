"""Prorated tiers by hand, and against a recount in fractions that walks through the period second by second."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.billing.rating import Pricing, rate_usage
from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.pricing import LineUsage, UnitConversion
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.money import EXACT, Money
from tests.domain.catalog.test_pricing import PRICE, charges

DAY = 86_400
JUNE = 30 * DAY

Path = Sequence[tuple[str, int]]  # the levels one after the other, each with the seconds it lasted


def tiers(*amounts: tuple[str | None, str], mode: str = "graduated", flat: str | None = None) -> dict[str, Any]:
    """Of (up to, unit price) each; `flat` is the flat price of the last one."""
    found: list[dict[str, Any]] = [
        {"unitPrice": {"type": "unit", "amount": amount}} | ({"upToAmount": bound} if bound else {})
        for bound, amount in amounts
    ]
    if flat is not None:
        found[-1]["flatPrice"] = {"type": "flat", "amount": flat}
    return {"type": "tiered", "mode": mode, "prorated": True, "tiers": found}


def times(path: Path) -> LevelTimes:
    found = LevelTimes()
    for level, seconds in path:
        height = Decimal(level)
        found = found.then(LevelTimes({height: seconds} if height and seconds else {}, height))
    return found


def used(path: Path, before: Path = (), full: int = JUNE, **position: Any) -> LineUsage:
    own, earlier = times(path), times(before)
    return LineUsage(
        own.value_hours, earlier.value_hours, levels=own, levels_before=earlier, full_seconds=full, **position
    )


def shown(price: dict[str, Any], usage: LineUsage) -> list[tuple[str, str, str]]:
    """(reference, quantity, amount in cents) of every charge."""
    return [
        (each.reference, f"{each.quantity:f}", f"{Money.rounded(each.amount, 'USD').minor}")
        for each in charges(price, usage)
    ]


SEAT = tiers((None, "10.00"))
SEATS = tiers(("3", "10"), (None, "5"))
VOLUME = tiers(("5", "10"), (None, "8"), mode="volume")


@pytest.mark.parametrize(
    ("price", "path", "expected"),
    [
        # Lago's example: a seat that is there for 22 of 30 days.
        (SEAT, [("0", 8 * DAY), ("1", 22 * DAY)], [("graduated-tiered-1-price-usage", "0.733333333", "733")]),
        (SEAT, [("1", JUNE)], [("graduated-tiered-1-price-usage", "1", "1000")]),
        (SEAT, [("0", JUNE)], []),
        (SEAT, [], []),
        (SEAT, [("1", 1)], [("graduated-tiered-1-price-usage", "0.000000386", "0")]),
        (
            SEATS,
            [("5", JUNE)],
            [("graduated-tiered-1-price-usage", "3", "3000"), ("graduated-tiered-2-price-usage", "2", "1000")],
        ),
        (
            SEATS,
            [("5", 15 * DAY), ("6", 15 * DAY)],
            [("graduated-tiered-1-price-usage", "3", "3000"), ("graduated-tiered-2-price-usage", "2.5", "1250")],
        ),
        # The bound belongs to the tier below.
        (SEATS, [("3", JUNE)], [("graduated-tiered-1-price-usage", "3", "3000")]),
        # Full units decide the tier: six seats for half of the month are not three.
        (
            SEATS,
            [("6", 15 * DAY), ("0", 15 * DAY)],
            [("graduated-tiered-1-price-usage", "1.5", "1500"), ("graduated-tiered-2-price-usage", "1.5", "750")],
        ),
        (
            tiers(("1.5", "2"), (None, "1")),
            [("2.25", 10 * DAY), ("0.75", 20 * DAY)],
            [("graduated-tiered-1-price-usage", "1", "200"), ("graduated-tiered-2-price-usage", "0.25", "25")],
        ),
        (VOLUME, [("5", JUNE)], [("volume-tiered-price", "5", "5000")]),
        # The units at the end decide the price of the average.
        (VOLUME, [("5", 15 * DAY), ("6", 15 * DAY)], [("volume-tiered-price", "5.5", "4400")]),
        (VOLUME, [("6", 15 * DAY), ("5", 15 * DAY)], [("volume-tiered-price", "5.5", "5500")]),
        (VOLUME, [("6", 15 * DAY), ("0", 15 * DAY)], [("volume-tiered-price", "3", "3000")]),
        (VOLUME, [("0", JUNE)], []),
    ],
)
def test_full_units_decide_the_tier_and_their_time_the_amount(
    price: dict[str, Any], path: Path, expected: list[tuple[str, str, str]]
) -> None:
    assert shown(price, used(path)) == expected


def test_a_flat_price_is_owed_once_its_tier_is_reached_however_briefly() -> None:
    price = tiers(("3", "10"), (None, "5"), flat="7")
    tier = ("graduated-tiered-2-flat-price", "1", "700")

    assert tier in shown(price, used([("4", 1), ("3", JUNE - 1)]))
    assert tier not in shown(price, used([("3", JUNE)]))
    assert tier in shown(price, used([("4", DAY)], [("3", DAY)], is_first=False))
    assert tier not in shown(price, used([("4", DAY)], [("4", DAY)], is_first=False)), "it was on the line before"
    assert shown(tiers(("3", "10"), (None, "5"), flat="7", mode="volume"), used([("1", JUNE - 1), ("4", 1)])) == [
        ("volume-flat-price", "1", "700"),
        ("volume-tiered-price", "1.000001157", "500"),
    ]


def test_a_volume_is_charged_by_the_last_line_of_its_period_alone() -> None:
    assert shown(VOLUME, used([("5", JUNE)], is_last=False)) == []


def test_conversion_and_rounding_are_of_the_level_at_every_moment() -> None:
    """1.2 GB for half of the month and 0.4 GB for the rest, in GB begun: two and one."""
    gigabytes = {"operation": "divide", "conversionFactor": "1000000000", "rounding": "ceiling"}
    terms = Pricing(PRICE.validate_python(SEAT), UnitConversion.model_validate(gigabytes))

    line = rate_usage(terms, used([("1200000000", 15 * DAY), ("400000000", 15 * DAY)]), "USD")

    assert line.total.minor == 15_00
    assert line.priced is not None and line.priced.quantity == 3 * 15 * 24


def test_the_option_is_stored_and_shown_where_it_is_true_alone() -> None:
    for price in (SEATS, VOLUME):
        wire = PRICE.validate_python(price).model_dump(mode="json", by_alias=True)
        without = PRICE.validate_python(price | {"prorated": False}).model_dump(mode="json", by_alias=True)

        assert wire["prorated"] is True
        assert "prorated" not in without
        assert wire == without | {"prorated": True}


def test_a_prorated_price_needs_levels_and_nothing_else() -> None:
    price = PRICE.validate_python(SEATS)
    assert price.needs and price.needs.levels and not price.needs.are_parts
    assert not PRICE.validate_python(SEATS | {"prorated": False}).needs
    assert not price.takes_usage_discount


LEVEL = st.one_of(st.integers(0, 12).map(str), st.decimals(0, 30, places=3).map(lambda level: f"{level:f}"))
AMOUNT = st.one_of(
    st.decimals(0, 50, places=2).map(lambda amount: f"{amount:f}"),
    st.sampled_from(["0", "0.015", "7.005", "0.0000025", "0.000000000000000001"]),
)
BOUNDS = st.lists(st.integers(1, 20), unique=True, max_size=4).map(sorted)
PATHS = st.lists(st.tuples(LEVEL, st.integers(0, JUNE // 8)), min_size=1, max_size=8)


@st.composite
def prices(draw: st.DrawFn, mode: str) -> dict[str, Any]:
    found = []
    for bound in [*draw(BOUNDS), None]:
        flat = draw(st.none() | AMOUNT)
        tier: dict[str, Any] = {"unitPrice": {"amount": draw(AMOUNT)}} | ({"upToAmount": str(bound)} if bound else {})
        found.append(tier | ({"flatPrice": {"amount": flat}} if flat is not None else {}))
    return {"type": "tiered", "mode": mode, "prorated": True, "tiers": found}


def recount(price: dict[str, Any], path: Path) -> int:
    """Cents of the whole period, each unit of each stretch asked for its price."""
    bounds = [Fraction(tier["upToAmount"]) for tier in price["tiers"][:-1]]
    edges = [Fraction(0), *bounds, Fraction(10**9)]
    reached = max((Fraction(level) for level, seconds in path if seconds), default=Fraction(0))
    cents = 0
    if price["mode"] == "volume":
        end = Fraction(path[-1][0])
        tier = price["tiers"][sum(bound < end for bound in bounds)]
        average = sum((Fraction(level) * seconds for level, seconds in path), Fraction(0)) / JUNE
        return rounded(average * Fraction(tier["unitPrice"]["amount"])) + flat_of(tier)
    for n, (tier, (low, high)) in enumerate(zip(price["tiers"], pairwise(edges), strict=True)):
        inside = sum(max(min(Fraction(level), high) - low, Fraction(0)) * seconds for level, seconds in path)
        cents += rounded(inside * Fraction(tier["unitPrice"]["amount"]) / JUNE)
        if n == 0 or reached > low:
            cents += flat_of(tier)
    return cents


def flat_of(tier: dict[str, Any]) -> int:
    return rounded(Fraction(tier["flatPrice"]["amount"])) if "flatPrice" in tier else 0


def rounded(amount: Fraction) -> int:
    return floor(amount * 100 + Fraction(1, 2))


@pytest.mark.parametrize("mode", ["graduated", "volume"])
@settings(max_examples=300, deadline=None)
@given(data=st.data(), path=PATHS)
def test_a_period_costs_what_a_recount_says(mode: str, data: st.DataObject, path: Path) -> None:
    price = data.draw(prices(mode))
    line = rate_usage(Pricing(PRICE.validate_python(price)), used(path), "USD")

    assert line.total.minor == recount(price, path)


@settings(max_examples=400, deadline=None)
@given(
    price=prices("graduated"),
    paths=st.lists(PATHS, min_size=1, max_size=4),
    off=st.decimals(0, 100, places=2),
    rounding=st.sampled_from(["none", "ceiling", "floor", "half_up"]),
)
def test_lines_of_a_period_add_up_to_its_one_line(
    price: dict[str, Any], paths: list[Path], off: Decimal, rounding: str
) -> None:
    """Exactly, and to the cent, with a discount and units of which rounding is left."""
    of = PRICE.validate_python(price)
    conversion = {"operation": "divide", "conversionFactor": "3", "rounding": rounding, "precision": 1}
    discounts = Discounts.model_validate({"percentage": {"percentage": f"{off:f}"}})
    plain, terms = Pricing(of), Pricing(of, UnitConversion.model_validate(conversion), discounts)
    before: list[tuple[str, int]] = []
    lines = []
    for n, path in enumerate(paths):
        lines.append(used(path, before, is_first=n == 0, is_last=n == len(paths) - 1))
        before += path
    whole = used(before)

    with localcontext(EXACT):
        parts = sum((charge.amount for line in lines for charge in of.charges(line)), Decimal(0))
        assert parts == sum((charge.amount for charge in of.charges(whole)), Decimal(0))
    for each in (plain, terms):
        total = sum(rate_usage(each, line, "USD").total.minor for line in lines)
        assert total == rate_usage(each, whole, "USD").total.minor


def test_a_half_of_a_cent_is_rounded_the_same_in_pieces_that_have_no_end() -> None:
    """10.01 for half of the month are 5.005; a third of it thrice is not quite that in any number of digits."""
    price = Pricing(PRICE.validate_python(tiers((None, "10.01"))))
    piece: list[tuple[str, int]] = [("1", 5 * DAY)]
    lines = [used(piece, piece * n, is_first=n == 0) for n in range(3)]

    assert rate_usage(price, used(piece * 3), "USD").total.minor == 5_01
    assert sum(rate_usage(price, line, "USD").total.minor for line in lines) == 5_01


@given(level=st.decimals(0, 10**9, places=18), seconds=st.integers(1, JUNE))
def test_the_callers_decimal_context_does_not_matter(level: Decimal, seconds: int) -> None:
    path = [(f"{level:f}", seconds)]
    expected = rate_usage(Pricing(PRICE.validate_python(SEATS)), used(path), "USD").total
    with localcontext() as context:
        context.prec = 3
        assert rate_usage(Pricing(PRICE.validate_python(SEATS)), used(path), "USD").total == expected
