"""The last step of a backfill: store how it ended, well or not, for callers that ask."""

from collections.abc import Mapping
from typing import Any

from functions.application.metering.meters.end_backfill import end_backfill
from functions.application.metering.meters.queue_backfill import release_slot
from functions.domain.metering.ledger.history import Status, run_id
from functions.handlers import log
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, metering


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, meter_id, run, error?} -> {status, is_done}."""
    tenant, meter_id, run = str(payload["tenant"]), str(payload["meter_id"]), int(payload["run"])
    ended = end_backfill(tenant, meter_id, run, payload.get("error"), histories=metering.ledger(), clock=base.clock())
    release_slot(run_id(meter_id, run), slots=metering.backfill_slots())
    status = str(ended.status) if ended else "unknown"
    is_done = ended is not None and (ended.run != run or ended.status is Status.DONE)
    level = "INFO" if is_done else "ERROR"
    log.write(level, "backfill ended", tenant=tenant, meter_id=meter_id, run=run, status=status)
    return {"status": status, "is_done": is_done}
