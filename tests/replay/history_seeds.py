"""A meter that came after its events: they are counted and archived, every lane knows it, its backfill is running."""

from datetime import UTC, datetime
from typing import Any

from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.metering.meter_store import DynamoMeters
from functions.application.metering.meters.create_meter import create_meter
from functions.domain.metering.ledger.history import Backfill, Status
from functions.domain.metering.meters.meter_record import MeterCreate
from functions.domain.metering.values.event import AcceptanceWindow, CloseMarker
from tests.replay.make_scenario import AT
from tests.replay.make_stream_events import packs
from tests.replay.usage_seeds import DAY, At, writer
from tests.replay.world import TENANT, World
from tests.writing import write

METER = "01JBXR0000000000000HST0RY0"
RUN_ID = f"backfill-{METER}-1"


def history(world: World, event: Any) -> Any:
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    lanes = writer(world, ledger)
    write(lanes, packs())
    create = MeterCreate.model_validate(
        {
            "slug": "history",
            "eventType": "prompt",
            "aggregation": "SUM",
            "valueProperty": "$.tokens",
            "eventFrom": datetime.fromtimestamp(AT - DAY, UTC),
        }
    )
    meters = DynamoMeters(world.billing_table, world.usage_table)
    meter = create_meter(TENANT, create, meters=meters, clock=At(), new_id=lambda: METER)
    assert meter.event_from is not None
    write(lanes, [CloseMarker(lane, RUN_ID, AT + 60) for lane in range(world.lanes.count)])
    run = Backfill(
        tenant=TENANT,
        meter_id=METER,
        event_from=meter.event_from,
        run=1,
        status=Status.RUNNING,
        started_at=At().now(),
    )
    assert ledger.begin_backfill(run, None)
    return event
