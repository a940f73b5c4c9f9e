"""The archive's SQL takes the numbers that meters take, on DuckDB; what it has no room for it counts."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.adapters.athena.statement import statement
from functions.domain.analytics.archive_query import ArchiveQuestion, Counts, Kind
from functions.domain.metering.meters.values import Uncountable, countable
from infra.local.emulator_program.trino_functions import FUNCTIONS

QUESTION = ArchiveQuestion(
    kind=Kind.RECOUNT,
    tenant="t",
    event_type="call",
    start="2026-11-01T00:00:00Z",
    end="2026-12-01T00:00:00Z",
    first_day="2026-11-01",
    last_day="2026-12-01",
    value=("n",),
    counts=Counts.NUMBERS,
)
# As texts: DuckDB reads JSON's fractions as doubles, which Trino does not.
TEXTS = (
    *("1", "-7", "0", " 1.5 ", "+.5", "1.", "1e2", "1E+2", "-1e-3", "007", "0.10", "100.00", "1e0"),
    *("0.00012349999999999998", "1.2349999999999998e-05", "0." + "3" * 300, "1e-30", "-1e-99", "1e400"),
    # Ties at the 18th place, and what only looks like one.
    *("2.5e-18", "3.5e-18", "-2.5e-18", "-3.5e-18", "5e-19", "50e-20", "-0.5e-18", "0.0000000000000000025000"),
    *("2.50000000000000000000001e-18", "0.12345678901234567850", "0.12345678901234567750", "15e-19", "25000e-22"),
    # At the ends of the decimal and of 31 digits.
    *("9999999999999.9999999999999999995", "99999999999999.99999999999999999", "99999999999999.999999999999999999"),
    *("99999999999999999999", "-99999999999999999999.5", "12345678901234567890.12345678901", "1e19", "1e20", "-1e30"),
    *("12345678901234567890.123456789012", "9" * 31, "-" + "9" * 31, "9" * 32, "1e31", str(2**63), str(-(2**64))),
    *("many", "", "NaN", "Infinity", "1_000", "٣", "0x10", "1e", "e5", ".", "-", "1e0005", "--1", "1 2"),
)


class Archive:
    """Each text is the value of an event of a subject of its own."""

    def __init__(self, texts: Sequence[Any]) -> None:
        self._connection = duckdb.connect()
        self._connection.execute(FUNCTIONS)
        self._connection.execute("CREATE TABLE lines (line varchar, day varchar, hour varchar)")
        self.add(
            *({"id": f"e{number}", "subject": f"s{number}", "data": {"n": text}} for number, text in enumerate(texts))
        )

    def add(self, *lines: dict[str, Any]) -> None:
        usual = {"tenant": "t", "source": "s", "type": "call", "subject": "c", "meter_version": 1}
        usual |= {"time": "2026-11-20T12:00:00Z", "received_at": "2026-11-20T12:00:01Z"}
        encoded = [msgspec.json.encode(usual | line).decode() for line in lines]
        self._connection.execute("INSERT INTO lines SELECT unnest(?), '2026-11-20', '12'", [encoded])

    def ask(self, kind: Kind = Kind.RECOUNT, **more: Any) -> list[dict[str, Any]]:
        asked = statement(replace(QUESTION, kind=kind, **more))
        parameters = iter(asked.parameters)
        sql = "".join(next(parameters) if each == "?" else each for each in asked.sql)
        found = self._connection.execute(sql)
        columns = [each[0] for each in found.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def taken(text: str) -> Fraction | None:
    try:
        return Fraction(countable(text, "$.n"))
    except Uncountable:
        return None


def has_room(text: str) -> bool:
    """In a decimal of 38 digits, 18 of them behind the point; nothing but those is rounded there."""
    exact, value = Fraction(text.strip()), taken(text)
    assert value is not None
    return abs(value) < 10**20 and (abs(exact) < 10**13 or exact == value)


def test_a_number_is_what_meters_take_or_counted_as_out_of_range() -> None:
    rows = {row["subject"]: row for row in Archive(TEXTS).ask(Kind.USAGE, by_subject=True)}
    for number, text in enumerate(TEXTS):
        row, expected = rows[f"s{number}"], taken(text)
        counts = (row["events"], row["numbers"], row["out_of_range"])
        if expected is None:
            assert counts == (1, 0, 0), text
        elif has_room(text):
            assert counts == (1, 1, 0), text
            assert Fraction(row["total"]) == Fraction(row["lowest"]) == expected, text
        else:
            assert counts == (1, 0, 1), text


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(-(10**19), 10**19), st.integers(0, 22)), min_size=1, max_size=40))
def test_a_recount_adds_up_what_meters_take(numbers: list[tuple[int, int]]) -> None:
    texts = [f"{Decimal(digits).scaleb(-places):f}" for digits, places in numbers]
    (row,) = Archive(texts).ask()
    values = [value for text in texts if (value := taken(text)) is not None and has_room(text)]
    assert (row["events"], row["numbers"], row["out_of_range"]) == (len(texts), len(values), len(texts) - len(values))
    if values:
        assert Fraction(row["total"]) == sum(values)
        assert (Fraction(row["lowest"]), Fraction(row["highest"])) == (min(values), max(values))


@pytest.mark.parametrize("kind", [Kind.USAGE, Kind.SUBJECTS, Kind.PERCENTILES])
def test_every_query_says_how_many_numbers_it_had_no_room_for(kind: Kind) -> None:
    rows = Archive(["1", "9" * 31, "1e25", "many", 2.5]).ask(kind)
    assert sum(row["numbers"] or 0 for row in rows) == 2
    assert max(row["out_of_range"] for row in rows) == (1 if kind is Kind.SUBJECTS else 2)


def test_the_events_of_a_line_are_listed_with_values_of_any_size() -> None:
    rows = Archive(["1", "9" * 31, "many"]).ask(Kind.INVOICE_LINE_EVENTS)
    assert [row["value"] for row in rows] == ["1", "9" * 31]


def test_numbers_need_no_quotes() -> None:
    (row,) = Archive([1, 2.5, -3, True, None, [1], {"a": 1}]).ask()
    assert (row["events"], row["numbers"], row["total"]) == (7, 3, Decimal("0.5"))


def test_of_one_second_the_later_microsecond_is_the_latest() -> None:
    archive = Archive([1])  # its line has no microseconds
    for number, (micros, value) in enumerate(((10, 5), (999_999, 1), (999_999, 2), (20, 9))):
        archive.add({"id": f"m{number}", "micros": micros, "data": {"n": value}})
    (row,) = archive.ask()
    assert (row["events"], row["latest"], row["highest"]) == (5, 2, 9)
