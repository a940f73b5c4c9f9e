"""A meter that came after its events: they are counted and archived, every lane knows it, its backfill is running."""

from datetime import UTC, datetime
from typing import Any

import boto3

from functions import names
from functions.adapters.archive import S3Archive
from functions.adapters.dynamo.ledger_store import DynamoLedger
from functions.adapters.dynamo.meter_store import DynamoMeters
from functions.adapters.memory_look_backs import MemoryLookBacks
from functions.application.commit_usage import LaneWriter
from functions.application.create_meter import create_meter
from functions.domain.metering.event import AcceptanceWindow, CloseMarker
from functions.domain.metering.history import Backfill, Status
from functions.domain.metering.meter_record import MeterCreate
from tests.replay.make_scenario import AT
from tests.replay.make_stream_events import packs
from tests.replay.world import TENANT, World
from tests.writing import write

METER = "01JBXR0000000000000HST0RY0"
RUN_ID = f"backfill-{METER}-1"
DAY = 86_400


class _At:
    """The moment the events came in."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(AT + 60, UTC)


def history(world: World, event: Any) -> Any:
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    archive = S3Archive(boto3.client("s3"), world.environment[names.ENV_ARCHIVE_BUCKET])
    fingerprint = world.lanes.value_fingerprint
    writer = LaneWriter(ledger, archive, _At(), lambda: "attempt", AcceptanceWindow(), MemoryLookBacks(), fingerprint)
    write(writer, packs())
    wish = MeterCreate.model_validate(
        {
            "slug": "history",
            "eventType": "prompt",
            "aggregation": "SUM",
            "valueProperty": "$.tokens",
            "eventFrom": datetime.fromtimestamp(AT - DAY, UTC),
        }
    )
    meters = DynamoMeters(world.billing_table, world.usage_table)
    meter = create_meter(TENANT, wish, meters=meters, clock=_At(), new_id=lambda: METER)
    assert meter.event_from is not None
    write(writer, [CloseMarker(lane, RUN_ID, AT + 60) for lane in range(world.lanes.count)])
    run = Backfill(
        tenant=TENANT,
        meter_id=METER,
        event_from=meter.event_from,
        run=1,
        status=Status.RUNNING,
        started_at=_At().now(),
    )
    assert ledger.begin_backfill(run, None)
    return event
