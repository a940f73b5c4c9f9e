"""Scheduled: audits yesterday, lane after lane; or one lane of a day is audited or repaired, as an operator asks."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

from functions import names
from functions.application.metering.audit.audit_day import audit_day
from functions.handlers import metrics, settings
from functions.handlers.metering import repair_request
from functions.handlers.metering.audit_json import shown_audit
from functions.handlers.metering.lane_day import day_of, lane_of
from functions.handlers.wiring import base, metering

SPARE_MILLISECONDS = 15_000


def handler(payload: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """{lane, day?} -> the audit of that lane (`goesOn`: ask again for the rest);
    {repair, lane, day?, apply?, after?} -> the repair of its archived objects;
    anything else -> {day, audited, left, differences} of yesterday.
    """
    today = base.clock().now().date()
    if "repair" in payload:
        return repair_request.answer(payload, context)
    remaining = [int(context.get_remaining_time_in_millis())]

    def has_time() -> bool:
        """Would another part fit that takes twice as long as the longest so far?"""
        remaining.append(int(context.get_remaining_time_in_millis()))
        longest = max(before - after for before, after in pairwise(remaining))
        return remaining[-1] > 2 * longest + SPARE_MILLISECONDS

    if "lane" in payload:
        result = metering.auditor().audit(lane_of(payload["lane"]), day_of(payload.get("day"), today), has_time)
        if not result.going_on:
            _tell(result.difference_count, lane=result.lane, day=result.day)
        return shown_audit(result) | {"goesOn": result.going_on is not None}

    _tell_failed_batches()
    done = audit_day(
        today - timedelta(days=1), settings.lanes(), metering.auditor(), metering.audit_results(), has_time
    )
    answer = {"audited": done.audited, "left": done.left}
    _tell(done.differences, day=done.day.isoformat(), **answer)
    return {"day": done.day.isoformat(), **answer, "differences": done.differences}


def _tell_failed_batches() -> None:
    """They stay until somebody has counted them, and so does the alarm."""
    metrics.write("failed batches", {names.METRIC_FAILED_BATCHES: metering.failed_batches().count()})


def _tell(differences: int, **fields: Any) -> None:
    metrics.write("lanes audited", {names.METRIC_AUDIT_DIFFERENCE: differences}, **fields)
