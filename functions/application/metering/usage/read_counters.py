"""Adding up counters: whole half-hour windows of a range, and which windows the log has to answer instead."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice
from typing import TypeVar

from functions.application.metering.usage.code_book import Codes
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.metering.usage.read_codes import MeterCodes
from functions.application.metering.usage.usage_bounds import Budget
from functions.domain.errors import TooLarge
from functions.domain.metering.cells.aggregation import DIRTY, Cell, Keep, Number, add
from functions.domain.metering.cells.pages import (
    COARSE_SECONDS,
    CODES_PER_PAGE,
    PAGE_SECONDS,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    Page,
    PageKey,
    parse_cell,
)
from functions.domain.metering.cells.tally import Tally
from functions.domain.metering.ledger.ledger import Code
from functions.domain.metering.usage.grid import Grid
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import BEFORE, Found, OutputWindow
from functions.domain.metering.values.lanes import Lanes

TAKES_OFF = {Keep.SUM, Keep.SKETCH}  # cells of other kinds may be dirty
LAST_SPAN = 999_999  # of the sort key's six digits
LAST_WINDOW = LAST_SPAN * WINDOWS_PER_PAGE

PAGES_OF_A_GLANCE = 25  # usually the first of them shows usage
# A page got alone costs a read unit of 4 KB, eight pages in a row one or two together.
PICKING_PAYS_FROM = 8
MAX_PICKED_PAGES = 5_000  # 50 requests; a quarter by one page number has 744
KEYS_OF_A_REQUEST = 100  # DynamoDB's bound of a batch
# What is read ahead of one owner; what is left of it is read when it is its turn.
PAGES_AHEAD, CHUNKS_AHEAD = 200, 20

Owner = tuple[int, str | None]  # lane, subject; None for the totals of a lane
# Lane and half-hour window, and the subjects (None: all) whose events in it have to be read.
Cuts = dict[int, dict[int, set[str | None]]]

Item = TypeVar("Item")
CellGroups = Mapping[int, tuple[Mapping[str, str], int]]  # by cell number the groups of its code, and its part
Span = tuple[Owner, int, int]


class CounterReader:
    """Reads what one query needs of the counters."""

    def __init__(
        self,
        pages: CurrentPages,
        book: Codes,
        lanes: Lanes,
        query: UsageQuery,
        grid: Grid,
        budget: Budget,
    ) -> None:
        self._current = pages
        self._book = book
        self._lanes = lanes
        self._query = query
        self._grid = grid
        self._budget = budget
        self._codes: dict[int, MeterCodes] = {}
        self._cell_groups: dict[int, CellGroups] = {}
        self._pages_ahead: dict[Span, Iterator[Page]] = {}
        self._values_ahead: dict[Owner, Iterator[tuple[PageKey, str, bytes]]] = {}
        self._parsed = lru_cache(maxsize=20_000)(_parsed)

    def learn(self, lanes: Sequence[int]) -> None:
        """Begins with the lanes that will be asked about."""
        self._current.learn(lanes)

    def codes(self, lane: int) -> MeterCodes:
        if lane not in self._codes:
            meter = self._query.meter
            self._codes[lane] = MeterCodes(self._book.codes(self._query.tenant, lane), meter.id, meter.aggregation)
        return self._codes[lane]

    def read(self, found: Found, cuts: Cuts, owner: Owner, dirty: Collection[int] = ()) -> None:
        """Adds an owner's whole windows to what was found; those with usage that are cut or dirty go to the cuts."""
        for window in self._read_owner(found, owner, frozenset(dirty)):
            cuts.setdefault(owner[0], {}).setdefault(window, set()).add(owner[1])

    def used_pages(self, lane: int, most: int) -> list[tuple[int, int]] | None:
        """Where the totals of a lane have something that was asked for: (span, page number); None if in too many.

        A commit that has changed a subject has changed the totals in the same cell_groups.
        """
        cell_groups = self.cell_groups(lane)
        if not cell_groups:
            return []
        if self._grid.coarse_end:
            return None
        if self._has_values:  # they may lie beside a page alone
            return None if self.has_usage((lane, None)) else []
        used: dict[tuple[int, int], None] = {}
        first, last = self._grid.spans(PAGE_SECONDS, LAST_SPAN)
        for page in self._current.pages(lane, None, first, last, PAGES_OF_A_GLANCE):
            if any(True for _ in self._cells_of(page, cell_groups)):
                used[page.key.span, page.key.number] = None
            if len(used) > most:
                return None
        return list(used)

    def pick_ahead(self, owners: Sequence[Owner], used: Collection[tuple[int, int]], pool: Executor) -> None:
        """Reads those pages of many owners, as many as one request may have at a time; they have no others."""
        keys = [PageKey(self._query.tenant, lane, subject, *output) for lane, subject in owners for output in used]
        requests = [keys[start : start + KEYS_OF_A_REQUEST] for start in range(0, len(keys), KEYS_OF_A_REQUEST)]
        held: dict[str | None, list[Page]] = {}
        for pages in pool.map(lambda some: list(self._current.read_pages(some)), requests):
            for page in pages:
                if page.stamp:
                    held.setdefault(page.key.subject, []).append(page)
        for owner in owners:
            pages = sorted(held.get(owner[1], ()), key=lambda page: page.key)
            self._pages_ahead[(owner, *self._grid.spans(PAGE_SECONDS, LAST_SPAN))] = iter(pages)

    def read_ahead(self, owners: Sequence[Owner], pool: Executor, at_once: int | None) -> None:
        """Begins to read all that is asked for of many owners."""
        spans = [(owner, *bounds) for owner in owners for bounds in self._segments(())]
        for span, pages in zip(spans, pool.map(lambda span: self._begun(span, at_once), spans), strict=True):
            self._pages_ahead[span] = pages
        if self._has_values:
            values = pool.map(lambda owner: begun(self._values(owner), CHUNKS_AHEAD), owners)
            self._values_ahead.update(zip(owners, values, strict=True))

    def _begun(self, span: Span, at_once: int | None) -> Iterator[Page]:
        owner, first, last = span
        return begun(self._current.pages(*owner, first, last, at_once), at_once or PAGES_AHEAD)

    @property
    def reads_of_an_owner(self) -> int:
        """How many requests one owner takes by itself."""
        return 1 + self._has_values + bool(self._grid.coarse_end)

    @property
    def _has_values(self) -> bool:
        return Keep.VALUES in self._query.meter.aggregation.parts

    def has_usage(self, owner: Owner) -> bool:
        """Does any counter of the meter touch the range?"""
        return any(True for _ in self._touching(owner, PAGES_OF_A_GLANCE))

    def used_codes(self, owner: Owner) -> Iterator[Code]:
        """The codes with a counter that touches the range, each once."""
        by_number = {number: code for number, code, _ in self.codes(owner[0]).cells()}
        used = {by_number[number].number: by_number[number] for number in self._touching(owner)}
        return iter(used.values())

    def _touching(self, owner: Owner, at_once: int | None = None) -> Iterator[int]:
        cell_groups = self.cell_groups(owner[0])
        levels: dict[int, Number] = {}
        for window, number, cell in self._cells(owner, cell_groups, at_once):
            verdict = self._grid.verdict(window)
            if verdict is None:
                continue
            if verdict.output != BEFORE:
                yield number
            elif cell_groups[number][1] == 0:
                assert isinstance(cell, int | Decimal)
                levels[number] = add(levels.get(number, 0), cell)
        yield from (number for number, level in levels.items() if level)

    def _read_owner(self, found: Found, owner: Owner, dirty: frozenset[int]) -> set[int]:
        cell_groups, judge = self.cell_groups(owner[0]), self._grid.verdict
        whole: set[int] = set()
        cut: set[int] = set()
        targets: dict[tuple[OutputWindow, int], tuple[Tally, int]] = {}
        cells = self._cells(owner, cell_groups, dirty=dirty)
        crowded = self._crowded(owner[0])
        if crowded or not TAKES_OFF.issuperset(self._query.meter.aggregation.parts):
            cells = iter(held := list(cells))
            untold = {window for window, number, _ in held if number in crowded}
            if untold and self._query.is_of_level:
                raise _untold(self._query)
            dirty |= untold | {window for window, _, cell in held if cell == DIRTY}
        for window, number, cell in cells:
            verdict = judge(window)
            if verdict is None:
                continue
            if verdict.is_cut or window in dirty:
                cut.add(window)
                continue
            whole.add(window)
            if verdict.has_overhang:
                found.overhang.add(owner)
            target = targets.get((verdict.output, number))
            if target is None:
                groups, part = cell_groups[number]
                group = self._grid.group(owner[1], groups)
                target = targets[(verdict.output, number)] = found.tally(verdict.output, group), part
            target[0].add_cell(target[1], cell, window * WINDOW_SECONDS)
        if whole:
            found.saw(min(whole) * WINDOW_SECONDS, (max(whole) + 1) * WINDOW_SECONDS - 1)
        return cut

    def cell_groups(self, lane: int) -> CellGroups:
        """The cells that were asked for. Exactly, events decide that themselves, so all of the meter's count."""
        if lane not in self._cell_groups:
            query = self._query
            crowded = self._crowded(lane)
            self._cell_groups[lane] = {
                number: (code.groups, part)
                for number, code, part in self.codes(lane).cells()
                if query.is_exact or query.accepts(code.groups) or number in crowded
            }
        return self._cell_groups[lane]

    def _crowded(self, lane: int) -> frozenset[int]:
        """The cells whose windows the log has to answer, because their groups are asked for."""
        return self.codes(lane).crowded if self._query.tells_apart else frozenset()

    def _segments(self, dirty: Collection[int]) -> Iterator[tuple[int, int]]:
        """The spans to read of an owner.

        What made a level before the range comes from its coarse windows as far as none of them holds a dirty one.
        """
        first, last = self._grid.spans(PAGE_SECONDS, LAST_SPAN)
        coarse_end = self._grid.coarse_end
        if coarse_end and min(dirty, default=LAST_WINDOW) * WINDOW_SECONDS >= coarse_end * COARSE_SECONDS:
            yield 0, (coarse_end - 1) // WINDOWS_PER_PAGE
            first = coarse_end * COARSE_SECONDS // PAGE_SECONDS
        yield first, last

    def _cells(
        self, owner: Owner, cell_groups: CellGroups, at_once: int | None = None, dirty: Collection[int] = ()
    ) -> Iterator[tuple[int, int, Cell]]:
        """(window, cell number, cell) of what was asked for, in the spans of the range."""
        if not cell_groups:
            return
        *coarse, (first, last) = self._segments(dirty)
        for bounds in coarse:
            for page in self._pages(owner, cell_groups, *bounds):
                yield from (each for each in self._cells_of(page, cell_groups) if each[0] < self._grid.coarse_end)
        for page in self._pages(owner, cell_groups, first, last, at_once):
            yield from self._cells_of(page, cell_groups)
        if not self._has_values:
            return
        for key, name, values in self._values_ahead.pop(owner, None) or self._values(owner):
            window, number = parse_cell(name, key.span)
            self._budget.take_values(len(values))
            if number in cell_groups:
                yield window, number, values

    def _values(self, owner: Owner) -> Iterable[tuple[PageKey, str, bytes]]:
        return self._current.value_chunks(*owner, *self._grid.spans(PAGE_SECONDS, LAST_SPAN))

    def _pages(
        self, owner: Owner, cell_groups: CellGroups, first: int, last: int, at_once: int | None = None
    ) -> Iterator[Page]:
        numbers = {number // CODES_PER_PAGE for number in cell_groups}
        found: Iterable[Page] | None = self._pages_ahead.pop((owner, first, last), None)
        if found is None and (picked := self._picked(owner, numbers, first, last)):
            found = self._current.read_pages(picked)
        for page in found if found is not None else self._current.pages(*owner, first, last, at_once):
            self._budget.take_page(len(page.cells))
            if page.key.number in numbers:
                yield page

    def _cells_of(self, page: Page, cell_groups: CellGroups) -> Iterator[tuple[int, int, Cell]]:
        first_window = page.key.span * WINDOWS_PER_PAGE
        for name, cell in page.cells.items():
            offset, number = self._parsed(name)
            if number in cell_groups:
                if type(cell) is bytes:
                    self._budget.take_values(len(cell))
                yield first_window + offset, number, cell

    def _picked(self, owner: Owner, pages: Collection[int], first: int, last: int) -> list[PageKey]:
        """The keys of the pages to get one by one, where a lane has so many that reading past the others costs more."""
        lane, subject = owner
        every = self.codes(lane).highest_number // CODES_PER_PAGE + 1
        count = (last - first + 1) * len(pages)
        if subject is not None or count > MAX_PICKED_PAGES or len(pages) * PICKING_PAYS_FROM > every:
            return []
        tenant = self._query.tenant
        return [PageKey(tenant, lane, None, span, number) for span in range(first, last + 1) for number in pages]


def begun(items: Iterable[Item], most: int) -> Iterator[Item]:
    """All of them, so many of which are read at once."""
    remaining = iter(items)
    return chain(list(islice(remaining, most)), remaining)


def _untold(query: UsageQuery) -> TooLarge:
    """A level comes from everything before, which is more than the log can be asked for."""
    message = (
        f"Meter {query.meter.slug!r} has had more combinations of {', '.join(query.meter.group_by)} than its counters "
        "tell apart, and its levels cannot be read from the events; ask without filters and groups, or count by a "
        "meter without the dimension that has so many values."
    )
    return TooLarge(message, code="groups_not_told_apart")


def _parsed(name: str) -> tuple[int, int]:
    """A cell's window on its page and its number."""
    return parse_cell(name, 0)
