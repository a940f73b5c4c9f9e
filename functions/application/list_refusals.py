"""What was not counted and why, newest first, a page at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from functions.application.ports.registry import Refusals
from functions.domain.metering.refusal import KeptRefusal, time_of

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
    tenant: str, wanted: RefusalFilter, *, cursor: str | None, limit: int, refusals: Refusals
) -> RefusalPage:
    """Up to `limit` refusals; fewer, and still a cursor, when too many others would have to be read for more."""
    items: list[KeptRefusal] = []
    for examined, refusal in enumerate(_in_order(tenant, wanted, cursor, limit, refusals), 1):
        if not wanted.codes or refusal.code in wanted.codes:
            items.append(refusal)
        if len(items) == limit or examined == MAX_EXAMINED:
            return RefusalPage(items, refusal.id)
    return RefusalPage(items, None)


def _in_order(
    tenant: str, wanted: RefusalFilter, cursor: str | None, page_size: int, refusals: Refusals
) -> Iterator[KeptRefusal]:
    first, last = int(wanted.start.timestamp()), int(wanted.end.timestamp())
    if cursor is not None:
        last = min(last, time_of(cursor))
    if first > last:
        return
    for day in range(last // DAY, first // DAY - 1, -1):
        date = datetime.fromtimestamp(day * DAY, UTC).date()
        yield from refusals.of_day(tenant, date, first=first, last=last, before=cursor, page_size=page_size)
