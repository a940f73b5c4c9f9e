"""A backfill's work, once every lane knows the meter: pieces of lanes for the map."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from functions.application.metering.meters.plan_backfill import plan_backfill
from functions.handlers import settings
from functions.handlers.edge.step import step
from functions.handlers.wiring import metering


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, meter_id, run, run_id} -> {items, count}; nothing to do for a run that is no longer the meter's."""
    ledger = metering.ledger()
    run = ledger.backfill(str(payload["tenant"]), str(payload["meter_id"]))
    if run is None or run.run_id != payload["run_id"]:
        return {"items": [], "count": 0}
    ahead = settings.accept_ahead_seconds()
    work = plan_backfill(run, run.run_id, settings.lanes(), ahead, log=ledger, histories=ledger)
    return {"items": [asdict(each) for each in work], "count": len(work)}
