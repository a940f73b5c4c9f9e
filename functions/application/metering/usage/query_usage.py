"""Answering usage questions exactly: whole half-hour windows from the counters, cut ones from the archived events."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from itertools import islice

from functions.application.metering.meters.fill_meter import is_partial
from functions.application.metering.usage.code_book import CodeBook
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.metering.usage.list_usage import SubjectPage, UsageLister
from functions.application.metering.usage.read_counters import CounterReader, Cuts, Owner
from functions.application.metering.usage.read_history import PastReader
from functions.application.metering.usage.read_log import LogReader, Overtaken
from functions.application.metering.usage.reads import Reads, own_reads, shared_reads
from functions.application.metering.usage.usage_bounds import Bounds, Budget
from functions.application.metering.usage.walk_owners import OwnerWalk
from functions.application.ports.ledger import ArchiveReader, LedgerReader
from functions.domain.errors import ArchiveGap, TooLarge, Unavailable
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.cells.tally import LevelTally, Tally, new_tally
from functions.domain.metering.usage.grid import Grid, Overhang
from functions.domain.metering.usage.level import in_one_group, level_times, level_total, level_values, until_now
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import BEFORE, Found, UsageRow, found_values, rows_of, together
from functions.domain.metering.values.lanes import Lanes
from functions.domain.metering.values.windows import Window, Windows, WindowSize
from functions.domain.period import Period

MINUTES_OF_A_WINDOW = WINDOW_SECONDS // 60
# Each is a question of its own, of some reads.
MAX_STRETCHES = 10_000
LEVELS_REMEDY = (
    "To know a level by the second, each second in which it changes is a row, and its event is read: choose a shorter "
    "billing cadence, change the level less often, or take a price that is not prorated."
)


@dataclass(frozen=True)
class UsagePage:
    """`next_after` is the last subject that was looked at where others are left, None where the answer is whole."""

    rows: list[UsageRow]
    next_after: str | None


class UsageReader:
    """Answers over one ledger and its archive."""

    def __init__(
        self, ledger: LedgerReader, archive: ArchiveReader, lanes: Lanes, bounds: Bounds | None = None
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes
        self._bounds = bounds or Bounds()
        self._book = CodeBook(ledger)
        self._lister = UsageLister(ledger, self._book, lanes, self._bounds)
        self._shared: Budget | None = None
        self._reads: Reads | None = None

    def sharing(self, remedy: str) -> "UsageReader":
        """The same reader for one request whose questions together read no more than one of them may."""
        found = copy(self)
        found._shared = Budget(self._bounds, remedy)
        return found

    def reading_once(self, tenant: str) -> "UsageReader":
        """The same reader for one invoice of the tenant, whose questions together read each thing once."""
        found = copy(self)
        found._reads = shared_reads(self._ledger, self._archive, self._book, tenant)
        return found

    def rows(self, query: UsageQuery, now: datetime) -> list[UsageRow]:
        """The rows of the answer, by window start; raises TooLarge when it would read too much."""
        try:
            return self.page(query, now).rows
        except TooLarge as error:
            if not query.pages_by_subject:
                raise
            by_page = "Or ask page by page: send `cursor`, empty at first, then as `nextCursor` has it."
            raise TooLarge(f"{error.detail} {by_page}") from error

    def page(self, query: UsageQuery, now: datetime, after: str | None = None) -> UsagePage:
        """The rows of all subjects, or with `after` (empty at first) of as many behind it as one call may read."""
        query, parts = until_now(query, now), self._parts(query, now, after)
        second, most = int(now.timestamp()), self._bounds.rows
        whole = _united([each.answer.whole_range(each.found, second) for each in parts], query, second)
        if query.is_of_level:
            values = level_values(((each.query, each.found) for each in parts), whole, most)
        else:
            values = found_values(query, together([each.found for each in parts], query, most), whole)
        return UsagePage(rows_of(query, values, whole, most), parts[0].answer.walk.next_after if parts else None)

    def is_partial(self, query: UsageQuery) -> bool:
        """Is the meter's history still being counted? Asked before the question itself, so that a no stays true."""
        return is_partial(query.tenant, query.meter, self._reads.past if self._reads else self._ledger)

    def require_whole(self, query: UsageQuery) -> None:
        """Raises Unavailable while the meter's history is not counted: for answers that cannot be taken back."""
        if self.is_partial(query):
            message = f"The history of meter {query.meter.slug!r} is not counted yet; see its backfill."
            raise Unavailable(message, retry_after_seconds=60, code="backfill_not_done")

    def total(self, query: UsageQuery, now: datetime) -> Decimal:
        """The whole range as one number, 0 when there is nothing."""
        parts = self._parts(query, now)
        if query.is_of_level:
            return level_total((each.query, each.found) for each in parts)
        total = new_tally(query.meter.aggregation, query.is_exact)
        for each in parts:
            for tally in each.found.tallies.values():
                total.add_tally(tally)
        return Decimal(0) if total.is_empty else total.answer(query.percent)

    def levels(self, query: UsageQuery, now: datetime) -> LevelTimes:
        """How long the level of all subjects and groups together was how high, to the second.

        Every half hour in which something changed is read from the log. Raises TooLarge where those are too many.
        """
        query = until_now(replace(query, is_by_second=True), now)
        assert query.end_second is not None
        reader = self if self._shared else self.sharing("choose a shorter range")
        try:
            parts = reader._parts(query, now)
            found = ((each.query, each.found) for each in parts)
            return level_times(found, query.end_second, self._bounds.rows)
        except TooLarge as error:
            if error.code == "too_large":
                raise TooLarge(f"{error.detail} {LEVELS_REMEDY}") from error
            raise

    def by_window(self, query: UsageQuery, now: datetime) -> list[tuple[Period, Decimal]]:
        """Each window as one number, of all subjects and groups together, in order; empty ones are left out."""
        assert query.window, "the whole range as one window is a total"
        parts = self._parts(query, now)
        if query.is_of_level:
            united = ((each.query, in_one_group(each.found)) for each in parts)
            of_all = level_values(united, BEFORE, self._bounds.rows)
            return sorted((_period(window), value) for (window, _), value in of_all.items())
        totals: dict[Window, Tally] = {}
        for each in parts:
            for (output, _), tally in each.found.tallies.items():
                assert output is not None
                totals.setdefault(output, new_tally(query.meter.aggregation, query.is_exact)).add_tally(tally)
        return [
            (_period(window), total.answer(query.percent))
            for window, total in sorted(totals.items())
            if not total.is_empty
        ]

    def _parts(self, query: UsageQuery, now: datetime, after: str | None = None) -> "list[_Part]":
        """What was found for the question, or where subjects changed hands in its range for each stretch of it."""
        queries = until_now(query, now).by_holder()
        if len(queries) > MAX_STRETCHES:
            message = f"Subjects changed hands more than {MAX_STRETCHES} times in the range; choose a shorter one."
            raise TooLarge(message, code="too_many_changes_of_hands")
        reader = (
            self if len(queries) == 1 or self._shared else self.sharing("choose a shorter range or fewer customers")
        )
        after = after if query.pages_by_subject else None
        return [_Part(each, *reader._found(each, after)) for each in queries]

    def _found(self, query: UsageQuery, after: str | None = None) -> "tuple[_Answer, Found]":
        answer = self._answer(query, after, takes_overhang=query.has_overhang)
        try:
            return answer, answer.found()
        except Overtaken:
            answer = self._answer(query, after, takes_overhang=False)
            return answer, answer.found()

    def _answer(self, query: UsageQuery, after: str | None, *, takes_overhang: bool) -> "_Answer":
        budget, grid = self._shared or Budget(self._bounds), Grid(query, takes_overhang=takes_overhang)
        reads = self._reads or own_reads(self._ledger, self._archive, self._book, query)
        assert reads.tenant == query.tenant, "one invoice is of one tenant"
        counters = CounterReader(reads.pages, reads.codes, self._lanes, query, grid, budget)
        past, heads = PastReader(reads.past, query, grid, budget), Heads(reads.pages)
        log, behind = (
            LogReader(reads.index, reads.objects, self._lanes, query, each, counters.codes, until)
            for each, until in ((grid, None), (Overhang(query), heads))
        )
        walk = OwnerWalk(self._ledger, self._lanes, query, grid, counters, past, self._bounds, after=after)
        return _Answer(query, walk, counters, past, log, behind, heads, budget)

    def subjects(self, query: UsageQuery, after: str) -> SubjectPage:
        return self._lister.subjects(query, after)

    def has_usage(self, query: UsageQuery) -> bool:
        return self._lister.has_usage(query)

    def group_values(self, query: UsageQuery, dimension: str, most: int) -> list[str]:
        return self._lister.group_values(query, dimension, most)

    def applied(self, tenant: str, subjects: tuple[str, ...]) -> dict[int, int]:
        """The lanes of the subjects with the last commit their counters hold."""
        pages = self._reads.pages if self._reads else CurrentPages(self._ledger, tenant)
        return {lane: pages.settled(lane) for lane in sorted({self._lanes.lane_of(tenant, s) for s in subjects})}


def query_usage(reader: UsageReader, query: UsageQuery, now: datetime, after: str | None = None) -> UsagePage:
    """All of it, or with `after` (empty at first) a page."""
    return UsagePage(reader.rows(query, now), None) if after is None else reader.page(query, now, after)


@dataclass(frozen=True)
class _Part:
    query: UsageQuery
    answer: "_Answer"
    found: Found


def _united(ranges: Sequence[Window], query: UsageQuery, now: int) -> Window:
    """The range that is shown of all stretches together."""
    start, end = query.first_second, query.end_second
    if len(ranges) == 1:
        return ranges[0]
    first = min((low for low, _ in ranges), default=now if end is None else end) if start is None else start
    last = max((high for _, high in ranges), default=now) if end is None else end
    return first, last


def _period(window: Window) -> Period:
    start, end = (datetime.fromtimestamp(second, UTC) for second in window)
    return Period(start, end)


class Heads(dict[int, int]):
    """By lane the last commit that its counters surely held before any of them was read."""

    def __init__(self, pages: CurrentPages) -> None:
        super().__init__()
        self._pages = pages

    def learn(self, lane: int) -> None:
        if lane not in self:
            self[lane] = self._pages.settled(lane)


class _Answer:
    """One question on its way through counters, history and log."""

    def __init__(
        self,
        query: UsageQuery,
        walk: OwnerWalk,
        counters: CounterReader,
        past: PastReader,
        log: LogReader,
        behind: LogReader,
        heads: "Heads",
        budget: Budget,
    ) -> None:
        self._query = query
        self.walk = walk
        self._counters = counters
        self._past = past
        self._log = log
        self._behind = behind
        self._heads = heads
        self._rows = 0
        self._budget = budget

    def found(self) -> Found:
        found = self._nothing()
        cuts: Cuts = {}
        if self._query.has_overhang:
            self._counters.learn(self.walk.lanes())
            for lane in self.walk.lanes():
                self._heads.learn(lane)
        for owner in self.walk:
            if self._query.pages_by_subject:
                if not self._has_taken(found, cuts, owner):
                    break
            else:
                self._read(found, cuts, owner)
        self._log.read(found, cuts, self._budget)
        if found.overhang:
            self._subtract_overhang(found)
        return found

    def _nothing(self) -> Found:
        return Found(self._query.meter.aggregation, self._query.is_exact, self._budget.bounds.rows)

    def _has_taken(self, found: Found, cuts: Cuts, owner: Owner) -> bool:
        """Adds an owner's usage, or leaves it for the next page where it would be too much for this one."""
        theirs, their_cuts = self._nothing(), Cuts()
        try:
            self._read(theirs, their_cuts, owner)
        except TooLarge:
            if self.walk.stop_before(owner):
                return False
            raise
        rows = self._rows_of(theirs, their_cuts)
        if self._rows + rows > found.max_rows // 2 and self.walk.stop_before(owner):
            return False
        self._rows += rows
        found.take(theirs)
        for lane, windows in their_cuts.items():
            for window, subjects in windows.items():
                cuts.setdefault(lane, {}).setdefault(window, set()).update(subjects)
        return True

    def _rows_of(self, theirs: Found, cuts: Cuts) -> int:
        """How many rows an owner comes to, about: the log, zeros and levels that last make more than were found."""
        rows_of_a_cut = MINUTES_OF_A_WINDOW if self._query.window == WindowSize.MINUTE else 2
        rows = len(theirs.tallies) + rows_of_a_cut * sum(map(len, cuts.values()))
        if rows and (self._query.fills_zero or self._query.is_of_level):
            rows = max(rows, self._windows * len({group for _, group in theirs.tallies}))
        return rows

    @cached_property
    def _windows(self) -> int:
        """Of the whole range, as far as they matter."""
        start, end, size = self._query.first_second, self._query.end_second, self._query.window
        if start is None or end is None or size is None:
            return 1
        between = Windows(WindowSize(size), self._query.time_zone).between(start, end)
        return sum(1 for _ in islice(between, self._budget.bounds.rows))

    def _read(self, found: Found, cuts: Cuts, owner: Owner) -> None:
        outdated = self._past.begin(owner)
        self._counters.read(found, cuts, owner, outdated)
        self._past.read(found, cuts, owner)

    def _subtract_overhang(self, found: Found) -> None:
        """Usually next to nothing is behind the end, which mostly is now: cheaper than the half hour from the log."""
        assert self._query.end_second is not None
        window = self._query.end_second // WINDOW_SECONDS
        cuts: Cuts = {}
        for lane, subject in found.overhang:
            cuts.setdefault(lane, {}).setdefault(window, set()).add(subject)
        behind = Found(found.aggregation, max_rows=found.max_rows)
        self._behind.read(behind, cuts, self._budget)
        for (output, group), tally in behind.tallies.items():
            into = found.tally(output, group)
            assert isinstance(into, LevelTally)
            assert isinstance(tally, LevelTally)
            into.subtract(tally)

    def whole_range(self, found: Found, now: int) -> Window:
        """What is shown as the range of an answer without windows: an open side ends with its events, to the minute."""
        start, end = self._query.first_second, self._query.end_second
        if found.first is None or found.last is None:
            end = now if end is None else end
            return (end if start is None else start), end
        if self._query.window or (start is not None and end is not None):
            return start or 0, end or 0
        first, last = found.first, found.last
        if not self._query.is_exact:  # then both are of events already
            first, last = self._first_and_last(first, last)
        return (first - first % 60 if start is None else start), (last - last % 60 + 60 if end is None else end)

    def _first_and_last(self, first: int, last: int) -> tuple[int, int]:
        """Of the open sides to the second, by the events of the outermost windows.

        To the half hour where those are very many or gone.
        """
        sides = (self._query.first_second, first), (self._query.end_second, last)
        outermost = {second // WINDOW_SECONDS for asked, second in sides if asked is None}
        cuts: Cuts = {}
        for lane, subject in self.walk.met:
            for window in outermost:
                cuts.setdefault(lane, {}).setdefault(window, set()).add(subject)
        bounds = replace(self._budget.bounds, objects=self._budget.bounds.range_objects)
        try:
            return self._log.first_and_last(cuts, Budget(bounds)) or (first, last)
        except (TooLarge, ArchiveGap):
            return first, last
