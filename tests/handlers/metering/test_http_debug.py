"""The metrics of today's events: each once, by type, of this tenant alone."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from functions.application.metering.usage.count_todays_events import CountedToday
from functions.application.metering.usage.usage_bounds import Bounds
from functions.handlers.metering.open_metrics import events_text
from functions.handlers.wiring import base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.metering.world import Metering

PATH = "/api/v1/debug/metrics"
SAMPLE = re.compile(r'openmeter_events_(total|created)\{type="((?:[^"\\]|\\.)*)"\} (\d+)')
CALLS = {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"}
TODAY = datetime.combine(datetime.now(UTC).date(), time(), UTC)


def event(number: int, event_type: str = "prompt", at: datetime = TODAY, **more: Any) -> dict[str, Any]:
    named = {"specversion": "1.0", "id": f"{event_type}-{number}", "source": "s", "type": event_type}
    return {**named, "subject": f"s{number % 3}", "time": at.isoformat(), "data": {"region": "eu"}, **more}


class Noon:
    """A test that runs at midnight has one today, too."""

    def now(self) -> datetime:
        return TODAY + timedelta(hours=12)


@pytest.fixture
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    monkeypatch.setattr(base, "clock", Noon)
    return Metering(dynamodb, monkeypatch)


def totals(api: Client) -> dict[str, int]:
    answer = api.get(PATH)
    assert (answer.status, answer.content_type) == (200, "text/plain; charset=utf-8"), answer.text
    assert answer.text.startswith("# HELP openmeter_events ") and answer.text.endswith("\n# EOF\n")
    samples = [line for line in answer.text.splitlines() if not line.startswith("#")]
    found = [SAMPLE.fullmatch(line) for line in samples]
    assert all(found), samples
    return {each[2]: int(each[3]) for each in found if each and each[1] == "total"}


def test_events_of_today_are_told_once_by_type(api: Client, metering: Metering) -> None:
    for meter in (CALLS, CALLS | {"slug": "jobs", "eventType": "job"}):
        assert api.post("/api/v1/meters", meter).status == 201
    before = TODAY - timedelta(seconds=1)
    sent = [*map(event, range(7)), event(7, at=before), event(0, "job"), event(0, "unknown")]
    metering.count(sent)
    metering.count(sent)  # sent again
    assert totals(api) == {"job": 1, "prompt": 7}


def test_only_a_meter_that_counts_all_of_a_type_tells_of_it(api: Client, metering: Metering) -> None:
    some = CALLS | {"eventFilter": {"$.region": {"$eq": "us"}}}
    total = {"slug": "sum", "eventType": "job", "aggregation": "SUM", "valueProperty": "$.n"}
    for meter in (some, total):
        assert api.post("/api/v1/meters", meter).status == 201
    metering.count([event(0), event(0, "job", data={"n": 1})])
    assert totals(api) == {}
    assert api.post("/api/v1/meters", CALLS | {"slug": "all", "groupBy": {"region": "$.region"}}).status == 201
    metering.count([event(1), event(2)])
    assert totals(api) == {"prompt": 2}


def test_a_counter_says_since_when_it_counts(api: Client, metering: Metering) -> None:
    began = int(datetime.now(UTC).timestamp())
    for slug in ("first", "second"):
        assert api.post("/api/v1/meters", CALLS | {"slug": slug}).status == 201
    (created,) = [each for each in api.get(PATH).text.splitlines() if each.startswith("openmeter_events_created")]
    assert began <= int(created.rpartition(" ")[2]) <= datetime.now(UTC).timestamp()
    assert totals(api) == {"prompt": 0}


def test_tenants_are_counted_apart(api: Client, metering: Metering) -> None:
    other = api.acting_as("admin", "other")
    for each in (api, other):
        assert each.post("/api/v1/meters", CALLS).status == 201
    metering.count([event(0), event(1)])
    metering.count([event(0)], tenant="other")
    assert (totals(api), totals(other)) == ({"prompt": 2}, {"prompt": 1})


def test_without_a_meter_there_is_no_series(api: Client, metering: Metering) -> None:
    metering.count([event(0)])
    assert totals(api) == {}


def test_all_types_together_read_no_more_than_one_question_may(api: Client, metering: Metering) -> None:
    for number in range(3):
        assert api.post("/api/v1/meters", CALLS | {"slug": f"m{number}", "eventType": f"t{number}"}).status == 201
    metering.count([event(number, f"t{number}") for number in range(3)])
    metering.bound(Bounds(cells=1))
    answer = api.get(PATH)
    assert answer.status == 413 and "single meters" in answer.json["detail"]


def test_it_is_for_readers(api: Client, metering: Metering) -> None:
    assert api.acting_as("read").get(PATH).status == 200
    assert api.acting_as("ingest").get(PATH).status == 403
    assert api.get(PATH, "type=prompt").fields == ["type"]


def test_any_text_can_be_a_type() -> None:
    text = events_text([CountedToday('a"b\\c\nd', 3, TODAY)])
    assert 'openmeter_events_total{type="a\\"b\\\\c\\nd"} 3\n' in text
    assert f'openmeter_events_created{{type="a\\"b\\\\c\\nd"}} {int(TODAY.timestamp())}\n' in text
