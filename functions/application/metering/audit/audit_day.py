"""Auditing the lanes of a day one after another, as far as the time of one call goes; the next call goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from functions.application.metering.audit.audit_lane import LaneAuditor
from functions.application.ports.audit import AuditResults


@dataclass(frozen=True)
class DayAudited:
    """`left`: lanes that no call has audited yet; `differences` are those that this call found."""

    day: date
    audited: int
    left: int
    differences: int


def audit_day(
    day: date, lanes: int, auditor: LaneAuditor, results: AuditResults, has_time: Callable[[], bool]
) -> DayAudited:
    """Lanes that have a result of the day are not audited again; one that had no time to end goes on first."""
    known = {result.lane for result in results.of_day(day.isoformat())}
    waiting = [lane for lane in range(lanes) if lane not in known]
    audited = differences = 0
    for lane in waiting:
        if not has_time():
            break
        result = auditor.audit(lane, day, has_time)
        if result.going_on:
            break
        differences += result.difference_count
        audited += 1
    return DayAudited(day, audited, len(waiting) - audited, differences)
