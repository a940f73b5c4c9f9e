"""Who and what has used a meter, from the counters alone: its subjects and the values of its dimensions.

Counters know half hours, so everything in the half hours that a range touches is listed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice

from functions.application.code_book import CodeBook
from functions.application.ports.ledger import LedgerReader
from functions.application.read_counters import CounterReader
from functions.application.read_history import PastReader
from functions.application.usage_bounds import Bounds, Budget
from functions.domain.errors import TooLarge
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.pages import WINDOW_SECONDS
from functions.domain.metering.placing import Placing
from functions.domain.metering.usage import UsageQuery

SUBJECTS_AT_ONCE = 200  # of a lane's directory


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
        query, most = _to_half_hours(query), self._bounds.subjects
        counters, past = self._readers(query)
        directory = merge(*(self._directory(query.tenant, lane, after) for lane in range(self._lanes.count)))
        looked_at = list(islice(directory, most + 1))
        owners = [(self._lanes.lane_of(query.tenant, subject), subject) for subject in looked_at[:most]]
        found = [owner[1] for owner in owners if counters.has_usage(owner) or past.has_usage(owner)]
        return SubjectPage(found, looked_at[most - 1] if len(looked_at) > most else None)

    def _directory(self, tenant: str, lane: int, after: str) -> Iterator[str]:
        while True:
            subjects = self._ledger.subjects(tenant, lane, SUBJECTS_AT_ONCE, after)
            yield from subjects
            if len(subjects) < SUBJECTS_AT_ONCE:
                return
            after = subjects[-1]

    def group_values(self, query: UsageQuery, dimension: str, most: int) -> list[str]:
        """The values a dimension had in the range, in order; raises TooLarge when there are more than `most`."""
        query = _to_half_hours(query)
        counters, past = self._readers(query)
        values: set[str] = set()
        for owner in counters.owners():
            values.update(code.groups.get(dimension, "") for code in counters.used_codes(owner))
            values.update(groups.get(dimension, "") for groups in past.groups(owner))
        if len(values - {""}) > most:
            raise TooLarge(f"{dimension} has more than {most} values in this range; choose a shorter range.")
        return sorted(values - {""})

    def _readers(self, query: UsageQuery) -> tuple[CounterReader, PastReader]:
        placing, budget = Placing(query), Budget(self._bounds)
        counters = CounterReader(self._ledger, self._book, self._lanes, query, placing, budget)
        return counters, PastReader(self._ledger, query, placing, budget)


def _to_half_hours(query: UsageQuery) -> UsageQuery:
    start, end = query.first_second, query.end_second
    return replace(
        query,
        period_from=None if start is None else _instant(start - start % WINDOW_SECONDS),
        period_to=None if end is None else _instant(end + -end % WINDOW_SECONDS),
    )


def _instant(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
