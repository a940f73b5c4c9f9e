"""Meter queries over HTTP say since when a meter counts that was made again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.metering.usage_of_tokens import METER, QUERY, at, count_tokens
from tests.handlers.metering.world import Metering


@pytest.fixture(autouse=True)
def counted(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    return count_tokens(api, dynamodb, monkeypatch)


def made_again(api: Client, body: dict[str, Any] = METER) -> datetime:
    assert api.delete("/api/v1/meters/tokens").status == 204
    again = api.post("/api/v1/meters", body)
    assert again.status == 201, again.text
    return datetime.fromisoformat(again.json["createdAt"])


def test_a_meter_made_again_says_since_when_it_counts_where_the_deleted_one_has_older_usage(api: Client) -> None:
    created = made_again(api)
    answer = api.get(QUERY, {"from": at(0)}).json
    assert answer["data"] == []
    assert abs(datetime.fromisoformat(answer["countedFrom"]) - created) <= timedelta(seconds=1)
    assert "countedFrom" in api.post(QUERY, {"from": at(0), "subject": ["bob"], "groupBy": ["subject"]}).json
    lacking_nothing: list[dict[str, Any]] = [
        *({}, {"to": at(2)}, {"from": (datetime.now(UTC) + timedelta(days=1)).isoformat()}),
        *({"from": at(-48), "to": at(0)}, {"from": at(30)}, {"from": at(0), "subject": "nobody"}),
    ]
    for params in lacking_nothing:
        assert "countedFrom" not in api.get(QUERY, params).json, params


def test_a_meter_for_the_event_type_of_a_deleted_one_says_since_when_it_counts(api: Client) -> None:
    made_again(api, METER | {"slug": "others"})
    assert "countedFrom" in api.get("/api/v1/meters/others/query", {"from": at(0)}).json


def test_usage_is_missed_that_was_counted_two_meters_ago(api: Client) -> None:
    made_again(api)
    made_again(api, METER | {"valueProperty": "$.other"})
    assert "countedFrom" in api.get(QUERY, {"from": at(0)}).json


def test_a_meter_that_was_never_made_again_counts_all_there_is(api: Client) -> None:
    assert api.post("/api/v1/meters", METER | {"slug": "younger", "aggregation": "MAX"}).status == 201
    assert api.delete("/api/v1/meters/younger").status == 204
    for more in ({}, {"groupBy": "subject"}):
        assert "countedFrom" not in api.get(QUERY, {"from": at(0)} | more).json


def test_a_deleted_meter_that_never_counted_leaves_nothing_to_miss(api: Client) -> None:
    other = METER | {"slug": "empty", "eventType": "other"}
    assert api.post("/api/v1/meters", other).status == 201
    assert api.delete("/api/v1/meters/empty").status == 204
    assert api.post("/api/v1/meters", other).status == 201
    assert "countedFrom" not in api.get("/api/v1/meters/empty/query", {"from": at(0)}).json
