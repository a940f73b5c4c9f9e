"""Five events of two subjects and the meter that sums their tokens, for tests of meter queries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Params
from tests.handlers.metering.world import Metering

METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model", "team": "$.team"},
}
DAY = (datetime.now(UTC) - timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0)
QUERY = "/api/v1/meters/tokens/query"


def at(hours: float) -> str:
    return (DAY + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(number: int, hours: float, subject: str, tokens: Any, model: str = "gpt-4") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "test",
        "type": "prompt",
        "subject": subject,
        "time": at(hours),
        "data": {"tokens": tokens, "model": model, "team": "a, b"},
    }


EVENTS = [
    event(1, 1.0, "ada", 10),
    event(2, 1.25, "ada", "0.1234567890123456"),
    event(3, 1.75, "ada", 5, "gpt-5"),
    event(4, 2.0, "bob", 100),
    event(5, 26.0, "bob", 1000, "gpt-5"),
]


def count_tokens(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    """The meter over the events; more can be counted with what it returns."""
    metering = Metering(dynamodb, monkeypatch)
    assert api.post("/api/v1/meters", METER).status == 201
    metering.count(EVENTS)
    return metering


def rows(api: Client, params: Params = "") -> list[dict[str, Any]]:
    response = api.get(QUERY, params)
    assert response.status == 200, response.text
    found: list[dict[str, Any]] = response.json["data"]
    return found


def values(api: Client, params: Params = "") -> list[Any]:
    return [row["value"] for row in rows(api, params)]
