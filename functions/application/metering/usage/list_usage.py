"""Who and what has used a meter, from the counters alone: its subjects and the values of its dimensions.

Counters know half hours, so everything in the half hours that a range touches is listed.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from functions.application.metering.usage.code_book import CodeBook
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.metering.usage.read_counters import PAGES_OF_A_GLANCE, CounterReader
from functions.application.metering.usage.read_history import PastReader
from functions.application.metering.usage.usage_bounds import Bounds, Budget
from functions.application.metering.usage.walk_owners import OwnerWalk
from functions.application.ports.ledger import LedgerReader
from functions.domain.errors import TooLarge
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.usage.grid import Grid
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.lanes import Lanes

SUBJECT = "subject"


@dataclass(frozen=True)
class SubjectPage:
    """Subjects in order, and where to go on after the last one that was looked at; None when there are no more."""

    subjects: list[str]
    next_after: str | None


class UsageLister:
    def __init__(self, ledger: LedgerReader, book: CodeBook, lanes: Lanes, bounds: Bounds) -> None:
        self._ledger = ledger
        self._book = book
        self._lanes = lanes
        self._bounds = bounds

    def subjects(self, query: UsageQuery, after: str) -> SubjectPage:
        """The subjects with usage in the range, from those behind `after`; looks at so many as one call may."""
        query = replace(_to_half_hours(query), group_by=(SUBJECT,))
        counters, past, walk = self._readers(query, after)
        found = [str(owner[1]) for owner in walk if counters.has_usage(owner) or past.has_usage(owner)]
        return SubjectPage(found, walk.next_after)

    def has_usage(self, query: UsageQuery) -> bool:
        """Has anybody usage in the range, or any of the subjects that are named? Raises TooLarge."""
        counters, past, walk = self._readers(_to_half_hours(query))
        return any(counters.has_usage(owner) or past.has_usage(owner) for owner in walk)

    def group_values(self, query: UsageQuery, dimension: str, most: int) -> list[str]:
        """The values a dimension had in the range, in order; raises TooLarge when there are more than `most`."""
        counters, past, walk = self._readers(_to_half_hours(query))
        values: set[str] = set()
        for owner in walk:
            values.update(code.groups.get(dimension, "") for code in counters.used_codes(owner))
            values.update(groups.get(dimension, "") for groups in past.groups(owner))
        if len(values - {""}) > most:
            raise TooLarge(f"{dimension} has more than {most} values in this range; choose a shorter range.")
        return sorted(values - {""})

    def _readers(self, query: UsageQuery, after: str | None = None) -> tuple[CounterReader, PastReader, OwnerWalk]:
        grid, budget = Grid(query), Budget(self._bounds)
        counters = CounterReader(CurrentPages(self._ledger, query.tenant), self._book, self._lanes, query, grid, budget)
        past = PastReader(self._ledger, query, grid, budget)
        ledger, lanes, bounds = self._ledger, self._lanes, self._bounds
        glance = PAGES_OF_A_GLANCE
        walk = OwnerWalk(ledger, lanes, query, grid, counters, past, bounds, after=after, at_once=glance)
        return counters, past, walk


def _to_half_hours(query: UsageQuery) -> UsageQuery:
    start, end = query.first_second, query.end_second
    return replace(
        query,
        period_from=None if start is None else _instant(start - start % WINDOW_SECONDS),
        period_to=None if end is None else _instant(end + -end % WINDOW_SECONDS),
    )


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
