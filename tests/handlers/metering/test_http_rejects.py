"""What was refused can be found, and goes back into the stream once it can be counted, and is never counted twice."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.adapters.records import encode_record
from functions.application.metering.audit import repair_archive
from functions.application.metering.events import further_rejects as further_rejects
from functions.application.metering.events import list_rejects as list_rejects
from functions.application.metering.ledger import aggregate_usage
from functions.domain.metering.ledger import counting, ledger
from functions.domain.metering.ledger.ledger import Reject
from functions.domain.metering.ledger.reject import CODES
from functions.domain.metering.meters import compiled_meter, values
from functions.domain.metering.meters.values import Uncountable
from functions.domain.metering.values.event import CloseMarker, Event, Pack, Void
from functions.handlers.wiring import metering as wired
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, timeless
from tests.handlers.metering.world import LANES, Metering

REJECTS = "/api/v1/rejects"
# At noon, so that hours before and after it are of the same day.
START = (datetime.now(UTC) - timedelta(days=2)).replace(hour=12, minute=0, second=0, microsecond=0)
NOW = int(datetime.now(UTC).timestamp())
DAY = 86_400
METER = {"slug": "tokens", "eventType": "prompt", "aggregation": "SUM", "valueProperty": "$.tokens"}
LATENCY = {"slug": "latency", "eventType": "prompt", "aggregation": "MAX", "valueProperty": "$.ms"}


@pytest.fixture(autouse=True)
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    metering = Metering(dynamodb, monkeypatch)
    assert api.post("/api/v1/meters", METER).status == 201
    return metering


def event(number: int, tokens: Any = 1, time: int | None = None) -> Event:
    at = int(START.timestamp()) + number if time is None else time
    fingerprint = LANES.fingerprint("default", "ada", "s", f"id-{number}")
    data = b'{"tokens":%s,"ms":%s}' % (str(tokens).encode(), str(tokens).encode())
    return Event(fingerprint, at, f"id-{number}", "s", "prompt", "ada", data, b'{"traceid":"t"}')


def refuse(
    metering: Metering, *events: Event, code: str = "outside_acceptance_window", tenant: str = "default"
) -> None:
    metering.ledger.put_rejects(
        [Reject(tenant, f"{each.fingerprint:016x}{each.time:x}", code, "why", NOW, each) for each in events]
    )


def keep(metering: Metering, name: str, body: bytes) -> None:
    key = metering.archive.put_rejected_record(name, body)
    metering.ledger.put_rejects([Reject("default", name, "unreadable_record", "why", NOW, object_key=key)])


def pack(*events: Event, received_at: int = NOW - 30 * DAY) -> bytes:
    return encode_record(Pack("default", LANES.lane_of("default", "ada"), "old-pack", received_at, list(events)))


def listed(api: Client, params: Any = "") -> list[dict[str, Any]]:
    answer = api.get(REJECTS, params)
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def total(api: Client) -> Any:
    rows = api.get("/api/v1/meters/tokens/query").json["data"]
    return rows[0]["value"] if rows else 0


def test_each_meter_that_could_not_take_a_value_is_named(api: Client, metering: Metering) -> None:
    assert api.post("/api/v1/meters", LATENCY).status == 201
    sent = {"specversion": "1.0", "id": "1", "source": "s", "type": "prompt", "subject": "ada"}
    metering.count([sent | {"time": START.isoformat(), "data": {"tokens": "x", "ms": "y"}}])
    found = listed(api)
    assert sorted(item["meterSlug"] for item in found) == ["latency", "tokens"]
    assert all(item["countedElsewhere"] and item["meterId"] for item in found)


def test_a_reject_has_the_time_of_its_event_with_its_fraction(api: Client, metering: Metering) -> None:
    late = event(1)
    late.micros = 999_999
    refuse(metering, late, event(2))
    shown = {item["event"]["id"]: item["event"]["time"] for item in listed(api)}
    assert datetime.fromisoformat(shown["id-1"]) == START + timedelta(seconds=1, microseconds=999_999)
    assert datetime.fromisoformat(shown["id-2"]) == START + timedelta(seconds=2)


def test_rejects_are_filtered_by_code_and_by_time_to_the_second(api: Client, metering: Metering) -> None:
    refuse(metering, *(event(number) for number in range(5)))
    refuse(metering, event(7), event(8, time=NOW - 40 * DAY), code="nan_value")

    def ids(**params: Any) -> list[str]:
        return [item["event"]["id"] for item in listed(api, params)]

    assert ids() == ["id-7", "id-4", "id-3", "id-2", "id-1", "id-0", "id-8"]
    assert ids(code="nan_value") == ["id-7", "id-8"]
    assert ids(code="null_value") == []
    window = {"from": (START + timedelta(seconds=1)).isoformat(), "to": (START + timedelta(seconds=3)).isoformat()}
    assert ids(**window) == ["id-3", "id-2", "id-1"]


def test_a_code_that_no_reject_can_have_is_refused_with_those_there_are(api: Client) -> None:
    for answer in (api.get(REJECTS, "code=nan_value&code=nope"), api.post(f"{REJECTS}/replay", {"code": ["nope"]})):
        assert (answer.status, answer.fields) == (400, ["code"])
        assert "'nope'" in answer.json["detail"]
        assert "outside_acceptance_window" in answer.json["detail"]


def test_every_code_that_is_ever_given_to_a_reject_is_known() -> None:
    given = {*values.REASONS, *aggregate_usage.REASONS, ledger.OUTSIDE_WINDOW, ledger.VOID_OUTSIDE_WINDOW}
    given |= {repair_archive.UNREADABLE_DATA, repair_archive.UNREADABLE_LINE}
    assert sorted(given) == sorted(CODES)
    source = Path(values.__file__).read_text()
    assert set(re.findall(r'Uncountable\(\s*"(\w+)"', source)) == set(values.REASONS)


def test_pages_of_a_filter_go_on_to_the_end(api: Client, metering: Metering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_rejects, "MAX_EXAMINED", 3)
    for number in range(10):
        time = int(START.timestamp()) - number // 4 * DAY + number
        refuse(metering, event(number, time=time), code="nan_value" if number % 2 else "infinite_value")
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2, "code": "nan_value"}
    for _ in range(20):
        page = api.get(REJECTS, params).json
        seen += [item["event"]["id"] for item in page["items"]]
        if "nextCursor" not in page:
            break
        params["cursor"] = page["nextCursor"]
    assert seen == ["id-3", "id-1", "id-7", "id-5", "id-9"]
    later = {"from": (START + timedelta(hours=1)).isoformat(), "cursor": params["cursor"]}
    assert listed(api, later) == []


def test_a_replayed_event_counts_once_however_often_it_is_replayed(api: Client, metering: Metering) -> None:
    refuse(metering, event(1, 40))
    (reject,) = listed(api)
    for _ in range(2):
        replayed = api.post(f"{REJECTS}/{reject['id']}/replay")
        assert replayed.status == 200, replayed.text
        assert replayed.json["replayedBy"] == "key"
    (record,) = metering.stream.records[:1]
    assert isinstance(record, Pack)
    assert record.received_at >= NOW
    metering.deliver()
    assert total(api) == 40
    (listed_again,) = listed(api)
    assert (listed_again["replayedBy"], listed_again["event"]["traceid"]) == ("key", "t")
    assert datetime.fromisoformat(listed_again["replayedAt"]).timestamp() >= NOW
    metering.count([{**listed_again["event"]}])
    assert total(api) == 40


def test_an_event_that_was_accepted_cannot_be_replayed_and_the_answer_says_what_helps(
    api: Client, metering: Metering
) -> None:
    sent = {"specversion": "1.0", "id": "1", "source": "s", "type": "prompt", "subject": "ada"}
    metering.count([sent | {"time": START.isoformat(), "data": {"tokens": "x"}}])
    (reject,) = listed(api)
    refused = api.post(f"{REJECTS}/{reject['id']}/replay")
    assert refused.status == 409
    assert "Correct the event" in refused.json["detail"]
    assert "eventFrom" in refused.json["detail"]
    assert metering.stream.records == []


def _every(api: Client, **params: Any) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    for _ in range(100):
        page = api.get(REJECTS, params).json
        seen += page["items"]
        if "nextCursor" not in page:
            break
        params["cursor"] = page["nextCursor"]
    return seen


def test_every_value_that_was_left_out_is_listed_however_many_come_together(api: Client, metering: Metering) -> None:
    assert api.post("/api/v1/meters", LATENCY).status == 201
    sent = {"specversion": "1.0", "source": "s", "type": "prompt", "subject": "ada"}
    data = [{"tokens": "x", "ms": 1}, {"tokens": 1, "ms": None}, {"tokens": 2, "ms": 3}, {"tokens": [], "ms": {}}]
    times = [START + timedelta(seconds=number, days=-(number % 2)) for number in range(400)]
    events = [
        sent | {"id": str(number), "time": at.isoformat(), "data": data[number % 4]} for number, at in enumerate(times)
    ]
    metering.count([*events, *events[:50]])
    found = _every(api, limit=37)
    wanted = [("tokens", "unparsable_value", 0), ("latency", "null_value", 1)]
    wanted += [("tokens", "unsupported_value", 3), ("latency", "unsupported_value", 3)]
    expected = {(slug, code, str(n)) for slug, code, rest in wanted for n in range(rest, 400, 4)}
    assert len(found) == len(expected) == 400
    assert {(each["meterSlug"], each["code"], each["event"]["id"]) for each in found} == expected
    assert all(each["event"]["data"] == data[int(each["event"]["id"]) % 4] for each in found)
    assert len({each["id"] for each in found}) == 400
    days = [datetime.fromisoformat(each["event"]["time"]).date() for each in found]
    assert days == sorted(days, reverse=True)
    assert len(_every(api, code="null_value")) == 100
    window = {"from": START.isoformat(), "to": (START + timedelta(seconds=19)).isoformat()}
    assert {each["event"]["id"] for each in _every(api, **window)} == {str(n) for n in range(0, 20, 4)}
    for each in (found[0], found[250], found[399]):
        refused = api.post(f"{REJECTS}/{each['id']}/replay")
        assert refused.status == 409, refused.text
    name = found[399]["id"]
    assert api.post(f"{REJECTS}/{name.replace('null_value', 'nan_value')}/replay").status in (404, 409)
    assert api.post(f"{REJECTS}/{name[:-1]}/replay").status == 404
    assert Client(api.handler, "elsewhere").post(f"{REJECTS}/{name}/replay").status == 404


def test_a_list_opens_a_few_objects_a_call_and_goes_on(
    api: Client, metering: Metering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_LISTED_UNCOUNTABLE", 0)
    monkeypatch.setattr(further_rejects, "MAX_OBJECTS", 1)
    sent = {"specversion": "1.0", "source": "s", "type": "prompt", "data": {"tokens": "x"}}
    for batch in range(4):
        events = [
            sent | {"id": f"{batch}-{n}", "subject": f"s{n}", "time": (START + timedelta(seconds=batch)).isoformat()}
            for n in range(6)
        ]
        metering.count(events)
        metering.count([event | {"id": f"t{event['id']}"} for event in events], "elsewhere")
    for limit in (1, 5, 100):
        found = [each["event"]["id"] for each in _every(api, limit=limit)]
        assert sorted(found) == sorted(f"{batch}-{n}" for batch in range(4) for n in range(6))
    quiet = {"from": (START + timedelta(hours=1)).isoformat(), "to": (START + timedelta(hours=2)).isoformat()}
    page = api.get(REJECTS, quiet).json
    assert page["items"] == []
    assert "nextCursor" in page
    assert _every(api, **quiet) == []


@pytest.mark.parametrize("many", [True, False])
def test_values_that_a_fix_can_take_are_counted_by_a_replay(
    api: Client, metering: Metering, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    assert api.post("/api/v1/meters", {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"}).status == 201
    sent = {"specversion": "1.0", "source": "s", "type": "prompt", "subject": "ada"}
    events = [sent | {"id": str(n), "time": START.isoformat(), "data": {"tokens": n + 0.5}} for n in range(120)]

    def unfinished(value: Any, path: str) -> Any:
        raise Uncountable("value_out_of_bounds", "not yet")

    with monkeypatch.context() as before:
        before.setattr(compiled_meter, "countable", unfinished)
        metering.count(events)
        found = _every(api)
        assert (len(found), total(api)) == (120, 0)
    if many:
        body: dict[str, Any] = {}
        for _ in range(3):
            report = api.post(f"{REJECTS}/replay", body).json
            assert report["countedElsewhere"] == 0
            body = {"cursor": report.get("nextCursor")}
            if not body["cursor"]:
                break
        expected = sum(n + 0.5 for n in range(120))
    else:
        for each in (found[0], found[0], found[119]):
            assert api.post(f"{REJECTS}/{each['id']}/replay").status == 200
        expected = sum(float(each["event"]["data"]["tokens"]) for each in (found[0], found[119]))
    metering.deliver()
    assert float(total(api)) == expected
    assert api.get("/api/v1/meters/calls/query").json["data"][0]["value"] == 120


def test_what_is_still_too_old_is_not_replayed(api: Client, metering: Metering) -> None:
    refuse(metering, event(1, time=NOW - 46 * DAY))
    (reject,) = listed(api, {"from": datetime.fromtimestamp(NOW - 50 * DAY, UTC).isoformat()})
    refused = api.post(f"{REJECTS}/{reject['id']}/replay")
    assert (refused.status, refused.json["extensions"]["validationErrors"][0]["code"]) == (
        409,
        "outside_acceptance_window",
    )
    assert metering.stream.records == []


def test_a_kept_record_goes_back_as_new_once_it_can_be_read(api: Client, metering: Metering) -> None:
    keep(metering, "shardId-000000000000-1", pack(event(1, 5), event(2, 6)))
    keep(metering, "shardId-000000000000-2", b"neither zstandard nor ours")
    keep(metering, "shardId-000000000000-3", encode_record(CloseMarker(1, "run", NOW)))
    by_key = {item["objectKey"][-1]: item["id"] for item in listed(api)}
    assert api.post(f"{REJECTS}/{by_key['1']}/replay").status == 200
    assert api.post(f"{REJECTS}/{by_key['3']}/replay").status == 200
    unreadable = api.post(f"{REJECTS}/{by_key['2']}/replay")
    assert (unreadable.status, "still unreadable" in unreadable.json["detail"]) == (409, True)
    record, marker = metering.stream.records
    assert isinstance(record, Pack)
    # An old arrival would make the lane look back as far.
    assert record.received_at >= NOW
    assert marker == CloseMarker(1, "run", NOW)
    metering.stream.records = [record]
    metering.deliver()
    assert total(api) == 11
    metering.archive.objects.clear()
    assert api.post(f"{REJECTS}/{by_key['1']}/replay").status == 404


@pytest.mark.parametrize("arrives_with_it", [True, False])
def test_a_kept_record_takes_back_the_events_it_voids(api: Client, metering: Metering, arrives_with_it: bool) -> None:
    mistaken, lane = event(1, 5), LANES.lane_of("default", "ada")
    void = Void(mistaken.fingerprint, mistaken.time, mistaken.id, "s", "ada", "0-1")
    events = [mistaken, event(2, 6)]
    metering.stream.records = [Pack("default", lane, "p1", NOW, events[arrives_with_it:])]
    metering.deliver()
    record = Pack("default", lane, "p2", NOW, events[: 1 if arrives_with_it else 0], [void])
    keep(metering, "shardId-000000000000-1", encode_record(record))
    (kept,) = listed(api)
    assert api.post(f"{REJECTS}/{kept['id']}/replay").status == 200
    metering.deliver()
    assert total(api) == 6


def test_many_are_replayed_with_counts_and_never_twice(api: Client, metering: Metering) -> None:
    refuse(metering, *(event(number, 2) for number in range(5)))
    refuse(metering, event(9, time=NOW - 46 * DAY))
    keep(metering, "shard-1", b"unreadable")
    metering.ledger.put_rejects([Reject("default", "x", "nan_value", "why", NOW, event(7), True, meter_id="M")])
    since = datetime.fromtimestamp(NOW - 50 * DAY, UTC).isoformat()
    first = api.post(f"{REJECTS}/replay", {"from": since, "limit": 4}).json
    second = api.post(f"{REJECTS}/replay", {"from": since, "cursor": first["nextCursor"]}).json
    assert "nextCursor" not in second
    both = {name: first[name] + second[name] for name in ("replayed", "alreadyReplayed", "countedElsewhere")}
    assert both == {"replayed": 5, "alreadyReplayed": 0, "countedElsewhere": 1}
    refused = first["refused"] + second["refused"]
    assert sorted(each["code"] for each in refused) == ["outside_acceptance_window", "unreadable_record"]
    again = api.post(f"{REJECTS}/replay", {"code": ["outside_acceptance_window"]}).json
    assert again == {"replayed": 0, "alreadyReplayed": 5, "countedElsewhere": 0, "refused": []}
    metering.deliver()
    assert total(api) == 10


def test_what_is_refused_anew_loses_its_mark(api: Client, metering: Metering) -> None:
    refuse(metering, event(1))
    (reject,) = listed(api)
    kept = wired.rejects().get("default", reject["id"])
    assert kept is not None
    assert api.post(f"{REJECTS}/{reject['id']}/replay").json["replayedAt"]
    identity = f"{event(1).fingerprint:016x}{event(1).time:x}"
    anew = Reject("default", identity, "outside_acceptance_window", "why", NOW + 5, event(1))
    metering.ledger.put_rejects([anew])
    assert "replayedAt" not in listed(api)[0]
    assert wired.rejects().mark_replayed("default", kept, NOW, "late").replayed_by == ""


def test_replays_need_the_admin_scope_and_the_tenants_own_rejects(api: Client, metering: Metering) -> None:
    refuse(metering, event(1))
    (reject,) = listed(api)
    for path, body in ((f"{REJECTS}/{reject['id']}/replay", None), (f"{REJECTS}/replay", {})):
        assert api.acting_as("read ingest").post(path, body).status == 403
    assert api.acting_as("admin", "acme").post(f"{REJECTS}/{reject['id']}/replay").status == 404
    assert api.acting_as("admin", "acme").post(f"{REJECTS}/replay", {}).json["replayed"] == 0
    assert metering.stream.records == []


@pytest.mark.parametrize(
    "name", ["x", "0" * 12, "1" * 12 + ".a.b.c.d.e", "9" * 400, f"{'9' * 12}.a.b", "009999999999.a.b", "a#b"]
)
def test_a_reject_that_is_not_there_is_404(api: Client, name: str) -> None:
    assert api.post(f"{REJECTS}/{name}/replay").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        {"from": "yesterday"},
        {"code": ["x"] * 21},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"unknown": 1},
    ],
    ids=timeless,
)
def test_a_bad_body_is_a_400_that_says_why(api: Client, body: dict[str, Any]) -> None:
    answer = api.post(f"{REJECTS}/replay", body)
    assert answer.status == 400, answer.text
    assert answer.fields


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"tokens":1,"k":' + b"[" * 64 + b"]" * 64 + b"}", "too_deep"),
        (b'{"tokens":1,"tokens":2}', "duplicate_key"),
        (b'{"tokens":1,"k":1e400}', "number_out_of_range"),
    ],
)
def test_what_was_taken_before_it_had_to_be_readable_is_not_replayed(
    api: Client, metering: Metering, data: bytes, code: str
) -> None:
    unreadable = event(1)
    unreadable.data = data
    refuse(metering, unreadable)
    (item,) = listed(api)
    answer = api.post(f"{REJECTS}/{item['id']}/replay", {})
    assert (answer.status, answer.json["extensions"]["validationErrors"][0]["code"]) == (409, code)
