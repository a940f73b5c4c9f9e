"""A deployment in one process: real handlers on DynamoDB Local; stream, archive and often the ledger in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from random import Random
from typing import Any

import msgspec
import pytest

from functions import names
from functions.adapters import archive
from functions.adapters.archive_repair import mend
from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
from functions.adapters.dynamo.metering.backfill_slots import DynamoBackfillSlots
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive, MemoryAuditResults, MemoryLedger, MemoryStream
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.records import decode_record, decoded_size, encode_record
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.metering.audit.audit_lane import LaneAuditor
from functions.application.metering.events.list_events import EventReader
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.metering.ledger.history import Backfill
from functions.domain.metering.ledger.ledger import Counts, Reject
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.lanes import Lanes
from functions.handlers import http_api
from functions.handlers.metering import (
    http_ingest,
    workflow_close_lanes,
    workflow_count_lanes,
    workflow_end_backfill,
    workflow_fill_history,
    workflow_plan_backfill,
    workflow_queue_backfill,
)
from functions.handlers.wiring import base
from tests.conftest import DynamoDb
from tests.fuzz.archive_sql import DuckDbEngine
from tests.fuzz.fragments import NOW
from tests.fuzz.reading import document
from tests.fuzz.sending import Request
from tests.handlers.gateway import Client, payload
from tests.wired import forget, wire

LANES = Lanes(2, b"a key of the fuzz")
SECOND = int(NOW.timestamp())


class Broken(Exception):
    """A property does not hold."""


def expect(holds: object, what: str, *shown: object) -> None:
    if not holds:
        raise Broken(f"{what}: {' | '.join(str(each)[:1_500] for each in shown)}")


class FixedClock:
    def now(self) -> datetime:
        return NOW


class MixedLedger(MemoryLedger):
    """Counters and log in memory, ten times as fast; what other handlers write or read is in DynamoDB."""

    def __init__(self, stored: DynamoLedger) -> None:
        super().__init__()
        self._in_dynamodb = stored

    def meter_set(self, tenant: str) -> MeterSet:
        return self._in_dynamodb.meter_set(tenant)

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        self._in_dynamodb.put_rejects(rejects)


class OldArchive(MemoryArchive):
    """As an earlier release wrote it, which did not look whether lines are text."""

    def encode(
        self, groups: Sequence[tuple[str, str, list[Event]]], received_at: int, versions: dict[str, int]
    ) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archive, "_is_text", lambda _: True)
            return super().encode(groups, received_at, versions)


class Backfills:
    def __init__(self) -> None:
        self.started: list[Backfill] = []

    def start(self, run: Backfill) -> None:
        self.started.append(run)


@dataclass(frozen=True)
class Answered:
    status: int
    json: Any


class World:
    """Nothing but the seed decides what happens here."""

    def __init__(
        self, chance: Random, database: DynamoDb, patch: pytest.MonkeyPatch, *, in_memory: bool, is_old: bool
    ) -> None:
        self._chance, self.is_in_memory = chance, in_memory
        self._ids = count(1)
        window, clock = AcceptanceWindow(), FixedClock()
        self.archive = OldArchive() if is_old else MemoryArchive()
        self.stream, self.backfills = MemoryStream(), Backfills()
        stored = DynamoLedger(database.client, database.usage_table, window)
        self.ledger = MixedLedger(stored) if in_memory else stored
        self.engine = DuckDbEngine(f"{NOW:%Y-%m-%d}")
        self._records: list[Delivered] = []
        self.counts, self.rejected_records = Counts(), 0
        reader = UsageReader(self.ledger, self.archive, LANES)
        self.measured = MeasuredUsage(reader, self.ledger, clock)
        results = MemoryAuditResults() if in_memory else DynamoAuditResults(database.client, database.usage_table)
        self.auditor = LaneAuditor(self.ledger, self.archive, results, LANES, window, clock, lambda _: None)
        wire(
            patch,
            clock=clock,
            lanes=LANES,
            ledger=self.ledger,
            event_stream=self.stream,
            archive=self.archive,
            event_reader=EventReader(self.ledger, self.archive, LANES),
            usage_reader=reader,
            backfill_runs=self.backfills,
            backfill_slots=DynamoBackfillSlots(database.client, database.usage_table),
            engine=self.engine,
            audit_results=results,
        )
        patch.setattr(base, "new_id", self._id)
        patch.setenv(names.ENV_LANES, str(LANES.count))
        forget("history_filler")
        self._begin_process()

    def _id(self) -> str:
        return f"id{next(self._ids)}"

    def _begin_process(self) -> None:
        window, fingerprint = AcceptanceWindow(), LANES.value_fingerprint
        writer = LaneWriter(self.ledger, self.archive, FixedClock(), self._id, window, MemoryLookBacks(), fingerprint)
        self._aggregator = Aggregator(
            writer, self.ledger, self.archive, decode_record, decoded_size, LANES.count, names.DEFAULT_TENANT
        )

    # Sending.

    def ingest(self, request: Request, tenant: str) -> tuple[int, Any, list[Event]]:
        """Status, answer and the events that left for their lanes."""
        query = "partial=true" if request.is_partial else ""
        event = payload(
            "POST", "/api/v1/events", params=query, body=request.body, headers=request.headers, tenant=tenant
        )
        self.stream.records = []
        answer = http_ingest.handler(event, None)
        body = _read(answer)
        packs = [decode_record(encode_record(each)) for each in self.stream.records]
        expect(packs == self.stream.records, "a record does not come back as it was", packs)
        self._keep(packs)
        return answer["statusCode"], body, [each for pack in packs if isinstance(pack, Pack) for each in pack.events]

    def put(self, tenant: str, events: Sequence[Event]) -> None:
        """As an earlier release has taken them."""
        for event in events:
            self._keep([Pack(tenant, LANES.lane_of(tenant, event.subject), self._id(), SECOND, [event])])

    def _keep(self, packs: Sequence[Any]) -> None:
        self._records += [Delivered(f"shard-{next(self._ids)}", encode_record(each), SECOND) for each in packs]

    def deliver(self) -> None:
        """What the stream holds, in one or several deliveries; some come twice, some to a new process."""
        self._keep(self.stream.records)
        self.stream.records = []
        while self._records:
            size = self._chance.choice((1, 5, 30))
            delivered, self._records = self._records[:size], self._records[size:]
            if self._chance.random() < 0.15:
                self._begin_process()
            for _ in range(2 if self._chance.random() < 0.1 else 1):
                report = self._aggregator.aggregate(delivered)
                self.counts += report.counts
                self.rejected_records += report.rejected_records

    # Reading.

    def call(self, tenant: str, method: str, path: str, params: Any = "", body: Any = None) -> Answered:
        """For every question, the answer is JSON in UTF-8 and no error of ours."""
        scopes = "admin operator" if tenant == "default" else "admin"
        found = Client(http_api.handler, tenant, scopes).call(method, path, body, params=params)
        expect(found.status < 500, f"{method} {path} fails", params, body, found.text)
        return Answered(found.status, _read({"body": found.text}))

    def get(self, tenant: str, path: str, params: Any = "") -> Any:
        found = self.call(tenant, "GET", path, params)
        expect(found.status == 200, f"GET {path} is refused", params, found.json)
        return found.json

    def post(self, tenant: str, path: str, body: Any) -> Any:
        found = self.call(tenant, "POST", path, body=body)
        expect(found.status < 300, f"POST {path} is refused", body, found.json)
        return found.json

    def pages(self, tenant: str, path: str, **params: str) -> list[Any]:
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            found = self.get(tenant, path, params | cursor)
            items += found["items"]
            if "nextCursor" not in found:
                return items
            expect(cursor.get("cursor") != found["nextCursor"], f"{path} goes round in circles", found)
            cursor = {"cursor": found["nextCursor"]}

    def rows(self, tenant: str, meter: str, **query: Any) -> list[Mapping[str, Any]]:
        found = self.get(tenant, f"/api/v1/meters/{meter}/query", query)
        expect("partial" not in found, "the history is not counted", meter, found)
        return list(found["data"])

    def archive_rows(self, tenant: str, **question: Any) -> list[Mapping[str, Any]]:
        self.engine.archive(self.archive.objects)
        query_id = self.post(tenant, "/api/v1/archive/queries", question)["id"]
        return list(self.get(tenant, f"/api/v1/archive/queries/{query_id}")["rows"])

    def repair(self) -> None:
        """Every archived object, as `make repair-archive` does it."""
        for key, body in self.archive.objects.items():
            if key.startswith("archive/") and (mended := mend(body)):
                expect(not mended.lost, "a line is lost", key, mended.lost)
                self.archive.objects[key] = mended.body

    def fill(self) -> None:
        """The workflow of a backfill, from its first step to its last."""
        for run in self.backfills.started:
            given: dict[str, Any] = {
                "tenant": run.tenant,
                "meter_id": run.meter_id,
                "run": run.run,
                "run_id": run.run_id,
            }
            queued = _step(workflow_queue_backfill.handler, given)
            expect(queued["has_place"], "a backfill that is alone has no place", queued)
            _step(workflow_close_lanes.handler, given)
            self.deliver()
            counted = _step(workflow_count_lanes.handler, {"marker": run.run_id, "polls": 0})
            expect(counted["is_done"], "lanes do not count a marker", counted)
            for item in _step(workflow_plan_backfill.handler, given)["items"]:
                work = {"work": item, "is_done": False}
                while not work["is_done"]:
                    work = _step(workflow_fill_history.handler, given | {"work": work["work"]})
            expect(_step(workflow_end_backfill.handler, given)["is_done"], "a backfill does not end", given)
        self.backfills.started = []


def _step(handler: Callable[[Any, Any], Any], given: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(handler(given, None)))


def _read(answer: Mapping[str, Any]) -> Any:
    """Bytes on the wire, read as strictly as anybody does; numbers stay as they are written."""
    text = answer.get("body") or ""
    return document(text.encode()) if text else None
