"""Whose counters a question reads: the lanes' totals, the subjects it names, or page by page those with usage.

The directories of the lanes have every subject that ever sent an event. A lane whose totals show nothing of the meter
in the range is left out; where they show it in a few pages, those alone are read of each of its subjects, a hundred by
one request; else each subject costs a request of its own. A call makes so many requests and no more, and what it has
not come to is for the next.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from itertools import islice

from functions.application.metering.usage.read_counters import (
    KEYS_OF_A_REQUEST,
    PICKING_PAYS_FROM,
    CounterReader,
    Owner,
)
from functions.application.metering.usage.read_history import PastReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.application.ports.ledger import LedgerReader
from functions.domain.errors import TooLarge
from functions.domain.metering.usage.grid import Grid
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.lanes import Lanes

READERS = 8
SUBJECTS_AT_ONCE = 200  # of a lane's directory
OWNERS_AHEAD = 200  # whose first pages are held in memory


class OwnerWalk:
    """The owners of one question, each with what was read ahead of it.

    Behind the walk `next_after` says where the next one goes on; None if everybody was met.
    """

    def __init__(
        self,
        ledger: LedgerReader,
        lanes: Lanes,
        query: UsageQuery,
        grid: Grid,
        counters: CounterReader,
        past: PastReader,
        bounds: Bounds,
        *,
        after: str | None = None,
        at_once: int | None = None,
    ) -> None:
        """With `after` (empty at first) the walk may end early, behind at least one subject."""
        self._ledger, self._lanes, self._query, self._grid = ledger, lanes, query, grid
        self._counters, self._past = counters, past
        self._most, self._after, self._at_once = bounds.reads, after, at_once
        self._used: dict[int, Sequence[tuple[int, int]] | None] = {}
        self._has_history: dict[int, bool] = {}
        self.reads = 0
        self.next_after: str | None = None
        self.met: list[Owner] = []

    @property
    def may_end_early(self) -> bool:
        return self._after is not None

    def lanes(self) -> list[int]:
        """All that may be walked through."""
        if self._query.names_subjects:
            return sorted({self._lanes.lane_of(self._query.tenant, name) for name in self._grid.asked_subjects})
        return list(range(self._lanes.count))

    def __iter__(self) -> Iterator[Owner]:
        self._counters.learn(self.lanes())
        for owner in self._owners():
            self.met.append(owner)
            yield owner

    def stop_before(self, owner: Owner) -> bool:
        """Leaves an owner for the next walk; False where there is none, or where nobody was met before."""
        if not self.may_end_early or len(self.met) <= 1:
            return False
        assert self.met[-1] == owner
        self.met.pop()
        self.next_after = self.met[-1][1]
        return True

    def _owners(self) -> Iterator[Owner]:
        query = self._query
        if not query.is_by_subject and not query.names_subjects:
            yield from ((lane, None) for lane in range(self._lanes.count))
            return
        with ThreadPoolExecutor(READERS) as pool:
            if query.names_subjects:
                named = ((self._lanes.lane_of(query.tenant, name), name) for name in self._grid.asked_subjects)
                while some := list(islice(named, OWNERS_AHEAD)):
                    self._read_ahead(some, pool)
                    yield from some
                return
            yield from self._found(pool)

    def _found(self, pool: ThreadPoolExecutor) -> Iterator[Owner]:
        directories = (self._directory(lane) for lane in range(self._lanes.count) if self._is_used(lane))
        found = merge(*directories, key=lambda owner: str(owner[1]))
        last: str | None = None
        while some := list(islice(found, OWNERS_AHEAD)):
            if last is not None and self.reads + self._cost(some) > self._most:
                if not self.may_end_early:
                    raise TooLarge(f"Finding out which subjects have usage takes more than {self._most} reads.")
                self.next_after = last
                return
            self._read_ahead(some, pool)
            yield from some
            last = some[-1][1]

    def _is_used(self, lane: int) -> bool:
        """Has anybody of the lane usage of the meter in the range, as far as a look at its totals can tell?"""
        self.reads += 1
        used = self._used[lane] = self._counters.used_pages(lane, PICKING_PAYS_FROM)
        history = self._has_history[lane] = self._past.is_in(lane)
        return used is None or bool(used) or history

    def _directory(self, lane: int) -> Iterator[Owner]:
        after = self._after or ""
        while True:
            self.reads += 1
            subjects = self._ledger.subjects(self._query.tenant, lane, SUBJECTS_AT_ONCE, after)
            yield from ((lane, subject) for subject in subjects)
            if len(subjects) < SUBJECTS_AT_ONCE:
                return
            after = subjects[-1]

    def _cost(self, owners: Sequence[Owner]) -> int:
        """How many requests reading them takes, about."""
        keys = sum(len(self._used[lane] or ()) for lane, _ in owners)
        alone = sum(self._used[lane] is None for lane, _ in owners) * self._counters.reads_of_an_owner
        return -(-keys // KEYS_OF_A_REQUEST) + alone + sum(self._has_history[lane] for lane, _ in owners)

    def _read_ahead(self, owners: Sequence[Owner], pool: ThreadPoolExecutor) -> None:
        """History before counters: the log answers what the history leaves out, and reads counters' windows with it."""
        with_history = [owner for owner in owners if self._has_history.get(owner[0], True)]
        self._past.read_ahead(with_history, pool)
        self._past.nothing_of(set(owners) - set(with_history))
        alone: list[Owner] = []
        for lane in sorted({lane for lane, _ in owners}):
            theirs, used = [owner for owner in owners if owner[0] == lane], self._used.get(lane)
            if used is None:
                alone += theirs
            else:
                self.reads += -(-len(theirs) * len(used) // KEYS_OF_A_REQUEST)
                self._counters.pick_ahead(theirs, used, pool)
        self.reads += len(alone) * self._counters.reads_of_an_owner + len(with_history)
        self._counters.read_ahead(alone, pool, self._at_once)
