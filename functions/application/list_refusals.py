"""What was not counted and why, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from functions.application.ports.registry import Refusals

# One query per day; an answer that has to look at more days than this would take seconds.
MAX_DAYS = 100


@dataclass(frozen=True)
class RefusalPage:
    """`cursor` continues behind the last one; None when there is no more."""

    items: list[dict[str, Any]]
    cursor: str | None


def list_refusals(
    tenant: str, start: datetime, end: datetime, *, cursor: str | None, limit: int, refusals: Refusals
) -> RefusalPage:
    """Refusals of events whose day, in UTC, lies in [start, end]; at most MAX_DAYS of them."""
    first, day = start.astimezone(UTC).date(), end.astimezone(UTC).date()
    assert (day - first).days <= MAX_DAYS, (start, end)
    after: str | None = None
    if cursor is not None:
        cursor_day, _, after = cursor.partition("/")
        day = min(day, date.fromisoformat(cursor_day))
    items: list[dict[str, Any]] = []
    while day >= first:
        found = refusals.of_day(tenant, day, after=after or None, limit=limit - len(items))
        items += found
        if len(items) == limit:
            return RefusalPage(items, f"{day}/{found[-1]['id']}")
        day, after = day - timedelta(days=1), None
    return RefusalPage(items, None)
