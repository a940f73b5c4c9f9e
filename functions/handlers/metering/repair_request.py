"""{repair, lane, day, apply?, after?}: an operator asks for the repair of a lane's archived objects of a day."""

from collections.abc import Mapping
from typing import Any

from functions.domain.errors import InvalidInput
from functions.domain.metering.ledger.archive_repair import Damage
from functions.handlers import log
from functions.handlers.metering.lane_day import day_of, lane_of
from functions.handlers.wiring import base, metering

SPARE_MILLISECONDS = 60_000  # an object is read, copied and written in less
MAX_KEY = 200


def answer(payload: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """{lane, day, applied, objects, damaged, nextAfter}: `nextAfter` is the `after` of the call that goes on."""
    if payload["repair"] != "archive":
        raise InvalidInput("repair is archive: nothing else can be repaired.")
    is_applied, after = payload.get("apply", False), payload.get("after", "")
    if type(is_applied) is not bool:
        raise InvalidInput("apply is true or false.")
    if type(after) is not str or len(after) > MAX_KEY:
        raise InvalidInput("after is the nextAfter of an earlier answer.")
    lane, day = lane_of(payload.get("lane")), day_of(payload.get("day"), base.clock().now().date())
    result = metering.repairer().repair(
        lane,
        day,
        is_applied=is_applied,
        after=after,
        has_time=lambda: int(context.get_remaining_time_in_millis()) > SPARE_MILLISECONDS,
    )
    shown = {
        "lane": result.lane,
        "day": result.day.isoformat(),
        "applied": is_applied,
        "objects": result.objects,
        "damaged": [_damage(each) for each in result.damaged],
        "nextAfter": result.next_after,
    }
    log.write("INFO", "archive repaired", **shown | {"damaged": [each.key for each in result.damaged]})
    return shown


def _damage(damage: Damage) -> dict[str, Any]:
    return {
        "key": damage.key,
        "lines": damage.lines,
        "aside": damage.aside,
        "lost": damage.lost,
        "events": [{"tenant": tenant, "id": event_id} for tenant, event_id in damage.events],
        "reason": damage.reason,
    }
