"""What was not counted and why, newest first, a page at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from functions.application.metering.events.further_rejects import Further, Objects, Spent, is_among_further
from functions.application.ports.events import Rejects
from functions.domain.metering.ledger.reject import StoredReject, time_of

# One query per day; an answer that has to look at more days than this would take seconds.
MAX_DAYS = 100
DAY = 86_400
MAX_EXAMINED = 2_000  # rejects that a filter leaves out cost reading too


@dataclass(frozen=True)
class RejectFilter:
    """By the time of the event, or of arrival where there is none: both ends included; no codes are all codes."""

    start: datetime
    end: datetime
    codes: Collection[str] = ()

    def __post_init__(self) -> None:
        assert (self.end - self.start).days <= MAX_DAYS, (self.start, self.end)


@dataclass(frozen=True)
class RejectPage:
    """`cursor` continues behind the last one that was looked at; None when there is no more."""

    items: list[StoredReject]
    cursor: str | None


def list_rejects(
    tenant: str, wanted: RejectFilter, *, cursor: str | None, limit: int, rejects: Rejects, further: Further
) -> RejectPage:
    """Up to `limit` rejects; fewer, and still a cursor, when too many others would have to be read for more."""
    items: list[StoredReject] = []
    try:
        for examined, reject in enumerate(_in_order(tenant, wanted, cursor, limit, rejects, further), 1):
            if not wanted.codes or reject.code in wanted.codes:
                items.append(reject)
            if len(items) == limit or examined == MAX_EXAMINED:
                return RejectPage(items, reject.position or reject.id)
    except Spent as spent:
        return RejectPage(items, spent.position)
    return RejectPage(items, None)


def _in_order(
    tenant: str,
    wanted: RejectFilter,
    cursor: str | None,
    page_size: int,
    rejects: Rejects,
    further: Further,
) -> Iterator[StoredReject]:
    """Day by day those listed one by one, and behind them the others of the day."""
    first, last = int(wanted.start.timestamp()), int(wanted.end.timestamp())
    newest, budget = last // DAY, Objects()
    if cursor is not None:
        newest = min(newest, time_of(cursor) // DAY)
    for day in range(newest, first // DAY - 1, -1):
        is_begun = cursor is not None and time_of(cursor) // DAY == day
        if not (is_begun and is_among_further(cursor or "")):
            date, until = datetime.fromtimestamp(day * DAY, UTC).date(), last
            if is_begun and cursor is not None:
                until = min(last, time_of(cursor))
            yield from rejects.of_day(tenant, date, first=first, last=until, before=cursor, page_size=page_size)
        yield from further.of_day(tenant, day, first, last, cursor if is_begun else None, budget)
