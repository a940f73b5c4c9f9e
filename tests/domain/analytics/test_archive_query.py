"""Questions to the archive: which paths it takes, which partitions it reads, how a row is shown."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from functions.domain.analytics.archive_answer import shown_row
from functions.domain.analytics.archive_query import AskedQuery, Kind, parse_path, partitions
from functions.domain.errors import InvalidInput

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WINDOW = {"past": timedelta(days=46), "ahead": timedelta(hours=1)}


def query(kind: Kind = Kind.USAGE, **columns: str) -> AskedQuery:
    return AskedQuery("id", "acme", kind, "execution", NOW, columns)


@pytest.mark.parametrize(
    ("text", "steps"),
    [("$.model", ("model",)), ("$.a.b-c[2]", ("a", "b-c", 2)), ("$['a b'][\"c.d\"]", ("a b", "c.d"))],
)
def test_names_and_indexes_are_taken(text: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(text, "groupBy") == steps


@pytest.mark.parametrize(
    "text", ["$", "model", "$.a'", "$['a''b']", '$["a\\"b"]', "$.*", "$..a", "$[?@.a]", "$.a OR 1=1", "$.a\n", "$.ä"]
)
def test_any_other_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_path(text, "groupBy")
    assert refused.value.fields[0].field == "groupBy"


def test_late_events_are_looked_for_until_the_acceptance_window_ends() -> None:
    start, end = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
    assert partitions(start, end, NOW, **WINDOW) == ("2026-07-31", "2026-10-17")


def test_partitions_that_are_still_to_come_are_not_read() -> None:
    start, end = datetime(2026, 11, 22, 5, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert partitions(start, end, NOW, **WINDOW) == ("2026-11-22", "2026-11-23")


def test_a_row_has_the_names_that_were_asked() -> None:
    columns = ["window_start", "subject", "dimension_1", "dimension_2", "total", "numbers", "average"]
    row = shown_row(query(dimension_1="model"), columns, ["", "", "small", "", 2, 3, Decimal("0.67")])
    assert row == {
        "groupBy": {"model": "small"},
        "total": 2,
        "numbers": 3,
        "average": Decimal("0.6666666666666666666666666666666667"),
    }


def test_a_group_without_numbers_has_no_average() -> None:
    assert shown_row(query(), ["total", "numbers", "average"], [None, 0, None])["average"] is None


def test_an_events_data_keeps_every_digit() -> None:
    line = '{"id":"1","data":{"tokens":1234567890.123456789012345678}}'
    row = shown_row(query(Kind.INVOICE_LINE_EVENTS), ["id", "line"], ["1", line])
    assert row == {"id": "1", "data": {"tokens": Decimal("1234567890.123456789012345678")}}
