from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from functions.domain.catalog.pricing import AnyPrice, Charge, Group, LineUsage

PRICE: TypeAdapter[AnyPrice] = TypeAdapter(AnyPrice)
HUGE = "9" * 38
TINY = "0.0000025"

UNIT = {"type": "unit", "amount": "0.5"}
PACKAGE = {"type": "package", "amount": "10", "quantityPerPackage": "20"}
TIERS = [
    {"upToAmount": "5", "flatPrice": {"type": "flat", "amount": "100"}, "unitPrice": {"type": "unit", "amount": "0"}},
    {"upToAmount": "10", "flatPrice": {"type": "flat", "amount": "50"}, "unitPrice": None},
    {"upToAmount": "15", "flatPrice": None, "unitPrice": {"type": "unit", "amount": "5"}},
    {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "1"}},
]
GRADUATED: dict[str, Any] = {"type": "tiered", "mode": "graduated", "tiers": TIERS}
VOLUME: dict[str, Any] = {"type": "tiered", "mode": "volume", "tiers": TIERS}
SHARE = {"type": "percentage", "rate": "2.9", "freeAmount": "100"}
CARDS = {"type": "percentage", "rate": "1", "eventDimension": "payment", "fixedFee": "0.30"}
GRADUATED_SHARE: dict[str, Any] = {
    "type": "graduated_percentage",
    "tiers": [
        {"upToAmount": "1000", "rate": "3", "flatPrice": {"type": "flat", "amount": "5"}},
        {"upToAmount": "5000", "rate": "2.5", "flatPrice": None},
        {"rate": "0.125", "flatPrice": {"type": "flat", "amount": "7"}},
    ],
}
MATRIX: dict[str, Any] = {
    "type": "matrix",
    "dimensions": ["model", "kind"],
    "rows": [
        {"values": {"model": "large", "kind": "input"}, "amount": "0.000005"},
        {"values": {"kind": "output", "model": "large"}, "amount": "0.000015"},
        {"values": {"model": "small", "kind": "input"}, "amount": "0"},
    ],
    "defaultAmount": "0.00002",
}
HOURS: dict[str, Any] = {
    "type": "time_of_day",
    "timeZone": "Europe/Berlin",
    "bands": [
        {"name": "Peak", "days": ["MON", "TUE", "WED", "THU", "FRI"], "fromHour": 8, "toHour": 20, "amount": "0.30"},
        {"name": "Night", "fromHour": 0, "toHour": 6, "amount": "0.10"},
    ],
    "defaultAmount": "0.20",
}

ONLY: dict[str, Any] = {}
FIRST: dict[str, Any] = {"is_last": False}
MIDDLE: dict[str, Any] = {"is_first": False, "is_last": False}
LAST: dict[str, Any] = {"is_first": False}


def usage(quantity: str, before: str = "0", **position: Any) -> LineUsage:
    return LineUsage(Decimal(quantity), Decimal(before), **position)


def charged(price: dict[str, Any], line: LineUsage) -> list[tuple[str, str, str]]:
    """(reference, quantity, amount) of every charge, in order."""
    return [(each.reference, f"{each.quantity:f}", f"{each.amount:f}") for each in charges(price, line)]


def charges(price: dict[str, Any], line: LineUsage) -> list[Charge]:
    return PRICE.validate_python(price).charges(line)


def same(found: list[tuple[str, str, str]], expected: list[tuple[str, str, str]]) -> bool:
    return [(name, Decimal(q), Decimal(a)) for name, q, a in found] == [
        (name, Decimal(q), Decimal(a)) for name, q, a in expected
    ]


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        (UNIT, "0", []),
        (UNIT, "1", [("unit-price-usage", "1", "0.5")]),
        (UNIT, "0.001", [("unit-price-usage", "0.001", "0.0005")]),
        ({"type": "unit", "amount": TINY}, "1234567", [("unit-price-usage", "1234567", "3.0864175")]),
        ({"type": "unit", "amount": "0"}, "7", [("unit-price-usage", "7", "0")]),
        (
            {"type": "unit", "amount": "0.000000000000000001"},
            HUGE,
            [("unit-price-usage", HUGE, "99999999999999999999.999999999999999999")],
        ),
        ({"type": "flat", "amount": "99.99"}, "0", [("flat-price", "1", "99.99")]),
        ({"type": "flat", "amount": "99.99", "paymentTerm": "in_arrears"}, "5", [("flat-price", "1", "99.99")]),
        (PACKAGE, "0", []),
        (PACKAGE, "0.000001", [("usage", "1", "10")]),
        (PACKAGE, "20", [("usage", "1", "10")]),
        (PACKAGE, "20.1", [("usage", "2", "20")]),
        (PACKAGE, "98", [("usage", "5", "50")]),
        (PACKAGE | {"quantityPerPackage": "0.3"}, "0.9", [("usage", "3", "30")]),
        (PACKAGE, HUGE, [("usage", "5" + "0" * 36, "5" + "0" * 37)]),
        ({"type": "dynamic"}, "0", []),
        ({"type": "dynamic"}, "12.345", [("usage", "1", "12.345")]),
        ({"type": "dynamic", "multiplier": "1.5"}, "0.01", [("usage", "1", "0.015")]),
        ({"type": "dynamic", "multiplier": "0"}, "5", [("usage", "1", "0")]),
        ({"type": "dynamic", "multiplier": TINY}, HUGE, [("usage", "1", "249999999999999999999999999999999.9999975")]),
    ],
)
def test_a_quantity_becomes_exact_charges(
    price: dict[str, Any], quantity: str, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(price, usage(quantity)), expected)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", [("graduated-tiered-1-flat-price", "1", "100")]),
        ("0.5", [("graduated-tiered-1-price-usage", "0.5", "0"), ("graduated-tiered-1-flat-price", "1", "100")]),
        ("5", [("graduated-tiered-1-price-usage", "5", "0"), ("graduated-tiered-1-flat-price", "1", "100")]),
        (
            "5.000001",
            [
                ("graduated-tiered-1-price-usage", "5", "0"),
                ("graduated-tiered-1-flat-price", "1", "100"),
                ("graduated-tiered-2-flat-price", "1", "50"),
            ],
        ),
        (
            "22",
            [
                ("graduated-tiered-1-price-usage", "5", "0"),
                ("graduated-tiered-1-flat-price", "1", "100"),
                ("graduated-tiered-2-flat-price", "1", "50"),
                ("graduated-tiered-3-price-usage", "5", "25"),
                ("graduated-tiered-4-price-usage", "7", "7"),
            ],
        ),
        (
            HUGE,
            [
                ("graduated-tiered-1-price-usage", "5", "0"),
                ("graduated-tiered-1-flat-price", "1", "100"),
                ("graduated-tiered-2-flat-price", "1", "50"),
                ("graduated-tiered-3-price-usage", "5", "25"),
                ("graduated-tiered-4-price-usage", "9" * 36 + "84", "9" * 36 + "84"),
            ],
        ),
    ],
)
def test_graduated_tiers_price_their_own_part_and_a_bound_belongs_to_the_tier_below(
    quantity: str, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(GRADUATED, usage(quantity)), expected)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("0", [("volume-flat-price", "1", "100")]),
        ("5", [("volume-flat-price", "1", "100"), ("volume-tiered-price", "5", "0")]),
        ("5.000001", [("volume-flat-price", "1", "50")]),
        ("10", [("volume-flat-price", "1", "50")]),
        ("10.5", [("volume-tiered-price", "10.5", "52.5")]),
        ("15", [("volume-tiered-price", "15", "75")]),
        ("16", [("volume-tiered-price", "16", "16")]),
        (HUGE, [("volume-tiered-price", HUGE, HUGE)]),
    ],
)
def test_volume_prices_the_whole_quantity_by_the_tier_it_falls_into(
    quantity: str, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(VOLUME, usage(quantity)), expected)


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        (SHARE, "0", []),
        (SHARE, "100", []),
        (SHARE, "100.01", [("percentage-usage", "0.01", "0.00029")]),
        (SHARE, "300", [("percentage-usage", "200", "5.8")]),
        (
            SHARE | {"freeAmount": "0", "rate": TINY},
            HUGE,
            [("percentage-usage", HUGE, "2499999999999999999999999999999.999999975")],
        ),
        (GRADUATED_SHARE, "0", [("graduated-percentage-1-flat-price", "1", "5")]),
        (
            GRADUATED_SHARE,
            "1000",
            [("graduated-percentage-1-usage", "1000", "30"), ("graduated-percentage-1-flat-price", "1", "5")],
        ),
        (
            GRADUATED_SHARE,
            "5000.08",
            [
                ("graduated-percentage-1-usage", "1000", "30"),
                ("graduated-percentage-1-flat-price", "1", "5"),
                ("graduated-percentage-2-usage", "4000", "100"),
                ("graduated-percentage-3-usage", "0.08", "0.0001"),
                ("graduated-percentage-3-flat-price", "1", "7"),
            ],
        ),
    ],
)
def test_a_percentage_takes_its_share_of_the_value(
    price: dict[str, Any], quantity: str, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(price, usage(quantity)), expected)


def payments(*values: str) -> LineUsage:
    groups = {Group((f"p{i}",)): Decimal(value) for i, value in enumerate(values)}
    return LineUsage(sum(groups.values(), Decimal(0)), groups=groups)


@pytest.mark.parametrize(
    ("changed", "values", "expected"),
    [
        ({}, (), []),
        ({}, ("10", "20"), [("percentage-usage", "30", "0.3"), ("percentage-fixed-fee", "2", "0.6")]),
        ({"freeEvents": 1}, ("10", "20"), [("percentage-usage", "30", "0.3"), ("percentage-fixed-fee", "1", "0.3")]),
        ({"freeEvents": 2}, ("10", "20"), [("percentage-usage", "30", "0.3")]),
        ({"freeEvents": 3}, ("10", "20"), [("percentage-usage", "30", "0.3")]),
        ({"freeAmount": "30"}, ("10", "20"), [("percentage-fixed-fee", "2", "0.6")]),
        ({}, ("10", "-5", "0"), [("percentage-usage", "10", "0.1"), ("percentage-fixed-fee", "1", "0.3")]),
        # 1 % of 20 and the fixed fee are exactly the least; of 970, exactly the most.
        (
            {"minimumPerEvent": "0.50", "maximumPerEvent": "10"},
            ("19.99", "20", "970", "970.01", "5000"),
            [
                ("percentage-usage", "990", "9.9"),
                ("percentage-fixed-fee", "2", "0.6"),
                ("percentage-minimum", "1", "0.5"),
                ("percentage-maximum", "2", "20"),
            ],
        ),
        ({"fixedFee": "0", "minimumPerEvent": "1"}, ("1", "1"), [("percentage-minimum", "2", "2")]),
    ],
)
def test_fees_of_single_events_are_held_between_the_least_and_the_most(
    changed: dict[str, Any], values: tuple[str, ...], expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(CARDS | changed, payments(*values)), expected)


def test_an_event_that_two_lines_saw_is_one_event_when_the_period_closes() -> None:
    price = CARDS | {"minimumPerEvent": "0.50"}
    early, late = Group(("early",)), Group(("late",))
    first = LineUsage(Decimal(10), is_last=False, groups={early: Decimal(10)})
    groups = {early: Decimal(30), late: Decimal(10)}
    last = LineUsage(Decimal(40), Decimal(10), is_first=False, groups=groups, groups_before=first.groups)

    assert charged(price, first) == []
    assert same(
        charged(price, last),
        [("percentage-usage", "40", "0.4"), ("percentage-fixed-fee", "1", "0.3"), ("percentage-minimum", "1", "0.5")],
    )


def tokens(**used: str) -> LineUsage:
    groups = {Group(tuple(name.split("_"))): Decimal(count) for name, count in used.items()}
    return LineUsage(sum(groups.values(), Decimal(0)), groups=groups)


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (tokens(), []),
        (tokens(large_input="1000000"), [("matrix-1-usage", "1000000", "5")]),
        (tokens(large_output="0"), []),
        (tokens(small_input="5"), [("matrix-3-usage", "5", "0")]),
        (tokens(small_output="1", other_input="2"), [("matrix-default-usage", "3", "0.00006")]),
        (
            tokens(small_output="1", large_output="2.5", large_input="3"),
            [
                ("matrix-1-usage", "3", "0.000015"),
                ("matrix-2-usage", "2.5", "0.0000375"),
                ("matrix-default-usage", "1", "0.00002"),
            ],
        ),
        (tokens(large_output=HUGE), [("matrix-2-usage", HUGE, "1499999999999999999999999999999999.999985")]),
    ],
)
def test_a_matrix_prices_each_combination_and_the_default_all_others(
    used: LineUsage, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(MATRIX, used), expected)


def hour(text: str) -> Group:
    return Group(hour=datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("utc", "reference"),
    [
        ("2026-07-06T05:00", "time-of-day-default-usage"),  # Monday 7:00 in Berlin
        ("2026-07-06T06:00", "time-of-day-1-usage"),  # Monday 8:00
        ("2026-07-06T17:00", "time-of-day-1-usage"),  # Monday 19:00
        ("2026-07-06T18:00", "time-of-day-default-usage"),  # Monday 20:00
        ("2026-07-05T10:00", "time-of-day-default-usage"),  # Sunday 12:00
        ("2026-07-05T22:00", "time-of-day-2-usage"),  # Monday 0:00
        ("2026-07-06T03:00", "time-of-day-2-usage"),  # Monday 5:00
        ("2026-01-05T07:00", "time-of-day-1-usage"),  # Monday 8:00 in winter
        ("2026-01-05T06:00", "time-of-day-default-usage"),  # Monday 7:00 in winter
        ("2026-10-25T00:00", "time-of-day-2-usage"),  # 2:00 summer time
        ("2026-10-25T01:00", "time-of-day-2-usage"),  # 2:00 once more
    ],
)
def test_an_hour_is_priced_by_the_wall_clock_of_the_time_zone(utc: str, reference: str) -> None:
    assert [each.reference for each in charges(HOURS, LineUsage(Decimal(1), groups={hour(utc): Decimal(1)}))] == [
        reference
    ]


def test_the_hours_of_one_band_are_one_charge() -> None:
    groups = {hour("2026-07-06T06:00"): Decimal("1.5"), hour("2026-07-07T06:00"): Decimal(2)}

    assert same(charged(HOURS, LineUsage(Decimal("3.5"), groups=groups)), [("time-of-day-1-usage", "3.5", "1.05")])


def test_what_a_price_needs_beside_the_quantity_is_what_the_run_measures() -> None:
    needs = [PRICE.validate_python(each).needs for each in (UNIT, MATRIX, HOURS, CARDS)]

    assert [(each.dimensions, each.time_zone) for each in needs] == [
        ((), None),
        (("model", "kind"), None),
        ((), "Europe/Berlin"),
        (("payment",), None),
    ]
    assert [bool(each) for each in needs] == [False, True, True, True]


IN_ADVANCE = {"type": "flat", "amount": "9"}
IN_ARREARS = IN_ADVANCE | {"paymentTerm": "in_arrears"}


@pytest.mark.parametrize(
    ("price", "line", "expected"),
    [
        (IN_ADVANCE, usage("0", **FIRST), [("flat-price", "1", "9")]),
        (IN_ADVANCE, usage("0", **MIDDLE), []),
        (IN_ADVANCE, usage("0", **LAST), []),
        (IN_ARREARS, usage("0", **FIRST), []),
        (IN_ARREARS, usage("0", **MIDDLE), []),
        (IN_ARREARS, usage("0", **LAST), [("flat-price", "1", "9")]),
        (UNIT, usage("3", "4", **MIDDLE), [("unit-price-usage", "3", "1.5")]),
        (PACKAGE, usage("5", **FIRST), [("usage", "1", "10")]),
        (PACKAGE, usage("5", "5", **MIDDLE), []),
        (PACKAGE, usage("15", "5", **MIDDLE), []),
        (PACKAGE, usage("15.5", "5", **LAST), [("usage", "1", "10")]),
        ({"type": "dynamic"}, usage("3", "4", **LAST), [("usage", "1", "3")]),
        (GRADUATED, usage("0", **FIRST), [("graduated-tiered-1-flat-price", "1", "100")]),
        (GRADUATED, usage("0", **MIDDLE), []),
        (GRADUATED, usage("0", **LAST), []),
        (GRADUATED, usage("1", "7", **MIDDLE), []),
        (GRADUATED, usage("5", **LAST), [("graduated-tiered-1-price-usage", "5", "0")]),
        (GRADUATED, usage("1", "5", **MIDDLE), [("graduated-tiered-2-flat-price", "1", "50")]),
        (
            GRADUATED,
            usage("10", "12", **LAST),
            [("graduated-tiered-3-price-usage", "3", "15"), ("graduated-tiered-4-price-usage", "7", "7")],
        ),
        (VOLUME, usage("7", **FIRST), []),
        (VOLUME, usage("7", "7", **MIDDLE), []),
        (VOLUME, usage("2", "14", **LAST), [("volume-tiered-price", "16", "16")]),
        (SHARE, usage("60", **FIRST), []),
        (SHARE, usage("60", "60", **MIDDLE), [("percentage-usage", "20", "0.58")]),
        (SHARE, usage("60", "120", **LAST), [("percentage-usage", "60", "1.74")]),
        (GRADUATED_SHARE, usage("1", "1000", **MIDDLE), [("graduated-percentage-2-usage", "1", "0.025")]),
        (GRADUATED_SHARE, usage("0", **LAST), []),
    ],
)
def test_a_line_of_a_split_period_bills_only_what_the_earlier_ones_did_not(
    price: dict[str, Any], line: LineUsage, expected: list[tuple[str, str, str]]
) -> None:
    assert same(charged(price, line), expected)


def test_a_charge_says_its_tier_and_its_unit_price() -> None:
    told = [(each.tier, each.name, each.unit_amount) for each in charges(GRADUATED, usage("22"))]

    assert told[-1] == (4, "Usage in tier 4", Decimal(1))
    assert [each[0] for each in told] == [1, 1, 2, 3, 4]
