"""What a meter takes from an event: values, texts, groups, and why it takes nothing."""

from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.meter import FormerGroupBy, Meter, MeterSet
from functions.domain.metering.meters.values import Uncountable, decode_data

NUMERIC = [each for each in Aggregation if each not in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT)]


def meter(aggregation: Aggregation = Aggregation.SUM, path: str | None = "$.v", **more: Any) -> CompiledMeter:
    return CompiledMeter(Meter("m", "m", "t", aggregation, path, **more))


def taken(raw: str, aggregation: Aggregation = Aggregation.SUM, path: str | None = "$.v") -> Any:
    """The value, or the code of why there is none."""
    try:
        return meter(aggregation, path).value(decode_data(raw.encode()))
    except Uncountable as problem:
        return problem.code


# The JSON of the value, what SUM, AVG, MIN, MAX, LATEST and PERCENTILE take, what UNIQUE_COUNT takes, the group.
ROWS: list[tuple[str, Any, Any, str]] = [
    ("100", 100, "100", "100"),
    ("-7", -7, "-7", "-7"),
    ("0", 0, "0", "0"),
    ("0.4567890123456789", Decimal("0.4567890123456789"), "0.4567890123456789", "0.4567890123456789"),
    ("1.10", Decimal("1.10"), "1.10", "1.10"),
    ("1e3", Decimal(1000), "1E+3", "1E+3"),
    ("10000000000000", 10**13, "10000000000000", "10000000000000"),
    ("9223372036854775808", 2**63, "9223372036854775808", "9223372036854775808"),
    ("-18446744073709551616", -(2**64), "-18446744073709551616", "-18446744073709551616"),
    ("9" * 31, 10**31 - 1, "9" * 31, "9" * 31),
    ("-" + "9" * 31, 1 - 10**31, "-" + "9" * 31, "-" + "9" * 31),
    ("1" + "0" * 31, "value_out_of_bounds", "1" + "0" * 31, "1" + "0" * 31),
    ("-1e13", -(10**13), "-1E+13", "-1E+13"),
    ("1e30", 10**30, "1E+30", "1E+30"),
    ("1e31", "value_out_of_bounds", "1E+31", "1E+31"),
    ("1e400", "value_out_of_bounds", "1E+400", "1E+400"),
    ("1" + "0" * 399, "value_out_of_bounds", "1" + "0" * 399, "1" + "0" * 399),
    # What LiteLLM sends: a binary float in full.
    ("0.00012349999999999998", Decimal("0.00012350000000000"), "0.00012349999999999998", "0.00012349999999999998"),
    ("1.2349999999999998e-05", Decimal("0.000012350000000000"), "0.000012349999999999998", "0.000012349999999999998"),
    # Half to even at the 18th digit, once: what follows a five decides.
    ("2.5e-18", Decimal("2e-18"), "2.5E-18", "2.5E-18"),
    ("3.5e-18", Decimal("4e-18"), "3.5E-18", "3.5E-18"),
    ("-2.5e-18", Decimal("-2e-18"), "-2.5E-18", "-2.5E-18"),
    ("2.50000000000001e-18", Decimal("3e-18"), "2.50000000000001E-18", "2.50000000000001E-18"),
    ("0.5e-18", 0, "5E-19", "5E-19"),
    ("0.51e-18", Decimal("1e-18"), "5.1E-19", "5.1E-19"),
    ("-1e-30", 0, "-1E-30", "-1E-30"),
    ("1e-99999", 0, "1E-99999", "1E-99999"),
    # 25 digits before the point leave six behind it.
    (
        "1234567890123456789012345.1234565",
        Decimal("1234567890123456789012345.123456"),
        "1234567890123456789012345.1234565",
        "1234567890123456789012345.1234565",
    ),
    ("9" * 30 + ".96", Decimal(10**30), "9" * 30 + ".96", "9" * 30 + ".96"),
    ("9" * 31 + ".4", 10**31 - 1, "9" * 31 + ".4", "9" * 31 + ".4"),
    ("9" * 31 + ".5", "value_out_of_bounds", "9" * 31 + ".5", "9" * 31 + ".5"),
    (
        '"1234567890123456789012.5"',
        Decimal("1234567890123456789012.5"),
        "1234567890123456789012.5",
        "1234567890123456789012.5",
    ),
    ('"' + "9" * 31 + '.5"', "value_out_of_bounds", "9" * 31 + ".5", "9" * 31 + ".5"),
    ('"0.' + "3" * 300 + '"', Decimal("0." + "3" * 18), "0." + "3" * 300, "0." + "3" * 300),
    ("0.000000000000000001", Decimal("1e-18"), "1E-18", "1E-18"),
    (
        "0.0000000000000000010",
        Decimal("1e-18"),
        "1.0E-18",
        "1.0E-18",
    ),
    ("0.0000000000000000001", 0, "1E-19", "1E-19"),
    ('"100"', 100, "100", "100"),
    ('" 1.5 "', Decimal("1.5"), " 1.5 ", " 1.5 "),
    ('"0.4567890123456789"', Decimal("0.4567890123456789"), "0.4567890123456789", "0.4567890123456789"),
    ('"+.5"', Decimal("0.5"), "+.5", "+.5"),
    ('"1e2"', 100, "1e2", "1e2"),
    ('"a"', "unparsable_value", "a", "a"),
    ('""', "unparsable_value", "", ""),
    ('"1_000"', "unparsable_value", "1_000", "1_000"),
    ('"٣"', "unparsable_value", "٣", "٣"),
    ('"0x10"', "unparsable_value", "0x10", "0x10"),
    ('"NaN"', "nan_value", "NaN", "NaN"),
    ('"Inf"', "infinite_value", "Inf", "Inf"),
    ('"-Infinity"', "infinite_value", "-Infinity", "-Infinity"),
    ("null", "null_value", None, "null"),
    ("true", "unsupported_value", "true", "true"),
    ("false", "unsupported_value", "false", "false"),
    ("[1]", "unsupported_value", "unsupported_value", ""),
    ("{}", "unsupported_value", "unsupported_value", ""),
]


@pytest.mark.parametrize(("json", "number", "text", "group"), ROWS, ids=[row[0] for row in ROWS])
def test_a_value_is_taken(json: str, number: Any, text: Any, group: str) -> None:
    raw = f'{{"v":{json}}}'
    for aggregation in NUMERIC:
        assert taken(raw, aggregation) == number, aggregation
    assert taken(raw, Aggregation.UNIQUE_COUNT) == text
    assert taken(raw, Aggregation.COUNT, None) == 1
    # The same behind a step more, which takes another way.
    deep = f'{{"a":[{{"v":{json}}}]}}'
    assert taken(deep, Aggregation.SUM, "$.a[0].v") == number
    assert taken(deep, Aggregation.UNIQUE_COUNT, "$.a[0].v") == text
    groups = meter(Aggregation.COUNT, None, group_by={"one": "$.v"}).groups(decode_data(raw.encode()))
    both = meter(Aggregation.COUNT, None, group_by={"b": "$.none", "a": "$.a[0].v"}).groups(decode_data(deep.encode()))
    assert (groups, both) == ((group,), (group, ""))


@pytest.mark.parametrize("raw", ["", "{}", '{"w":1}'])
def test_a_missing_value_is_an_error_but_counts(raw: str) -> None:
    for aggregation in (*NUMERIC, Aggregation.UNIQUE_COUNT):
        assert taken(raw, aggregation) == "missing_value"
    assert taken(raw, Aggregation.COUNT, None) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("$.duration_ms", 'invalid event: missing value property: "$.duration_ms"'),
        ("$.nothing", "invalid event: value cannot be null"),
        ("$.nan", "invalid event: value cannot be NaN"),
        ("$.inf", "invalid event: value cannot be infinity"),
        ("$.text", "invalid event: value cannot be parsed as a number: 'a'"),
        ("$.list", "unsupported value property type: list"),
        ("$.long", "invalid event: $.long has more than 31 digits before the decimal point"),
    ],
)
def test_a_problem_says_what_is_wrong(path: str, message: str) -> None:
    data = decode_data(b'{"nothing":null,"nan":"NaN","inf":"Inf","text":"a","list":[],"long":1e31}')
    with pytest.raises(Uncountable) as caught:
        meter(Aggregation.SUM, path).value(data)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "raw", ["null", "[]", "1", '{"v":NaN}', '{"v":1e99999999999999999999}', '{"v":' + "9" * 5000 + "}"]
)
def test_data_that_cannot_be_read_is_said_to_be_so(raw: str) -> None:
    assert taken(raw) == "unreadable_data"


def test_one_and_its_text_are_the_same_value() -> None:
    assert taken('{"v":1}', Aggregation.UNIQUE_COUNT) == taken('{"v":"1"}', Aggregation.UNIQUE_COUNT) == "1"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**13) + 1, max_value=10**13 - 1))
def test_every_value_within_the_bounds_is_taken_exactly(value: Decimal) -> None:
    assert taken(f'{{"v":{value:f}}}') == taken(f'{{"v":"{value:f}"}}') == value


@settings(max_examples=300, deadline=None)
@given(st.integers(-(10**60), 10**60), st.integers(0, 60))
def test_a_value_of_any_digits_is_rounded_once_or_refused(digits: int, places: int) -> None:
    exact = Fraction(digits, 10**places)
    before = len(str(abs(int(exact)))) if abs(exact) >= 1 else 0
    kept = min(18, 31 - before)
    expected = Fraction(round(exact * 10**kept), 10**kept) if kept >= 0 else Fraction(10**31)
    for text in (f"{digits}e-{places}", f"{Decimal(digits).scaleb(-places, Context(prec=200)):f}"):
        for found in (taken(f'{{"v":{text}}}'), taken(f'{{"v":"{text}"}}')):
            if abs(expected) >= 10**31:
                assert found == "value_out_of_bounds"
            else:
                assert Fraction(found) == expected
                assert type(found) is Decimal or -(2**63) <= found < 2**63


EVENTS: dict[str, dict[str, Any]] = {
    "ok": {"status": "200", "region": "eu"},
    "failed": {"status": 500, "region": "eu"},
    "none": {},
}


@pytest.mark.parametrize(
    ("event_filter", "counted"),
    [
        ({"$.status": {"$eq": "200"}}, ["ok"]),
        ({"$.status": {"$eq": "500"}}, ["failed"]),
        ({"$.status": {"$ne": "200"}}, ["failed", "none"]),
        ({"$.status": {"$exists": True}}, ["ok", "failed"]),
        ({"$.status": {"$exists": False}}, ["none"]),
        ({"$.region": {"$eq": "eu"}, "$.status": {"$like": "5__"}}, ["failed"]),
        ({"$..region": {"$in": ["eu", "us"]}}, ["ok", "failed"]),
        ({}, ["ok", "failed", "none"]),
    ],
)
def test_an_event_filter_says_what_counts(event_filter: dict[str, Any], counted: list[str]) -> None:
    filtered = meter(Aggregation.COUNT, None, event_filter=event_filter)
    assert [name for name, data in EVENTS.items() if filtered.value(data) == 1] == counted
    assert [name for name, data in EVENTS.items() if filtered.counts(data)] == counted


def test_an_event_left_out_by_the_filter_is_no_error() -> None:
    filtered = meter(Aggregation.SUM, "$.v", event_filter={"$.status": {"$eq": "200"}})
    assert filtered.value({"status": "500"}) is None


def test_a_value_on_a_path_too_costly_is_an_error_and_a_group_on_it_is_empty() -> None:
    data = {"a": [{"b": n} for n in range(5_000)]}
    path = "$.a[?@.b == 4999].b"
    assert taken('{"a":[' + ",".join('{"b":1}' for _ in range(5_000)) + "]}", path=path) == "path_too_costly"
    assert meter(Aggregation.COUNT, None, group_by={"a": path}).groups(data) == ("",)


def test_a_meter_set_keeps_filters_percentile_and_former_dimensions() -> None:
    kept = Meter(
        "m", "m", "t", Aggregation.PERCENTILE, "$.v", {"a": "$.a"}, 3, Decimal("99.9"),
        {"$.x": {"$in": ["a"]}}, (FormerGroupBy(4, {"b": "$.b"}), FormerGroupBy(7, {})),
    )  # fmt: skip
    (again,) = MeterSet.decode(MeterSet(8, (kept,)).encode()).meters
    assert again == kept


def test_an_old_event_has_the_dimensions_it_was_counted_under() -> None:
    changed = meter(
        group_by={"team": "$.team"},
        former=(FormerGroupBy(4, {"model": "$.model"}), FormerGroupBy(7, {"model": "$.name", "team": "$.team"})),
    )
    data = {"model": "m", "name": "n", "team": "t"}
    assert [changed.groups_at(data, version) for version in (3, 4, 6, 7)] == [
        {"model": "m"},
        {"model": "n", "team": "t"},
        {"model": "n", "team": "t"},
        {"team": "t"},
    ]
