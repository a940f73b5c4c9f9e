"""Payloads of the stream: ingest requests, Kinesis deliveries, the schedules of heartbeat, sweeper and audit."""

import json
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from functions.adapters.records import encode_record
from functions.application.metering.ledger.batch_commits import INLINE_ARCHIVE_BYTES
from functions.domain.metering.values.event import Event, Pack, Void
from functions.domain.metering.values.lanes import Lanes
from tests.replay.make_scenario import AT, Made, http_request, kinesis_record, scheduled
from tests.replay.world import LEDGER_KEY, TENANT

LANES = Lanes(2, LEDGER_KEY.encode())
BATCH = {"content-type": "application/cloudevents-batch+json"}
INGEST = "POST /api/v1/events"
LARGE_BYTES = INLINE_ARCHIVE_BYTES + 500  # of noise, which nothing packs


def scenarios() -> Iterator[Made]:
    yield from ingest()
    yield from aggregate()
    yield from heartbeat()
    yield from sweep()
    yield from audit()


def ingest() -> Iterator[Made]:
    # Without a time an event happens when it arrives, so these never grow too old to be sent.
    events = [cloud_event(number) for number in range(3)]
    good = http_request("POST", "/api/v1/events", events, headers=BATCH, scopes="ingest", route=INGEST)
    accepted = {"payload": {"statusCode": 204}}
    yield Made("http_ingest", "happy", good, [accepted], ["ledger"])
    yield Made("http_ingest", "duplicate", good, [accepted, accepted], ["ledger"])
    bad = [events[0], events[1] | {"subject": "", "time": "yesterday"}]
    refused = {
        "statusCode": 400,
        "headers": {"Content-Type": "application/problem+json"},
        "body": {"status": 400, "title": "Bad Request"},
    }
    bad_request = http_request("POST", "/api/v1/events", bad, headers=BATCH, scopes="ingest", route=INGEST)
    yield Made("http_ingest", "bad_input", bad_request, [{"payload": refused}], ["ledger"])
    malformed = http_request("POST", "/api/v1/events", '[{"id": NaN,', headers=BATCH, scopes="ingest", route=INGEST)
    yield Made("http_ingest", "malformed_json", malformed, [{"payload": refused}], ["ledger"])
    mixed = http_request(
        "POST", "/api/v1/events", bad, headers=BATCH, scopes="ingest", route=INGEST, query="partial=true"
    )
    results = [{"index": 0, "id": "event-0", "status": "accepted"}, {"index": 1, "id": "event-1", "status": "invalid"}]
    partly = {"statusCode": 200, "body": {"accepted": 1, "invalid": 1, "results": results}}
    yield Made("http_ingest", "partial", mixed, [{"payload": partly}, {"payload": partly}], ["ledger"])
    not_allowed = http_request("POST", "/api/v1/events", events, headers=BATCH, scopes="read", route=INGEST)
    forbidden = {"statusCode": 403, "body": {"status": 403}}
    yield Made("http_ingest", "missing_scope", not_allowed, [{"payload": forbidden}], ["ledger"])


def cloud_event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "llm-gateway",
        "type": "prompt",
        "subject": f"customer-{number}",
        "data": {"tokens": 100 + number, "model": "small"},
    }


def aggregate() -> Iterator[Made]:
    seeds = ["ledger", "meter"]
    records = [kinesis_record(n, encode_record(pack)) for n, pack in enumerate(packs())]
    done: dict[str, Any] = {"batchItemFailures": []}
    counted = {"payload": done, "log": {"message": "batch aggregated", "EventsAccepted": 6, "EventsDuplicate": 0}}
    again = {"payload": done, "log": {"message": "batch aggregated", "EventsAccepted": 0, "EventsDuplicate": 6}}
    yield Made("stream_aggregate", "happy", {"Records": records}, [counted], seeds)
    yield Made("stream_aggregate", "duplicate", {"Records": records}, [counted, again], seeds)
    large = [kinesis_record(0, encode_record(large_pack()))]
    staged = {"payload": done, "log": {"message": "batch aggregated", "EventsAccepted": 2}}
    yield Made("stream_aggregate", "large", {"Records": large}, [staged], seeds)
    voids = [kinesis_record(n, encode_record(pack)) for n, pack in enumerate(voiding())]
    yield Made("stream_aggregate", "void", {"Records": voids}, [{"payload": done}], [*seeds, "counted"])
    poison = [kinesis_record(9, b"neither zstandard nor one of ours"), records[0]]
    rejected = {"message": "batch aggregated", "EventsRejected": 1, "EventsAccepted": len(packs()[0].events)}
    yield Made("stream_aggregate", "bad_input", {"Records": poison}, [{"payload": done, "log": rejected}], seeds)


def packs() -> list[Pack]:
    """Six events of six subjects, in their lanes."""
    by_lane: dict[int, list[Event]] = {}
    for number in range(6):
        event = cloud_event(number)
        subject = event["subject"]
        fingerprint = LANES.fingerprint(TENANT, subject, event["source"], event["id"])
        data = b'{"tokens":%d,"model":"small"}' % event["data"]["tokens"]
        found = Event(fingerprint, AT - 60 * number, event["id"], event["source"], event["type"], subject, data)
        by_lane.setdefault(LANES.lane_of(TENANT, subject), []).append(found)
    return [Pack(TENANT, lane, f"pack-{lane}", AT, events) for lane, events in sorted(by_lane.items())]


def large_pack() -> Pack:
    """An event that is too large to lie in its commit, however it is packed, and one of the day before."""
    noise = random.Random(1).randbytes(LARGE_BYTES).hex()
    data = json.dumps({"tokens": 1, "model": "small", "noise": noise}).encode()
    pack = packs()[0]
    before = pack.events[0]
    large, old = (
        msgspec.structs.replace(
            before, id=name, fingerprint=LANES.fingerprint(TENANT, before.subject, before.source, name)
        )
        for name in ("large", "old")
    )
    events = [msgspec.structs.replace(large, data=data), msgspec.structs.replace(old, time=AT - 86_400)]
    return Pack(TENANT, pack.lane, "large", AT, events)


def voiding() -> list[Pack]:
    """The first event of each lane is not to count."""
    found = []
    for pack in packs():
        event = pack.events[0]
        void = Void(event.fingerprint, event.time, event.id, event.source, event.subject, f"correction-{pack.lane}")
        found.append(Pack(TENANT, pack.lane, f"void-{pack.lane}", AT, [], [void]))
    return found


def heartbeat() -> Iterator[Made]:
    counted = {"payload": {"lanes": 2}, "log": {"message": "heartbeat"}}
    yield Made("schedule_heartbeat", "happy", scheduled("Heartbeat"), [counted], ["heartbeat"])
    yield Made("schedule_heartbeat", "duplicate", scheduled("Heartbeat"), [counted, counted], ["heartbeat"])
    # The schedule's input says nothing, so nothing in it can be wrong; nobody has counted a heartbeat yet.
    first = {"payload": {"age": None, "lanes": 2}, "log": {"message": "no heartbeat was counted in every lane"}}
    yield Made("schedule_heartbeat", "bad_input", {"detail": ["not", "a", "schedule"]}, [first])


def sweep() -> Iterator[Made]:
    swept = {"payload": {"lanes": 2, "helped": 0}, "log": {"message": "lanes swept", "LaneLag": 0}}
    yield Made("schedule_sweep", "happy", scheduled("Sweep"), [swept], ["ledger"])
    yield Made("schedule_sweep", "duplicate", scheduled("Sweep"), [swept, swept], ["ledger"])
    helped = {"payload": {"lanes": 2, "helped": 1}, "log": {"message": "lanes swept", "LaneLag": 1}}
    seeds = ["ledger", "meter", "counted", "unfinished"]
    yield Made("schedule_sweep", "unfinished", scheduled("Sweep"), [helped, swept], seeds)
    # The schedule's input says nothing, so nothing in it can be wrong.
    yield Made("schedule_sweep", "bad_input", {"detail": ["not", "a", "schedule"]}, [swept], ["ledger"])


def audit() -> Iterator[Made]:
    done = {"payload": {"audited": 2, "left": 0, "differences": 0}, "log": {"message": "lanes audited"}}
    again = {"payload": {"audited": 0, "left": 0, "differences": 0}, "log": {"message": "lanes audited"}}
    yield Made("schedule_audit", "happy", scheduled("Audit"), [done], ["ledger"])
    kept = done | {"log": {"message": "failed batches", "FailedBatches": 1}}
    yield Made("schedule_audit", "failed_batch", scheduled("Audit"), [kept], ["ledger", "failed_batch"])
    yield Made("schedule_audit", "duplicate", scheduled("Audit"), [done, again], ["ledger"])
    # The schedule's input says nothing, so nothing in it can be wrong.
    yield Made("schedule_audit", "bad_input", {"detail": ["not", "a", "schedule"]}, [done], ["ledger"])
