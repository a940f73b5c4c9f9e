"""The first step of a backfill, asked again every minute: is it its turn?"""

from collections.abc import Mapping
from typing import Any

from functions.application.metering.meters.queue_backfill import queue_backfill
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, metering


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, meter_id, run, queue: {polls}?} -> {has_place, polls}."""
    tenant, meter_id, run = str(payload["tenant"]), str(payload["meter_id"]), int(payload["run"])
    polls = int((payload.get("queue") or {}).get("polls", 0)) + 1
    has_place = queue_backfill(
        tenant, meter_id, run, histories=metering.ledger(), slots=metering.backfill_slots(), clock=base.clock()
    )
    return {"has_place": has_place, "polls": polls}
