"""What was not counted and why, newest first, a page at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from functions.application.metering.events.further_rejects import Further, Objects, Spent, is_among_further
from functions.application.ports.events import Refusals
from functions.domain.metering.ledger.reject import KeptRefusal, time_of

# One query per day; an answer that has to look at more days than this would take seconds.
MAX_DAYS = 100
DAY = 86_400
MAX_EXAMINED = 2_000  # refusals that a filter leaves out cost reading too


@dataclass(frozen=True)
class RefusalFilter:
    """By the time of the event, or of arrival where there is none: both ends included; no codes are all codes."""

    start: datetime
    end: datetime
    codes: Collection[str] = ()

    def __post_init__(self) -> None:
        assert (self.end - self.start).days <= MAX_DAYS, (self.start, self.end)


@dataclass(frozen=True)
class RefusalPage:
    """`cursor` continues behind the last one that was looked at; None when there is no more."""

    items: list[KeptRefusal]
    cursor: str | None


def list_refusals(
    tenant: str, wanted: RefusalFilter, *, cursor: str | None, limit: int, refusals: Refusals, further: Further
) -> RefusalPage:
    """Up to `limit` refusals; fewer, and still a cursor, when too many others would have to be read for more."""
    items: list[KeptRefusal] = []
    try:
        for examined, refusal in enumerate(_in_order(tenant, wanted, cursor, limit, refusals, further), 1):
            if not wanted.codes or refusal.code in wanted.codes:
                items.append(refusal)
            if len(items) == limit or examined == MAX_EXAMINED:
                return RefusalPage(items, refusal.place or refusal.id)
    except Spent as spent:
        return RefusalPage(items, spent.place)
    return RefusalPage(items, None)


def _in_order(
    tenant: str,
    wanted: RefusalFilter,
    cursor: str | None,
    page_size: int,
    refusals: Refusals,
    further: Further,
) -> Iterator[KeptRefusal]:
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
            yield from refusals.of_day(tenant, date, first=first, last=until, before=cursor, page_size=page_size)
        yield from further.of_day(tenant, day, first, last, cursor if is_begun else None, budget)
