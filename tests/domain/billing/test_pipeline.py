"""Rate card terms and usage in, charges and money out: conversion, discounts, commitments and split lines together."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.domain.billing.rating import Pricing, RatedLine, rate_fee, rate_usage
from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.pricing import AnyPrice, Group, LineUsage, UnitConversion
from functions.domain.money import Money
from functions.domain.period import Period
from tests.domain.builders import at
from tests.domain.catalog.test_pricing import (
    FIRST,
    GRADUATED,
    HOURS,
    LAST,
    MATRIX,
    MIDDLE,
    ONLY,
    PACKAGE,
    VOLUME,
    hour,
    usage,
)

PRICE: TypeAdapter[Any] = TypeAdapter(AnyPrice)
UNIT = {"type": "unit", "amount": "1"}
APRIL = Period(at("2026-04-01"), at("2026-05-01"))


def terms(price: dict[str, Any], *, off: str = "", free: str = "", per: str = "") -> Pricing:
    """`off` percent off, `free` units for nothing, priced by whole units of `per` metered ones."""
    discounts = ({"percentage": {"percentage": off}} if off else {}) | ({"usage": {"quantity": free}} if free else {})
    conversion = {"operation": "divide", "conversionFactor": per, "rounding": "ceiling"}
    return Pricing(
        PRICE.validate_python(price),
        UnitConversion.model_validate(conversion) if per else None,
        Discounts.model_validate(discounts),
    )


def rated(of: Pricing, line: LineUsage, billed: int = 0, currency: str = "USD") -> RatedLine:
    return rate_usage(of, line, currency, Money(billed, currency))


def working(line: RatedLine) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """(reference, minor units, what was deducted and why) of every charge."""
    return [
        (each.charge.reference, each.amount.minor, [(less.reason, less.amount.minor) for less in each.discounts])
        for each in line.charges
    ]


def limits(price: dict[str, Any], least: str | None = None, most: str | None = None) -> dict[str, Any]:
    return price | {"minimumAmount": least, "maximumAmount": most}


@pytest.mark.parametrize(
    ("price", "options", "quantity", "minor"),
    [
        # Each alone, just below, at and above what it changes.
        (limits(UNIT, "10"), {}, "0", 1000),
        (limits(UNIT, "10"), {}, "9.99", 1000),
        (limits(UNIT, "10"), {}, "10", 1000),
        (limits(UNIT, "10"), {}, "10.01", 1001),
        (limits(UNIT, None, "10"), {}, "9.99", 999),
        (limits(UNIT, None, "10"), {}, "10", 1000),
        (limits(UNIT, None, "10"), {}, "10.01", 1000),
        (limits(UNIT, None, "0"), {}, "5", 0),
        (UNIT, {"off": "50"}, "0.01", 0),
        (UNIT, {"off": "50"}, "0.03", 1),
        (UNIT, {"off": "0"}, "7", 700),
        (UNIT, {"off": "100"}, "7", 0),
        (UNIT, {"off": "33.333333"}, "1", 67),
        (UNIT, {"free": "5"}, "4.99", 0),
        (UNIT, {"free": "5"}, "5", 0),
        (UNIT, {"free": "5"}, "5.01", 1),
        (UNIT, {"per": "10"}, "0", 0),
        (UNIT, {"per": "10"}, "10", 100),
        (UNIT, {"per": "10"}, "10.01", 200),
        # Together: conversion before free units, percentage before the maximum, the minimum last.
        (UNIT, {"per": "10", "free": "1"}, "10.01", 100),
        (UNIT, {"free": "2", "off": "25"}, "10", 600),
        (limits(UNIT, None, "7"), {"off": "50"}, "13", 650),
        (limits(UNIT, None, "7"), {"off": "50"}, "15", 700),
        (limits(UNIT, "7"), {"off": "50"}, "13", 700),
        (limits(UNIT, "7"), {"off": "100"}, "13", 700),
        (limits(UNIT, "7", "7"), {"off": "50"}, "99", 700),
        (limits(UNIT, "7", "7"), {"free": "99"}, "99", 700),
        (limits(UNIT, "3", "9"), {"off": "50", "free": "1", "per": "10"}, "85", 400),
        (limits(GRADUATED, "160", "165"), {"off": "10"}, "0", 16000),
        (limits(GRADUATED, "160", "165"), {"off": "10"}, "22", 16380),
        (limits(GRADUATED, "160", "165"), {"off": "0"}, "22", 16500),
        (limits(VOLUME, "60", "70"), {"free": "1"}, "16", 7000),
        (limits(PACKAGE, "5", "25"), {"free": "20"}, "20", 500),
        (limits(PACKAGE, "5", "25"), {"free": "20"}, "60.1", 2500),
        (limits({"type": "dynamic", "multiplier": "1.1"}, None, "100"), {"off": "10"}, "100", 9900),
    ],
)
def test_what_goes_before_and_after_the_price_in_every_combination(
    price: dict[str, Any], options: dict[str, str], quantity: str, minor: int
) -> None:
    assert rated(terms(price, **options), usage(quantity)).total.minor == minor


def test_a_line_shows_every_step_that_made_its_total() -> None:
    line = rated(terms(limits(GRADUATED, None, "162"), off="10", free="5"), usage("27"))

    assert line.metered is not None
    assert line.priced is not None
    assert line.free_units is not None
    assert (line.metered.quantity, line.free_units.quantity, line.priced.quantity) == tuple(map(Decimal, (27, 5, 22)))
    assert working(line) == [
        ("graduated-tiered-1-price-usage", 0, []),
        ("graduated-tiered-1-flat-price", 10000, [("ratecard_percentage", 1000)]),
        ("graduated-tiered-2-flat-price", 5000, [("ratecard_percentage", 500)]),
        ("graduated-tiered-3-price-usage", 2500, [("ratecard_percentage", 250)]),
        ("graduated-tiered-4-price-usage", 700, [("ratecard_percentage", 70), ("maximum_spend", 180)]),
    ]
    assert line.total.minor == 16200


def test_the_maximum_is_deducted_charge_by_charge_and_off_everything_once_it_is_reached() -> None:
    line = rated(terms(limits(GRADUATED, None, "170")), usage("10", "12", **MIDDLE), billed=16000)

    assert working(line) == [
        ("graduated-tiered-3-price-usage", 1500, [("maximum_spend", 500)]),
        ("graduated-tiered-4-price-usage", 700, [("maximum_spend", 700)]),
    ]


def test_what_lacks_of_the_minimum_is_a_commitment() -> None:
    line = rated(terms(limits(UNIT, "10")), usage("4"))

    assert [(each.charge.reference, each.category, each.total.minor) for each in line.charges] == [
        ("unit-price-usage", "regular", 400),
        ("min-spend", "commitment", 600),
    ]


@pytest.mark.parametrize(
    ("position", "before", "billed", "minor"),
    [
        (ONLY, "0", 0, 1000),
        (FIRST, "0", 0, 300),
        (MIDDLE, "2", 200, 300),
        (LAST, "4", 400, 600),
        (LAST, "12", 1200, 300),
    ],
)
def test_the_minimum_is_owed_by_the_last_line_counting_what_the_others_billed(
    position: dict[str, Any], before: str, billed: int, minor: int
) -> None:
    assert rated(terms(limits(UNIT, "10")), usage("3", before, **position), billed).total.minor == minor


@pytest.mark.parametrize(
    ("position", "before", "billed", "minor"),
    [
        (ONLY, "0", 0, 700),
        (FIRST, "0", 0, 700),
        (MIDDLE, "7", 700, 300),
        (LAST, "14", 1000, 0),
        (LAST, "14", 1500, 0),
        (LAST, "5", 999, 1),
    ],
)
def test_the_maximum_holds_on_every_line_counting_what_the_others_billed(
    position: dict[str, Any], before: str, billed: int, minor: int
) -> None:
    assert rated(terms(limits(UNIT, None, "10")), usage("7", before, **position), billed).total.minor == minor


@pytest.mark.parametrize(
    ("position", "before", "free", "minor"),
    [
        (ONLY, "0", (7, 0), 0),
        (FIRST, "0", (7, 0), 0),
        (MIDDLE, "7", (3, 7), 400),
        (LAST, "14", (0, 10), 700),
    ],
)
def test_free_units_are_used_up_by_the_earlier_lines_first(
    position: dict[str, Any], before: str, free: tuple[int, int], minor: int
) -> None:
    line = rated(terms(UNIT, free="10"), usage("7", before, **position))

    assert line.free_units is not None
    assert (line.free_units.quantity, line.free_units.before) == tuple(map(Decimal, free))
    assert line.total.minor == minor


@pytest.mark.parametrize(("before", "minor"), [("0", 100), ("5", 0), ("8", 100), ("15", 0), ("18", 100)])
def test_a_split_line_is_converted_as_a_part_of_its_period(before: str, minor: int) -> None:
    assert rated(terms(UNIT, per="10"), usage("5", before, **MIDDLE)).total.minor == minor


def test_the_parts_of_a_split_line_are_converted_each_as_a_part_of_its_period() -> None:
    large, small = Group(("large", "input")), Group(("small", "input"))
    price = MATRIX | {"rows": [], "defaultAmount": "1"}
    line = LineUsage(
        Decimal(12),
        Decimal(5),
        is_first=False,
        groups={large: Decimal(4), small: Decimal(8)},
        groups_before={large: Decimal(5)},
    )

    result = rated(terms(price, per="10"), line)

    assert result.priced is not None
    assert (result.priced.before, result.priced.quantity, result.total.minor) == (Decimal(1), Decimal(1), 100)


@pytest.mark.parametrize(
    ("currency", "amount", "quantity", "minor"),
    [
        ("USD", "0.005", "1", 1),
        ("USD", "0.0000025", "1999", 0),
        ("USD", "0.0000025", "2000", 1),
        ("JPY", "0.5", "1", 1),
        ("JPY", "0.49999", "1", 0),
        ("KWD", "0.005", "1", 10),
        ("KWD", "0.0049", "1", 0),
        ("KWD", "1.2344", "10", 12340),
        ("USD", "0.0000025", "9" * 38, 25 * 10**33),
    ],
)
def test_each_charge_is_rounded_once_in_the_digits_of_its_currency(
    currency: str, amount: str, quantity: str, minor: int
) -> None:
    assert rated(terms({"type": "unit", "amount": amount}), usage(quantity), currency=currency).total.minor == minor


def test_a_mark_up_shows_the_amount_it_costs() -> None:
    charge = rated(terms({"type": "dynamic", "multiplier": "1.15"}), usage("10.01")).charges[0].charge

    assert (charge.reference, charge.quantity, charge.unit_amount) == ("usage", Decimal(1), Decimal("11.51"))


def test_hours_and_dimensions_are_priced_by_their_parts_and_take_discounts_like_any_other() -> None:
    groups = {hour("2026-07-06T06:00"): Decimal(100), hour("2026-07-05T10:00"): Decimal(10)}
    line = rated(terms(HOURS, off="10"), LineUsage(Decimal(110), groups=groups))

    assert working(line) == [
        ("time-of-day-1-usage", 3000, [("ratecard_percentage", 300)]),
        ("time-of-day-default-usage", 200, [("ratecard_percentage", 20)]),
    ]


@pytest.mark.parametrize(
    ("start", "off", "minor"),
    [
        ("2026-04-01", "", 10000),
        ("2026-04-01", "25", 7500),
        ("2026-04-16", "25", 3750),
        ("2026-04-30T23:59:59", "25", 0),
    ],
)
def test_a_fee_is_prorated_first_and_discounted_then(start: str, off: str, minor: int) -> None:
    part = Period(at(start), APRIL.end)
    price = {"type": "flat", "amount": "100"}

    assert rate_fee(terms(price, off=off), "USD", part, APRIL).total.minor == minor


def test_without_a_full_period_a_fee_is_owed_whole() -> None:
    part = Period(at("2026-04-16"), APRIL.end)

    assert rate_fee(terms({"type": "flat", "amount": "100"}), "USD", part).total.minor == 10000


@pytest.mark.parametrize(
    ("term", "position", "minor"),
    [
        ("in_advance", FIRST, 900),
        ("in_advance", LAST, 0),
        ("in_arrears", FIRST, 0),
        ("in_arrears", MIDDLE, 0),
        ("in_arrears", LAST, 900),
    ],
)
def test_a_fee_is_owed_by_the_first_or_the_last_line_of_its_period(
    term: str, position: dict[str, Any], minor: int
) -> None:
    fee = terms({"type": "flat", "amount": "9", "paymentTerm": term})

    assert rate_fee(fee, "USD", APRIL, line=usage("0", **position)).total.minor == minor
