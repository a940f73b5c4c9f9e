"""First step of a billing run: put its close marker into every lane."""

from collections.abc import Mapping
from typing import Any

from functions.application.metering.ledger.close_lanes import close_lanes
from functions.handlers import settings
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, metering


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{run_id} -> {marker, lanes, polls, is_done}: what the counting step starts from."""
    marker = str(payload["run_id"])
    close_lanes(metering.event_stream(), marker, settings.lanes(), int(base.clock().now().timestamp()))
    return {"marker": marker, "lanes": settings.lanes(), "counted": 0, "polls": 0, "is_done": False}
