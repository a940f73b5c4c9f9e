"""Events taken back over HTTP: the counters follow, the record says who and why, and nothing is corrected twice."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.domain.metering.values.event import Event, Pack
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.metering.world import LANES, Metering

CORRECTIONS = "/api/v1/events/corrections"
START = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
MAX = {"slug": "peak", "eventType": "prompt", "aggregation": "MAX", "valueProperty": "$.tokens"}


@pytest.fixture(autouse=True)
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    metering = Metering(dynamodb, monkeypatch)
    assert api.post("/api/v1/meters", MAX | {"slug": "tokens", "aggregation": "SUM"}).status == 201
    assert api.post("/api/v1/meters", MAX).status == 201
    return metering


def sent(number: int, tokens: Any, subject: str = "ada") -> dict[str, Any]:
    time = (START + timedelta(seconds=number)).isoformat()
    event = {"specversion": "1.0", "id": f"id-{number}", "source": "s", "type": "prompt", "subject": subject}
    return event | {"time": time, "data": {"tokens": tokens}}


def name(number: int, subject: str = "ada") -> dict[str, Any]:
    event = sent(number, 0, subject)
    return {key: event[key] for key in ("id", "source", "subject", "time")}


def body(number: int, **fields: Any) -> dict[str, Any]:
    return {"event": name(number), "reason": "sent by a test system", **fields}


def value(api: Client, slug: str = "tokens", **params: Any) -> Any:
    rows = api.get(f"/api/v1/meters/{slug}/query", params).json["data"]
    return rows[0]["value"] if rows else None


def test_a_voided_event_counts_nowhere_and_the_list_says_who_and_why(api: Client, metering: Metering) -> None:
    metering.count([sent(1, 7), sent(2, 5), sent(3, 100, "bob")])
    answer = api.post(CORRECTIONS, body(1))
    assert answer.status == 202, answer.text
    assert answer.json["status"] == "requested"
    metering.deliver()
    assert (value(api), value(api, "peak"), value(api, subject="ada")) == (105, 100, 5)
    assert value(api, "peak", subject="ada") == 5
    (item,) = api.get(CORRECTIONS).json["items"]
    assert (item["status"], item["effect"], item["reason"]) == ("applied", "voided", "sent by a test system")
    assert item["requestedBy"]
    assert item["appliedAt"]
    assert item["event"]["id"] == "id-1"
    shown = {each["event"]["id"]: each for each in api.get("/api/v1/events").json}
    assert shown.keys() == {"id-1", "id-2", "id-3"}
    assert [each for each, event in shown.items() if event.get("voidedAt")] == ["id-1"]
    assert shown["id-1"]["correctionId"] == item["id"]


def test_a_replacement_counts_instead_also_under_another_subject(api: Client, metering: Metering) -> None:
    metering.count([sent(1, 7), sent(2, 5)])
    first = api.post(CORRECTIONS, body(1, replacement={"data": {"tokens": 1.5}}))
    moved = api.post(CORRECTIONS, body(2, replacement={"data": {"tokens": 5}, "subject": "bob", "id": "moved"}))
    assert (first.status, moved.status) == (202, 202), (first.text, moved.text)
    metering.deliver()
    assert (value(api, subject="ada"), value(api, subject="bob"), value(api)) == (1.5, 5, 6.5)
    assert first.json["replacement"]["type"] == "prompt"
    assert first.json["replacement"]["id"] != "id-1"


def test_a_replacement_is_as_late_in_its_second_as_the_event_was(api: Client, metering: Metering) -> None:
    assert api.post("/api/v1/meters", MAX | {"slug": "last", "aggregation": "LATEST"}).status == 201
    first, second = (int(START.timestamp()) + 1, name(1)["time"])
    for number, micros, tokens in ((1, 900_000, 7), (2, 500_000, 5)):
        fingerprint = LANES.fingerprint("default", "ada", "s", f"id-{number}")
        data = b'{"tokens":%d}' % tokens
        event = Event(fingerprint, first, f"id-{number}", "s", "prompt", "ada", data, micros=micros)
        metering.stream.put([Pack("default", LANES.lane_of("default", "ada"), f"p{number}", first, [event])])
        metering.deliver()
    assert value(api, "last") == 7

    def corrected(number: int, event_id: str, **replacement: Any) -> Any:
        event = {**name(number), "id": event_id, "time": second}
        answer = api.post(CORRECTIONS, {"event": event, "reason": "wrong", "replacement": replacement})
        assert answer.status == 202, answer.text
        metering.deliver()
        return answer.json["replacement"]["id"]

    kept = corrected(1, "id-1", data={"tokens": 3}, type="prompt")
    assert value(api, "last") == 3
    corrected(1, kept, data={"tokens": 4}, time=second.replace("+00:00", ".400000+00:00"))
    assert value(api, "last") == 5


def test_the_same_correction_is_one_however_often_it_is_sent(api: Client, metering: Metering) -> None:
    metering.count([sent(1, 7), sent(2, 5)])
    bodies = [api.post(CORRECTIONS, body(1, replacement={"data": {"tokens": 2}})).json for _ in range(2)]
    metering.deliver()
    assert api.post(CORRECTIONS, body(1, replacement={"data": {"tokens": 2}})).json["status"] == "applied"
    metering.deliver()
    assert bodies[0] == bodies[1]
    assert value(api) == 7
    assert len(api.get(CORRECTIONS).json["items"]) == 1


def test_an_event_is_corrected_in_one_way_only(api: Client, metering: Metering) -> None:
    metering.count([sent(1, 7)])
    assert api.post(CORRECTIONS, body(1)).status == 202
    again = api.post(CORRECTIONS, body(1, replacement={"data": {"tokens": 2}}))
    assert again.status == 409
    assert "corrected before" in again.json["detail"]
    metering.deliver()
    assert value(api) in (None, 0)


def test_an_event_voided_before_it_comes_never_counts(api: Client, metering: Metering) -> None:
    assert api.post(CORRECTIONS, body(1)).status == 202
    metering.deliver()
    (item,) = api.get(CORRECTIONS).json["items"]
    assert item["effect"] == "suppressed"
    metering.count([sent(1, 7), sent(2, 5)])
    assert value(api) == 5
    unknown = api.post(CORRECTIONS, body(9, replacement={"data": {"tokens": 2}}))
    assert unknown.status == 400
    assert unknown.fields == ["replacement.type"]
    named = api.post(CORRECTIONS, body(9, replacement={"data": {"tokens": 2}, "type": "prompt"}))
    assert named.status == 202


def test_the_list_goes_on_page_by_page_newest_first(api: Client) -> None:
    for number in range(5):
        assert api.post(CORRECTIONS, body(number)).status == 202
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = api.get(CORRECTIONS, {"limit": 2, **cursor}).json
        found += [item["event"]["id"] for item in page["items"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert sorted(found) == [f"id-{number}" for number in range(5)]


def test_corrections_are_for_admins_and_their_own_events(api: Client, metering: Metering) -> None:
    metering.count([sent(1, 7)])
    assert api.acting_as("read ingest").post(CORRECTIONS, body(1)).status == 403
    assert api.acting_as("read ingest").get(CORRECTIONS).status == 403
    assert api.acting_as("admin", "acme").post(CORRECTIONS, body(1)).status == 202
    metering.deliver()
    assert value(api) == 7
    assert api.get(CORRECTIONS).json["items"] == []


OLD, NEW = ((datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (-46, 1))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (body(1) | {"reason": " "}, "reason"),
        (body(1) | {"reason": "x" * 501}, "reason"),
        ({"event": name(1)}, "reason"),
        ({"reason": "x"}, "event"),
        (body(1) | {"event": name(1) | {"time": OLD}}, "event.time"),
        (body(1) | {"event": name(1) | {"time": NEW}}, "event.time"),
        (body(1) | {"event": name(1) | {"subject": ""}}, "event.subject"),
        (body(1, replacement={"data": {}, "type": "prompt", "id": "id-1"}), "replacement.id"),
        (body(1, replacement={"data": {}, "type": "prompt", "time": OLD}), "replacement.time"),
        (body(1, replacement={"data": {}, "type": "a\tb"}), "replacement.type"),
        (body(1, replacement={"type": "prompt"}), "replacement.data"),
        (body(1, unknown=1), "unknown"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_bad_body_is_a_400_that_names_the_field(
    api: Client, metering: Metering, body: dict[str, Any], field: str
) -> None:
    answer = api.post(CORRECTIONS, body)
    assert answer.status == 400, answer.text
    assert answer.fields == [field]
    assert metering.stream.records == []
    assert api.get(CORRECTIONS).json["items"] == []


@pytest.mark.parametrize(
    ("data", "field", "code"),
    [
        ('{"k":' + "[" * 64 + "]" * 64 + "}", "replacement.data", "too_deep"),
        ('{"k":1,"k":2}', "$", "malformed_json"),
        ('{"k":1e400}', "$", "malformed_json"),
        ('{"k":' + "9" * 400 + "}", "$", "malformed_json"),
        ('{"k":' + "[" * 500 + "]" * 500 + "}", "$", "malformed_json"),
    ],
)
def test_the_data_of_a_replacement_is_read_by_everybody(
    api: Client, metering: Metering, data: str, field: str, code: str
) -> None:
    metering.count([sent(1, 7)])
    text = json.dumps(body(1, replacement={"data": 0})).replace('"data": 0', f'"data": {data}')
    answer = api.post(CORRECTIONS, text)
    (error,) = answer.json["extensions"]["validationErrors"]
    assert (answer.status, error["field"], error["code"]) == (400, field, code)
    assert api.get(CORRECTIONS).json["items"] == []
