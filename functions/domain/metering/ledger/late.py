"""Usage that was counted long after it happened: where billing measured before that, it has to look again.

What a commit counts is late when the half hour it belongs to ended half an hour before the commit was decided. So a
bill that was measured an hour after its period is told of everything that came for it since; one that was measured
earlier looks again once (`told_from`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from functions.domain.metering.cells.pages import FIRST_WINDOW, WINDOW_SECONDS, WINDOWS_PER_PAGE, PageDelta, parse_cell
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, Commit

LATE_SECONDS = 1_800
DAY_SECONDS = 86_400


class LateUsage(NamedTuple):
    """A subject's usage of a day (UTC, days since the epoch) changed late, in the hour `slot` since the epoch."""

    slot: int
    tenant: str
    day: int
    subject: str

    @property
    def since(self) -> datetime:
        return datetime.fromtimestamp(self.day * DAY_SECONDS, UTC)


def late_usage(commit: Commit) -> set[LateUsage]:
    """What of the commit, voided events too, came late; of a commit of fresh events nothing is looked at."""
    end = (commit.decided_at - LATE_SECONDS) // WINDOW_SECONDS
    if commit.oldest and not commit.voids and commit.oldest // WINDOW_SECONDS >= end:
        return set()
    slot = commit.decided_at // HOUR_SECONDS
    counted = (
        LateUsage(slot, page.key.tenant, _day(window), page.key.subject)
        for page in commit.pages
        if page.key.subject is not None and page.key.span * WINDOWS_PER_PAGE < end
        for window in _windows(page)
        if FIRST_WINDOW <= window < end
    )
    of_history = (
        LateUsage(slot, each.tenant, _day(each.window), each.subject)
        for each in commit.voided_history
        if each.window < end
    )
    return {*counted, *of_history}


def told_from(period_end: datetime) -> datetime:
    """Since when all that is counted for a period that ended then is late."""
    windows = -(-int(period_end.timestamp()) // WINDOW_SECONDS)
    return datetime.fromtimestamp(windows * WINDOW_SECONDS + LATE_SECONDS, UTC)


def _day(window: int) -> int:
    return window * WINDOW_SECONDS // DAY_SECONDS


def _windows(page: PageDelta) -> Iterator[int]:
    names = chain(
        *(page.sum, page.highest, page.lowest, page.latest, page.values, page.sketch),
        *(page.lost_highest, page.lost_lowest, page.lost_latest, page.dirty),
    )
    return (parse_cell(name, page.key.span)[0] for name in names)
