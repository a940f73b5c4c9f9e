"""Meter queries over HTTP: a question that would not be read as it is meant is refused by name."""

from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, timeless
from tests.handlers.metering.usage_of_tokens import QUERY, at, count_tokens, rows
from tests.handlers.metering.world import Metering


@pytest.fixture(autouse=True)
def counted(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    return count_tokens(api, dynamodb, monkeypatch)


def test_a_list_or_mapping_narrows_however_it_is_written(api: Client) -> None:
    of_a_subject = ["subject[]=ada", "subject[0]=ada", "subject%5B%5D=ada&subject%5B%5D=nobody"]
    for query in of_a_subject:
        assert [row["value"] for row in rows(api, query)] == [Decimal("15.1234567890123456")], query
    of_a_model = [
        "filterGroupBy[model][]=gpt-4&filterGroupBy[team][0]=a,%20b&subject=ada",
        "advancedMeterGroupByFilters=%7B%22model%22:%7B%22$eq%22:%22gpt-4%22%7D%7D&subject[]=ada",
    ]
    for query in of_a_model:
        assert [row["value"] for row in rows(api, query)] == [Decimal("10.1234567890123456")], query


NOT_READ = [
    "from=1700000000",
    "from=20260101",
    "from=20260101T000000Z",
    "from=2026-01-01",
    "from=2026-W01-1T00:00:00Z",
    "from=2026-001T00:00:00Z",
    "from=2026-01-01T00Z",
    "from=2026-01-01T00:00:00%2B01",
    "from=2026-01-01T00:00:00,5Z",
    "from=2026-02-30T00:00:00Z",
    "from=2026-01-01T00:00:00." + "0" * 99 + "Z",
    "from=\u0662026-01-01T00:00:00Z",
    "from[gte]=2026-01-01T00:00:00Z",
    "subject=",
    "subject[]=",
    "filterCustomerId=",
    "filterCustomerId[0]=",
    "groupBy=",
    "filterGroupBy={'model': []}",
    "advancedMeterGroupByFilters[model][$eq]=gpt-4",
    'advancedMeterGroupByFilters={"model":{"$eq":"a"},"model":{"$eq":"b"}}',
    "windowSize=DAY&windowSize=HOUR",
]


def test_what_would_not_be_read_as_it_is_meant_is_refused_by_name(api: Client) -> None:
    for query in NOT_READ:
        response = api.get(QUERY, query)
        assert response.status == 400, (query, response.text)
        assert response.fields[0].split(".")[0] == query.partition("=")[0].partition("[")[0], (query, response.text)


BAD = [
    "from=yesterday",
    "from=2026-01-01T00:00:00",
    "from=0001-01-01T00:00:00Z",
    "to=9999-12-31T23:59:59Z",
    "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    "from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
    "windowSize=SECOND",
    "fillZero=true",
    "fillZero=perhaps&windowSize=DAY",
    "exact=2",
    "percentile=95",
    "windowSize=day",
    "windowTimeZone=Mars/Phobos",
    "windowTimeZone=../../etc/passwd",
    "windowTimeZone=%00",
    "windowTimeZone=" + "x" * 5000,
    "windowTimeZone=Europe",
    "groupBy=nothing",
    "groupBy=" + "x" * 2000,
    "filterGroupBy[nothing]=1",
    "filterGroupBy[]=1",
    "filterGroupBy={'model': 1}",
    "filterGroupBy={'model'",
    "filterGroupBy=" + "(" * 3000,
    "filterGroupBy=__import__('os')",
    "filterGroupBy=" + "x" * 5000,
    "advancedMeterGroupByFilters=x",
    "advancedMeterGroupByFilters=[]",
    'advancedMeterGroupByFilters={"model":"a"}',
    'advancedMeterGroupByFilters={"model":{"$gone":"a"}}',
    'advancedMeterGroupByFilters={"model":{"$eq":1.5}}',
    'advancedMeterGroupByFilters={"nothing":{"$eq":"a"}}',
    'advancedMeterGroupByFilters={"model":{"$eq":"a"}}&filterGroupBy[model]=a',
    "advancedMeterGroupByFilters=" + "[" * 5000,
    "advancedMeterGroupByFilters=" + "x" * 9000,
    "subject=" + "x" * 2000,
    "&".join(f"subject=s{n}" for n in range(101)),
    "&".join(f"filterCustomerId=s{n}" for n in range(101)),
]


@pytest.mark.parametrize("query", BAD, ids=timeless)
def test_a_bad_question_is_a_400_that_says_why(api: Client, query: str) -> None:
    response = api.get(QUERY, query)
    assert response.status == 400, response.text
    assert response.fields


def test_instants_in_any_spelling_of_rfc_3339_are_the_same(api: Client) -> None:
    for text in ("2026-01-01T00:00:00Z", "2026-01-01t00:00:00.000z", "2026-01-01 01:00:00%2B01:00"):
        assert api.get(QUERY, f"from={text}").json["from"] == "2026-01-01T00:00:00Z"
        assert api.post(QUERY, {"from": text.replace("%2B", "+")}).json["from"] == "2026-01-01T00:00:00Z"


def test_a_question_is_not_asked_in_two_places(api: Client) -> None:
    assert api.post(QUERY, {}, params="subject=ada").fields == ["subject"]
    response = api.call("GET", QUERY, {"subject": ["ada"]})
    assert (response.status, "no body" in response.json["detail"]) == (400, True)


@pytest.mark.parametrize(
    "body", ['{"subject":["ada"],"subject":["bob"]}', '{"filterGroupBy":{"model":["a"],"model":["b"]}}']
)
def test_a_body_that_says_a_field_twice_is_refused(api: Client, body: str) -> None:
    response = api.post(QUERY, body)
    assert (response.status, "more than once" in response.json["detail"]) == (400, True)


NO_INSTANTS: list[Any] = [1_700_000_000, 1e9, "1700000000", "20260101", "2026-01-01", "2026-W01", True, []]
BODIES_NOT_READ: list[dict[str, Any]] = [
    *({"from": value} for value in NO_INSTANTS),
    {"subject": []},
    {"subject": [""]},
    {"subject": [None]},
    {"filterCustomerId": []},
    {"filterGroupBy": {"model": []}},
    {"filterGroupBy": {"": ["a"]}},
    {"advancedMeterGroupByFilters": {"model": {}}},
    {"advancedMeterGroupByFilters": {"model": {"$in": []}}},
    {"advancedMeterGroupByFilters": {"model": {"$and": []}}},
    {"Subject": ["ada"]},
    {"subjects": ["ada"]},
    {"filter_customer_id": ["a"]},
    {"from": at(0), "period_from": at(1)},
]


def test_what_would_not_be_read_in_a_body_is_refused_by_name(api: Client) -> None:
    for body in BODIES_NOT_READ:
        response = api.post(QUERY, body)
        assert response.status == 400, (body, response.text)
        assert response.fields[0].startswith(next(reversed(body))), (body, response.text)


BAD_BODIES: list[dict[str, Any]] = [
    {"from": "yesterday"},
    {"from": "0001-01-01T00:00:00Z"},
    {"from": "9999-12-31T23:59:59-12:00"},
    {"windowSize": "SECOND"},
    {"exact": "perhaps"},
    {"fillZero": True},
    {"percentile": 101},
    {"percentile": "many"},
    {"windowSize": 1},
    {"subject": "ada"},
    {"subject": [1]},
    {"subject": ["x"] * 101},
    {"filterGroupBy": {"model": "gpt-4"}},
    {"filterGroupBy": {"nothing": ["a"]}},
    {"advancedMeterGroupByFilters": {"nothing": {"$eq": "a"}}},
    {"advancedMeterGroupByFilters": {"model": {"$eq": "a", "$ne": "b"}}},
    {"advancedMeterGroupByFilters": {"model": {"$eq": "a"}}, "filterGroupBy": {"model": ["a"]}},
    {"unknown": 1},
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=timeless)
def test_a_bad_question_in_a_body_is_a_400_that_says_why(api: Client, body: dict[str, Any]) -> None:
    response = api.post(QUERY, body)
    assert response.status == 400, response.text
    assert response.fields
