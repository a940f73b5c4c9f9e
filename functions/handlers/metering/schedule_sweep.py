"""Scheduled: finishes what a dead writer left in lanes that have no traffic to do it."""

from functions import names
from functions.application.metering.ledger.tell_lag import lag_of
from functions.handlers import metrics, settings
from functions.handlers.wiring import base, metering


def handler(_payload: object, _context: object) -> dict[str, int]:
    ledger, writer = metering.ledger(), metering.lane_writer()
    behind: dict[int, int] = {}
    failures: list[Exception] = []
    for lane in range(settings.lanes()):
        lag = lag_of(ledger, lane, base.clock().now())
        if lag:
            behind[lane] = lag
            try:
                writer.help(lane)
            except Exception as error:  # the other lanes are not to wait for this one
                failures.append(error)
    metrics.write("lanes swept", {names.METRIC_LANE_LAG: max(behind.values(), default=0)}, helped=len(behind))
    if failures:
        raise failures[0]
    return {"lanes": settings.lanes(), "helped": len(behind)}
