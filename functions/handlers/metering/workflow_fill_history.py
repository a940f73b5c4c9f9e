"""One worker of a backfill, called again until its piece of work is done."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from functions.application.metering.meters.queue_backfill import renew_slot
from functions.domain.metering.ledger.history import HistoryWork, run_id
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, metering

WORK_SECONDS = 300  # then another call goes on; the stretch at hand may take its time on top


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, meter_id, run, work} -> the same with the work that is left, and is_done."""
    until = time.monotonic() + WORK_SECONDS
    tenant, meter_id, run = str(payload["tenant"]), str(payload["meter_id"]), int(payload["run"])
    work = HistoryWork(**{name: int(value) for name, value in payload["work"].items()})
    renew_slot(run_id(meter_id, run), slots=metering.backfill_slots(), clock=base.clock())
    left = metering.history_filler().fill(tenant, meter_id, run, work, lambda: time.monotonic() > until)
    return {"tenant": tenant, "meter_id": meter_id, "run": run, "work": asdict(left), "is_done": left.is_done}
