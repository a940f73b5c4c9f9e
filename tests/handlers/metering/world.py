"""Events through the real handlers into DynamoDB Local; only the stream and the archive are in memory."""

import base64
import json
from typing import Any

import pytest

from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive, MemoryStream
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.records import decode_record, decoded_size, encode_record
from functions.application.metering.events.list_events import EventReader
from functions.application.metering.ledger.aggregate_usage import Aggregator
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.metering import http_ingest, stream_aggregate
from functions.handlers.wiring import access, base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.wired import wire
from tests.writing import write

LANES = Lanes(2, b"a key of the test")


class Metering:
    """Replaces stream, archive and ledger key behind the composition root."""

    def __init__(self, database: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> None:
        window = AcceptanceWindow()
        self.stream, self.archive = MemoryStream(), MemoryArchive()
        self.ledger = DynamoLedger(database.client, database.usage_table, window)
        archive, ledger = self.archive, self.ledger
        fingerprint = LANES.value_fingerprint
        self._writer = LaneWriter(
            ledger,
            archive,
            base.clock(),
            base.new_id,
            window,
            MemoryLookBacks(),
            fingerprint,
            access.charge_surplus,
        )
        self._monkeypatch = monkeypatch
        events = EventReader(ledger, archive, LANES)
        wire(monkeypatch, lanes=LANES, ledger=ledger, event_stream=self.stream, archive=archive, event_reader=events)
        self.bound(Bounds())

    def bound(self, bounds: Bounds) -> None:
        """From now on, questions read so much."""
        reader = UsageReader(self.ledger, self.archive, LANES, bounds)
        wire(self._monkeypatch, usage_reader=reader)

    def count(self, events: list[dict[str, Any]], tenant: str = "default") -> None:
        """Ingest events over HTTP and aggregate what the stream then holds."""
        self.ingest(events, tenant)
        self.deliver()

    def ingest(self, events: list[dict[str, Any]], tenant: str = "default") -> None:
        headers = {"content-type": "application/cloudevents-batch+json"}
        sent = Client(http_ingest.handler, tenant).post("/api/v1/events", json.dumps(events), headers=headers)
        assert sent.status == 204, sent.text

    def aggregate(self) -> dict[str, Any]:
        """As `deliver`, through the function that the stream calls."""
        aggregator = Aggregator(self._writer, self.ledger, self, decode_record, decoded_size, LANES.count, "default")
        wire(self._monkeypatch, aggregator=aggregator)
        records = [
            {
                "eventID": f"shard:{number}",
                "kinesis": {"data": base64.b64encode(encode_record(record)).decode(), "approximateArrivalTimestamp": 1},
            }
            for number, record in enumerate(self.stream.records)
        ]
        self.stream.records = []
        return stream_aggregate.handler({"Records": records}, None)

    def put_rejected_record(self, identity: str, body: bytes) -> str:
        raise AssertionError(f"rejected {identity}: {body!r}")

    def deliver(self) -> None:
        """Aggregate what the stream holds."""
        write(self._writer, self.stream.records)
        self.stream.records = []
