"""Every minute: how old is the newest heartbeat that was counted? Then one more is put into every lane.

It says so without the consumer of the stream, whose own metrics end when nobody invokes it.
"""

from functions import names
from functions.application.metering.ledger.close_lanes import close_lanes
from functions.application.metering.ledger.heartbeat_age import heartbeat_age
from functions.domain.metering.values.event import HEARTBEAT
from functions.handlers import log, metrics, settings
from functions.handlers.wiring import base, metering


def handler(_payload: object, _context: object) -> dict[str, int | None]:
    """-> {age, lanes}; no age, and no metric, before every lane has counted its first."""
    now, lanes = int(base.clock().now().timestamp()), settings.lanes()
    age = heartbeat_age(metering.heartbeats().counted(), lanes, now)
    if age is None:
        log.write("WARNING", "no heartbeat was counted in every lane", lanes=lanes)
    else:
        metrics.write("heartbeat", {names.METRIC_HEARTBEAT_AGE: age})
    close_lanes(metering.event_stream(), HEARTBEAT, lanes, now)
    return {"age": age, "lanes": lanes}
