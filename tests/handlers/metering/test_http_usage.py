"""Meter queries over HTTP: events go in through ingest, and every way of asking gives the right rows."""

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from functions.application.metering.usage import walk_owners
from functions.application.metering.usage.usage_bounds import Bounds
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Params, timeless
from tests.handlers.metering.usage_of_tokens import DAY, METER, QUERY, at, count_tokens, event, rows, values
from tests.handlers.metering.world import Metering


@pytest.fixture(autouse=True)
def counted(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    return count_tokens(api, dynamodb, monkeypatch)


def test_everything_is_one_row_with_every_digit(api: Client) -> None:
    (row,) = rows(api)
    assert row["value"] == Decimal("1115.1234567890123456")
    assert (row["subject"], row["groupBy"]) == (None, {})
    assert row["windowStart"] == at(1)


def test_null_in_a_body_is_as_if_the_field_were_not_there_and_an_empty_one_is_refused(api: Client) -> None:
    for name, empty in (("subject", []), ("filterGroupBy", {"model": []}), ("filterCustomerId", [])):
        assert api.post(QUERY, {name: None}).json["data"] == rows(api), name
        assert api.post(QUERY, {name: empty}).status == 400, name


def test_several_values_of_a_dimension_are_alternatives_however_they_are_sent(api: Client) -> None:
    sent: list[Params] = [
        [("filterGroupBy[model]", "gpt-4"), ("filterGroupBy[model]", "gpt-5")],
        {"filterGroupBy": repr({"model": "['gpt-4', 'gpt-5']"})},
    ]
    answers = [rows(api, each) for each in sent]
    answers.append(api.post(QUERY, {"filterGroupBy": {"model": ["gpt-4", "gpt-5"]}}).json["data"])
    assert all(each[0]["value"] == Decimal("1115.1234567890123456") for each in answers)
    refused = api.get(QUERY, {"filterGroupBy[model]": '["gpt-4"]'})
    assert (refused.status, refused.fields) == (400, ["filterGroupBy[model]"])


def test_from_is_inclusive_and_to_exclusive(api: Client) -> None:
    answer = api.get(QUERY, {"from": at(1.25), "to": at(2)})
    assert answer.json["from"] == at(1.25)
    assert answer.json["to"] == at(2)
    (row,) = answer.json["data"]
    assert row["value"] == Decimal("5.1234567890123456")
    assert (row["windowStart"], row["windowEnd"]) == (at(1.25), at(2))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("MINUTE", {1.0: 10, 1.25: Decimal("0.1234567890123456"), 1.75: 5, 2.0: 100, 26.0: 1000}),
        ("HOUR", {1.0: Decimal("15.1234567890123456"), 2.0: 100, 26.0: 1000}),
        ("DAY", {0.0: Decimal("115.1234567890123456"), 24.0: 1000}),
    ],
)
def test_windows_hold_their_own_usage(api: Client, size: str, expected: dict[float, Any]) -> None:
    answer = api.get(QUERY, {"windowSize": size}).json
    assert answer["windowSize"] == size
    assert {row["windowStart"]: row["value"] for row in answer["data"]} == {at(h): v for h, v in expected.items()}


@pytest.mark.parametrize("size", ["WEEK", "MONTH", "QUARTER", "YEAR"])
def test_long_windows_hold_all_of_it(api: Client, size: str) -> None:
    assert sum(values(api, {"windowSize": size})) == Decimal("1115.1234567890123456")


def test_empty_windows_are_filled_on_request(api: Client) -> None:
    asked = {"windowSize": "HOUR", "from": at(1), "to": at(5), "fillZero": "true", "groupBy": "subject"}
    found = {(row["subject"], row["windowStart"]): row["value"] for row in rows(api, asked)}
    assert found == {
        ("ada", at(1)): Decimal("15.1234567890123456"),
        ("bob", at(2)): 100,
        **{("ada", at(hour)): 0 for hour in (2, 3, 4)},
        **{("bob", at(hour)): 0 for hour in (1, 3, 4)},
    }
    assert values(api, {"windowSize": "DAY", "from": at(48), "to": at(72), "fillZero": "true"}) == [0]
    assert api.get(QUERY, {"windowSize": "MINUTE", "from": at(-9000), "to": at(1), "fillZero": "true"}).status == 413


def test_the_log_answers_the_same_when_asked_to(api: Client) -> None:
    questions: list[dict[str, str]] = [{}, {"windowSize": "HOUR"}, {"groupBy": "model", "from": at(1.1)}]
    for asked in questions:
        assert rows(api, {**asked, "exact": "true"}) == rows(api, asked)


def test_days_follow_the_time_zone(api: Client) -> None:
    assert len(rows(api, {"windowSize": "DAY"})) == 2
    (first, *_) = rows(api, {"windowSize": "DAY", "windowTimeZone": "Asia/Tokyo"})
    assert first["windowStart"] == at(-9)


def test_subjects_filter_and_group(api: Client) -> None:
    assert [(r["subject"], r["value"]) for r in rows(api, {"subject": "bob"})] == [("bob", 1100)]
    both = rows(api, [("subject", "ada"), ("subject", "bob"), ("subject", "ada")])
    assert {r["subject"]: r["value"] for r in both} == {"ada": Decimal("15.1234567890123456"), "bob": 1100}
    assert {r["subject"] for r in rows(api, {"groupBy": "subject"})} == {"ada", "bob"}
    assert rows(api, {"subject": "nobody"}) == []


def test_dimensions_filter_and_group(api: Client) -> None:
    by_model = rows(api, [("groupBy", "model"), ("groupBy", "team")])
    assert {r["groupBy"]["model"]: r["value"] for r in by_model} == {
        "gpt-4": Decimal("110.1234567890123456"),
        "gpt-5": 1005,
    }
    assert {r["groupBy"]["team"] for r in by_model} == {"a, b"}
    assert values(api, "filterGroupBy[model]=gpt-5") == [1005]
    assert values(api, "filterGroupBy%5Bmodel%5D=gpt-5") == [1005]
    assert values(api, {"filterGroupBy": "{'model': 'gpt-5'}"}) == [1005]
    assert values(api, {"filterGroupBy[team]": "a, b", "filterGroupBy[model]": "gpt-5"}) == [1005]
    assert values(api, "filterGroupBy[model]=gpt-5&filterGroupBy[model]=gpt-4") == [Decimal("1115.1234567890123456")]
    assert values(api, "filterGroupBy[model]=claude") == []


def test_advanced_filters_come_as_json_in_the_query_string_and_as_an_object_in_the_body(api: Client) -> None:
    conditions: list[tuple[dict[str, Any], list[Any]]] = [
        ({"model": {"$eq": "gpt-5"}}, [1005]),
        ({"model": {"$like": "gpt-%"}, "team": {"$ne": "a, b"}}, []),
        ({"model": {"$or": [{"$gt": "gpt-4"}, {"$exists": False}]}}, [1005]),
        ({}, [Decimal("1115.1234567890123456")]),
    ]
    for condition, expected in conditions:
        assert values(api, {"advancedMeterGroupByFilters": json.dumps(condition)}) == expected
        posted = api.post(QUERY, {"advancedMeterGroupByFilters": condition})
        assert [row["value"] for row in posted.json["data"]] == expected


def test_subjects_of_a_meter_are_listed(api: Client, counted: Metering) -> None:
    counted.count([event(8, 1, "eve", 1) | {"type": "other"}])
    path = "/api/v1/meters/tokens/subjects"
    assert api.get(path).json == ["ada", "bob"]
    assert api.get(path, {"from": at(24)}).json == ["bob"]
    assert api.get(path, {"from": at(24), "to": at(25)}).json == []
    assert api.get(path, {"to": at(2)}).json == ["ada"]
    assert api.get(path, {"after": "ada"}).json == ["bob"]
    assert api.get(path, {"from": at(2), "to": at(1)}).status == 400
    assert api.get("/api/v1/meters/nothing/subjects").status == 404


def test_events_that_are_gone_from_the_archive_are_named_and_counters_still_answer(
    api: Client, counted: Metering
) -> None:
    counted.archive.objects.clear()
    cut = api.get(QUERY, {"from": at(1.1), "to": at(24)})
    assert (cut.status, cut.json["extensions"]["validationErrors"][0]["code"]) == (409, "archive_object_missing")
    assert "half hours" in cut.json["detail"]
    assert rows(api, {"from": at(1), "to": at(24)})
    assert api.get(QUERY).json["data"][0]["windowStart"] == at(1), "to the half hour"


def test_many_subjects_come_in_pages(api: Client, counted: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_owners, "OWNERS_AHEAD", 2)
    counted.bound(Bounds(reads=1))
    counted.count([event(30 + n, 1, f"s {n}&ü", 1) for n in range(5)])
    path = "/api/v1/meters/tokens/subjects"
    assert api.get(path).status == 413
    found, query = [], "after=&to=" + at(30)
    for _ in range(4):
        page = api.get(path, query)
        assert page.status == 200, page.text
        found += page.json
        if "link" not in page.headers:
            break
        target = page.headers["link"].removesuffix('; rel="next"').strip("<>")
        query = target.partition("?")[2]
    assert found == ["ada", "bob", *(f"s {n}&ü" for n in range(5))]


def test_usage_by_subject_comes_in_pages_where_it_is_asked_for(
    api: Client, counted: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk_owners, "OWNERS_AHEAD", 2)
    counted.bound(Bounds(reads=1))
    counted.count([event(30 + n, 1, f"s {n}&ü", 1) for n in range(5)])
    asked = {"groupBy": ["subject"], "from": at(0), "to": at(48)}
    refused = api.get(QUERY, asked)
    assert (refused.status, "send `cursor`, empty at first" in refused.json["detail"]) == (413, True)
    for how in ("GET", "POST", "CSV"):
        found, cursor = [], ""
        for _ in range(9):
            if how == "POST":
                page = api.post(QUERY, asked | {"cursor": cursor})
            else:
                headers = {"accept": "text/csv"} if how == "CSV" else {}
                page = api.get(QUERY, asked | {"cursor": cursor}, headers=headers)
            assert page.status == 200, page.text
            if how == "CSV":
                found += [row[2] for row in list(csv.reader(page.text.splitlines()))[1:]]
                cursor = page.headers.get("tollbooth-next-cursor", "")
            else:
                found += [row["subject"] for row in page.json["data"]]
                cursor = page.json.get("nextCursor")
            if not cursor:
                break
        assert found == ["ada", "bob", *(f"s {n}&ü" for n in range(5))], how
    for query in ("groupBy=subject&cursor=!", "groupBy=subject&cursor=gICA", "groupBy=model&cursor=YQ"):
        assert api.get(QUERY, query).fields == ["cursor"]
    assert api.get(QUERY, "groupBy=subject&subject=ada&cursor=YQ").fields == ["cursor"]
    assert api.get(QUERY, "cursor=").status == 200, "one page is all of it"


def test_a_subject_that_no_event_can_have_is_none_to_go_on_behind(api: Client) -> None:
    path = "/api/v1/meters/tokens/subjects"
    assert api.get(path, {"after": "x" * 1_000}).json == []
    assert api.get(path, {"after": "🚀" * 250}).json == []
    assert api.get(path, {"after": "🚀" * 251}).status == 400


@pytest.mark.parametrize("aggregation", ["SUM", "UNIQUE_COUNT", "TIME_WEIGHTED_SUM"])
def test_a_range_before_all_counting_is_empty(api: Client, aggregation: str) -> None:
    meter = METER | {"slug": "other", "aggregation": aggregation}
    assert api.post("/api/v1/meters", meter).status == 201
    path, query = "/api/v1/meters/other", "to=1971-01-01T00:00:00Z"
    for more in ("windowSize=YEAR", "subject=ada", "from=1970-01-01T00:00:00Z&groupBy=subject"):
        assert api.get(f"{path}/query", f"{query}&{more}").json["data"] == []
    assert api.get(f"{path}/subjects", query).json == []
    assert api.get(f"{path}/group-by/model/values", query).json == []


@pytest.mark.parametrize("instant", ["1970-01-01T00:00:00+14:00", "2199-12-31T23:59:59-14:00"])
def test_the_calendar_ends_in_utc(api: Client, instant: str) -> None:
    for path in (QUERY, "/api/v1/events", "/api/v1/rejects", "/api/v1/meters/tokens/subjects"):
        assert api.get(path, {"to": instant}).status == 400
    assert api.post(QUERY, {"to": instant}).status == 400
    assert api.get("/api/v2/events", {"filter": json.dumps({"time": {"$lt": instant}})}).status == 400


def test_values_of_a_dimension_are_listed(api: Client) -> None:
    path = "/api/v1/meters/tokens/group-by/model/values"
    assert api.get(path, {"from": at(0)}).json == ["gpt-4", "gpt-5"]
    assert api.get(path, {"from": at(0), "to": at(1.5)}).json == ["gpt-4"]
    assert api.get(path, {"from": at(0), "page": 2, "pageSize": 1}).json == ["gpt-5"]
    assert api.get(path, {"to": at(26)}).json == ["gpt-4"]
    assert api.get(path, {"to": at(26.5)}).json == ["gpt-5"]
    assert api.get("/api/v1/meters/tokens/group-by/nothing/values").status == 400
    assert api.get("/api/v1/meters/nothing/group-by/model/values").status == 404


def test_customers_filter_and_group(api: Client) -> None:
    ada = api.post("/api/v1/customers", {"name": "A", "usageAttribution": {"subjectKeys": ["ada", "x"]}}).json["id"]
    bob = api.post("/api/v1/customers", {"name": "B", "key": "bob"}).json["id"]
    found = rows(api, [("filterCustomerId", ada), ("filterCustomerId", bob)])
    assert {r["customerId"]: r["value"] for r in found} == {ada: Decimal("15.1234567890123456"), bob: 1100}
    assert rows(api, [("filterCustomerId", ada), ("filterCustomerId", "bob"), ("filterCustomerId", bob)]) == found
    assert rows(api, {"filterCustomerId": bob, "groupBy": "customer_id"})[0]["customerId"] == bob
    assert api.get(QUERY, {"filterCustomerId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}).status == 404
    assert "'nobody'" in api.get(QUERY, {"filterCustomerId": "nobody"}).json["detail"]
    assert api.get(QUERY, {"groupBy": "customer_id"}).status == 400
    stranger = api.acting_as("admin", "acme")
    stranger.post("/api/v1/meters", METER)
    assert stranger.get(QUERY, {"filterCustomerId": bob}).status == 404


def test_a_body_asks_the_same_as_the_query_string(api: Client) -> None:
    body = {
        "from": at(0),
        "to": at(48),
        "windowSize": "DAY",
        "windowTimeZone": "UTC",
        "subject": ["ada", "bob"],
        "groupBy": ["model"],
        "filterGroupBy": {"model": ["gpt-4", "gpt-5"]},
        "clientId": "c",
    }
    posted = api.post(QUERY, body)
    assert posted.status == 200, posted.text
    params = {key: value for key, value in body.items() if key not in ("filterGroupBy", "clientId")}
    assert posted.json == api.get(QUERY, params).json
    assert len(posted.json["data"]) == 4
    assert api.post(QUERY, {}).json == api.get(QUERY).json
    assert api.acting_as("read").post(QUERY, {}).status == 200


def test_csv_has_the_columns_that_were_asked_for(api: Client) -> None:
    plain = api.get(QUERY, {"from": at(0), "to": at(24)}, headers={"accept": "text/csv"})
    assert (plain.status, plain.content_type) == (200, "text/csv")
    assert plain.headers["content-disposition"] == "attachment; filename=tokens.csv"
    assert plain.text.splitlines() == [
        "window_start,window_end,value",
        f"{at(0)},{at(24)},115.1234567890123456",
    ]
    asked = {"groupBy": ["subject", "team"], "from": at(24), "to": at(48)}
    grouped = api.post(QUERY, asked, headers={"accept": "text/csv"})
    assert grouped.text.splitlines() == [
        "window_start,window_end,subject,team,value",
        f'{at(24)},{at(48)},bob,"a, b",1000.000000',
    ]


def test_a_spreadsheet_runs_nothing_a_customer_chose(api: Client, counted: Metering) -> None:
    counted.count([event(9, 3, "=cmd()", 1, "@evil")])
    text = api.get(QUERY, {"groupBy": ["subject", "model"], "from": at(3)}, headers={"accept": "text/csv"}).text
    assert ""","'=cmd()","'@evil",1.000000""" in text


def test_an_unknown_meter_is_404_and_a_missing_scope_403(api: Client) -> None:
    assert api.get("/api/v1/meters/nothing/query").status == 404
    assert api.acting_as("ingest").get(QUERY).status == 403
    assert api.acting_as("admin", "acme").get(QUERY).status == 404


def test_a_count_without_events_is_zero(api: Client) -> None:
    api.post("/api/v1/meters", {"slug": "calls", "eventType": "other", "aggregation": "COUNT"})
    answer = api.get("/api/v1/meters/calls/query", {"from": at(0), "to": at(1)}).json
    assert [row["value"] for row in answer["data"]] == [0]


# What OpenMeter answers to these three events, as far as its binary numbers can say it.
EXACTLY = {
    "SUM": Decimal("123.4567890123456789"),
    "COUNT": 3,
    "UNIQUE_COUNT": 2,
    "AVG": Decimal("61.72839450617283945"),
    "MIN": Decimal("0.4567890123456789"),
    "MAX": 123,
    "LATEST": Decimal("0.4567890123456789"),
    "PERCENTILE": 123,
}


def test_every_aggregation_answers_with_all_digits(api: Client, counted: Metering) -> None:
    for aggregation in EXACTLY:
        value = {} if aggregation == "COUNT" else {"valueProperty": "$.tokens"}
        meter = {"slug": aggregation.lower(), "eventType": "vector", "aggregation": aggregation, **value}
        assert api.post("/api/v1/meters", meter).status == 201
    sent: list[Any] = [123, "0.4567890123456789", None]
    counted.count([event(50 + n, n, "eve", tokens) | {"type": "vector"} for n, tokens in enumerate(sent)])
    for aggregation, expected in EXACTLY.items():
        path = f"/api/v1/meters/{aggregation.lower()}/query"
        for asked in ({"exact": "true"}, {}):
            (row,) = api.get(path, {"from": at(0), "to": at(3), **asked}).json["data"]
            if aggregation == "PERCENTILE" and not asked:
                assert abs(row["value"] - 123) < Decimal("1.23")
            else:
                assert row["value"] == expected, aggregation
        empty = api.get(path, {"from": at(4), "to": at(5)}).json["data"]
        assert [row["value"] for row in empty] == ([0] if "COUNT" in aggregation else [])
        assert api.get(path, {"from": at(4), "to": at(5), "groupBy": "subject"}).json["data"] == []


def test_a_percentile_is_asked_for_with_the_query(api: Client, counted: Metering) -> None:
    slow = {"slug": "slow", "eventType": "slow", "aggregation": "PERCENTILE", "valueProperty": "$.tokens"}
    assert api.post("/api/v1/meters", slow).status == 201
    counted.count([event(100 + n, n / 100, "eve", n) | {"type": "slow"} for n in range(1, 101)])
    path = "/api/v1/meters/slow/query"
    for percentile, expected in ((None, 95), ("50", 50), ("99", 99), ("99.5", 100), ("0", 1)):
        asked = {"from": at(0)} if percentile is None else {"from": at(0), "percentile": percentile}
        (counted_row,) = api.get(path, asked).json["data"]
        (exact_row,) = api.get(path, {**asked, "exact": "true"}).json["data"]
        assert exact_row["value"] == expected
        assert abs(counted_row["value"] - expected) <= Decimal(expected) / 100
    assert api.get(path, {"percentile": "100.1"}).status == 400
    posted = api.post(path, {"from": at(0), "percentile": 50, "exact": True}).json["data"]
    assert [row["value"] for row in posted] == [50]


def test_what_no_meter_could_take_is_listed_with_its_reason(api: Client, counted: Metering) -> None:
    counted.count([event(20 + n, n, "ada", "many") for n in range(3)])
    page = api.get("/api/v1/rejects", "limit=2").json
    assert [item["event"]["id"] for item in page["items"]] == ["22", "21"]
    (last,) = api.get("/api/v1/rejects", {"limit": 2, "cursor": page["nextCursor"]}).json["items"]
    assert last["event"]["id"] == "20"
    assert "many" in last["reason"]
    assert last["code"] == "unparsable_value"
    assert last["countedElsewhere"] is True
    assert api.acting_as("admin", "acme").get("/api/v1/rejects").json == {"items": []}


BAD_REJECTS = [
    "cursor=nonsense",
    "cursor=2026-99-99/x",
    "cursor=2026-01-01/" + "x" * 2000,
    "limit=0",
    "limit=101",
    "from=x",
    "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    "from=2025-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    "to=1970-01-01T00:00:00Z",
]


@pytest.mark.parametrize("query", BAD_REJECTS, ids=timeless)
def test_a_bad_question_about_rejects_is_400_or_empty(api: Client, query: str) -> None:
    response = api.get("/api/v1/rejects", query)
    assert response.status == 400 or response.json == {"items": []}, response.text


def test_a_level_is_answered_in_value_hours_until_now(api: Client, counted: Metering) -> None:
    meter = {"slug": "stored", "eventType": "volume", "aggregation": "TIME_WEIGHTED_SUM"}
    refused = api.post("/api/v1/meters", meter)
    assert (refused.status, "is required with TIME_WEIGHTED_SUM" in refused.text) == (400, True), refused.text
    assert api.post("/api/v1/meters", meter | {"valueProperty": "$.tokens"}).status == 201
    sent = [(1, 0.5, "ada", 100), (2, 6, "ada", "-40.5"), (3, 12, "bob", 1)]
    counted.count([event(200 + n, hours, who, level) | {"type": "volume"} for n, hours, who, level in sent])
    path = "/api/v1/meters/stored/query"
    asked = {"from": at(0), "to": at(24), "groupBy": "subject", "windowTimeZone": "UTC", "windowSize": "DAY"}
    days = api.get(path, asked).json["data"]
    assert [(row["subject"], row["value"]) for row in days] == [("ada", 550 + 1071), ("bob", 12)]
    following = api.get(path, asked | {"from": at(24), "to": at(48)}).json["data"]
    assert [(row["windowStart"], row["value"]) for row in following] == [(at(24), 1428), (at(24), 24)]
    csv = api.get(path, asked | {"from": at(24), "to": at(48)}, headers={"accept": "text/csv"}).text
    assert "1428.000000" in csv
    future = (datetime.now(UTC) + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = api.get(path, {"from": at(0), "to": future}).json
    end = answer["to"]
    assert at(24) < end <= datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    (row,) = answer["data"]
    assert row["windowEnd"] == end
    seconds = int((datetime.strptime(end, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) - DAY).total_seconds())
    expected = 550 * 3600 + Decimal("59.5") * (seconds - 6 * 3600) + (seconds - 12 * 3600)
    assert abs(row["value"] * 3600 - expected) < Decimal("1e-20")
