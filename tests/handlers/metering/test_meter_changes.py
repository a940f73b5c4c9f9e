"""What a meter counted stays under the dimensions of then, after any change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.metering.world import Metering

CALLS = {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"}
HOUR = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)


@pytest.fixture
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    return Metering(dynamodb, monkeypatch)


def event(number: int, **data: Any) -> dict[str, Any]:
    time = (HOUR + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
    who = {"id": str(number), "source": "test", "type": "prompt", "subject": "ada", "time": time}
    return {"specversion": "1.0", **who, "data": data}


def by(api: Client, dimension: str, params: str = "") -> dict[str, int]:
    response = api.get("/api/v1/meters/calls/query", f"groupBy={dimension}&{params}")
    assert response.status == 200, response.text
    return {row["groupBy"][dimension]: row["value"] for row in response.json["data"]}


def test_what_was_counted_before_a_dimension_was_added_has_none_of_it(api: Client, metering: Metering) -> None:
    api.post("/api/v1/meters", CALLS | {"groupBy": {"model": "$.model"}})
    metering.count([event(1, model="a", team="x")])
    both = {"groupBy": {"model": "$.model", "team": "$.team"}}
    assert api.put("/api/v1/meters/calls", both).status == 200
    metering.count([event(2, model="a", team="x")])
    assert by(api, "team") == {"": 1, "x": 1}
    assert by(api, "model") == {"a": 2}


def test_a_value_of_one_dimension_is_not_taken_for_that_of_another(api: Client, metering: Metering) -> None:
    api.post("/api/v1/meters", CALLS | {"groupBy": {"model": "$.model"}})
    metering.count([event(1, model="same", team="same")])
    assert api.put("/api/v1/meters/calls", {"groupBy": {"team": "$.team"}}).status == 200
    metering.count([event(2, model="same", team="same")])
    assert by(api, "team") == {"": 1, "same": 1}


def test_the_edges_of_a_range_say_the_same_as_its_whole_windows(api: Client, metering: Metering) -> None:
    api.post("/api/v1/meters", CALLS | {"groupBy": {"model": "$.old"}})
    metering.count([event(1, old="a", new="b", team="x")])
    changed = {"groupBy": {"model": "$.new", "team": "$.team"}}
    assert api.put("/api/v1/meters/calls", changed).status == 200
    metering.count([event(2, old="a", new="b", team="x")])
    cut = (HOUR + timedelta(seconds=1)).strftime("from=%Y-%m-%dT%H:%M:%SZ")
    for params in ("", cut):
        assert by(api, "model", params) == {"a": 1, "b": 1}
        assert by(api, "team", params) == {"": 1, "x": 1}


def test_an_event_filter_holds_in_whole_windows_and_at_edges(api: Client, metering: Metering) -> None:
    body = {"groupBy": {"model": "$.model"}, "eventFilter": {"$.usage[?@.kind == 'gpu'].n": {"$ne": ""}}}
    assert api.post("/api/v1/meters", CALLS | body).status == 201
    gpu, cpu = [{"kind": "cpu", "n": 1}, {"kind": "gpu", "n": 2}], [{"kind": "cpu", "n": 1}]
    metering.count([event(1, model="a", usage=gpu), event(2, model="a", usage=cpu), event(3, model="b")])
    cut = (HOUR + timedelta(seconds=1)).strftime("from=%Y-%m-%dT%H:%M:%SZ")
    for params in ("", cut):
        assert by(api, "model", params) == {"a": 1}
    assert api.get("/api/v1/rejects").json["items"] == []
