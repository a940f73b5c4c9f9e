"""Adding up counters: whole half-hour windows of a range, and which windows the log has to answer instead."""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache

from functions.application.code_book import CodeBook
from functions.application.ports.ledger import LedgerReader
from functions.application.read_codes import MeterCodes
from functions.application.usage_bounds import Budget
from functions.domain.errors import TooLarge
from functions.domain.metering.aggregation import DIRTY, Cell, Keep, Number, add
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.ledger import Code
from functions.domain.metering.pages import (
    COARSE_SECONDS,
    CODES_PER_PAGE,
    PAGE_SECONDS,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    Page,
    PageKey,
    parse_cell,
)
from functions.domain.metering.placing import Placing
from functions.domain.metering.tally import Tally
from functions.domain.metering.usage import UsageQuery
from functions.domain.metering.usage_rows import BEFORE, Found, GroupKey, Place

TAKES_OFF = {Keep.SUM, Keep.SKETCH}  # cells of other kinds may be dirty
LAST_SPAN = 999_999  # of the sort key's six digits
LAST_WINDOW = LAST_SPAN * WINDOWS_PER_PAGE

PAGES_OF_A_GLANCE = 25  # usually the first of them shows usage
# A page got alone costs a read unit of 4 KB, eight pages in a row one or two together.
PICKING_PAYS_FROM = 8
MAX_PICKED_PAGES = 5_000  # 50 requests; a quarter by one page number has 744

Owner = tuple[int, str | None]  # lane, subject; None for the totals of a lane
# Lane and half-hour window, and the subjects (None: all) whose events in it have to be read.
Cuts = dict[int, dict[int, set[str | None]]]

Places = Mapping[int, tuple[GroupKey, int]]  # by cell number its group and part


class CounterReader:
    """Reads what one query needs of the counters."""

    def __init__(
        self,
        ledger: LedgerReader,
        book: CodeBook,
        lanes: Lanes,
        query: UsageQuery,
        placing: Placing,
        budget: Budget,
    ) -> None:
        self._ledger = ledger
        self._book = book
        self._lanes = lanes
        self._query = query
        self._placing = placing
        self._budget = budget
        self._codes: dict[int, MeterCodes] = {}
        self._parsed = lru_cache(maxsize=20_000)(_parsed)

    def codes(self, lane: int) -> MeterCodes:
        if lane not in self._codes:
            meter = self._query.meter
            self._codes[lane] = MeterCodes(self._book.codes(self._query.tenant, lane), meter.id, meter.aggregation)
        return self._codes[lane]

    def read(self, found: Found, cuts: Cuts, owner: Owner, dirty: Collection[int] = ()) -> None:
        """Adds an owner's whole windows to what was found; those with usage that are cut or dirty go to the cuts."""
        for window in self._read_owner(found, owner, frozenset(dirty)):
            cuts.setdefault(owner[0], {}).setdefault(window, set()).add(owner[1])

    def owners(self) -> Iterator[Owner]:
        query = self._query
        if query.subjects or query.customers:
            yield from ((self._lanes.lane_of(query.tenant, name), name) for name in self._placing.asked_subjects)
            return
        count, most = 0, self._budget.bounds.subjects
        for lane in range(self._lanes.count):
            if not query.is_by_subject:
                yield lane, None
                continue
            for subject in self._ledger.subjects(query.tenant, lane, most + 1 - count):
                count += 1
                if count > most:
                    raise TooLarge(f"More than {most} subjects have usage; name the subjects or customers.")
                yield lane, subject

    def has_usage(self, owner: Owner) -> bool:
        """Does any counter of the meter touch the range?"""
        return any(True for _ in self._touching(owner, PAGES_OF_A_GLANCE))

    def used_codes(self, owner: Owner) -> Iterator[Code]:
        """The codes with a counter that touches the range, each once."""
        by_number = {number: code for number, code, _ in self.codes(owner[0]).cells()}
        used = {by_number[number].number: by_number[number] for number in self._touching(owner)}
        return iter(used.values())

    def _touching(self, owner: Owner, at_once: int | None = None) -> Iterator[int]:
        places = self._places(owner)
        levels: dict[int, Number] = {}
        for window, number, cell in self._cells(owner, places, at_once):
            verdict = self._placing.verdict(window)
            if verdict is None:
                continue
            if verdict.place != BEFORE:
                yield number
            elif places[number][1] == 0:
                assert isinstance(cell, int | Decimal)
                levels[number] = add(levels.get(number, 0), cell)
        yield from (number for number, level in levels.items() if level)

    def _read_owner(self, found: Found, owner: Owner, dirty: frozenset[int]) -> set[int]:
        places, judge = self._places(owner), self._placing.verdict
        whole: set[int] = set()
        cut: set[int] = set()
        targets: dict[tuple[Place, int], tuple[Tally, int]] = {}
        cells = self._cells(owner, places, dirty=dirty)
        if not TAKES_OFF.issuperset(self._query.meter.aggregation.parts):
            cells = iter(held := list(cells))
            dirty |= {window for window, _, cell in held if cell == DIRTY}
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
            target = targets.get((verdict.place, number))
            if target is None:
                group, part = places[number]
                target = targets[(verdict.place, number)] = found.tally(verdict.place, group), part
            target[0].add_cell(target[1], cell, window * WINDOW_SECONDS)
        if whole:
            found.saw(min(whole) * WINDOW_SECONDS, (max(whole) + 1) * WINDOW_SECONDS - 1)
        return cut

    def _places(self, owner: Owner) -> Places:
        """The cells that were asked for. Exactly, events decide that themselves, so all of the meter's count."""
        lane, subject = owner
        query = self._query
        return {
            number: (self._placing.group(subject, code.groups), part)
            for number, code, part in self.codes(lane).cells()
            if query.is_exact or query.accepts(code.groups)
        }

    def _cells(
        self, owner: Owner, places: Places, at_once: int | None = None, dirty: Collection[int] = ()
    ) -> Iterator[tuple[int, int, Cell]]:
        """(window, cell number, cell) of what was asked for, in the spans of the range.

        What made a level before the range comes from its coarse windows as far as none of them holds a dirty one.
        """
        if not places:
            return
        tenant, (lane, subject) = self._query.tenant, owner
        first, last = self._placing.spans(PAGE_SECONDS, LAST_SPAN)
        coarse_end = self._placing.coarse_end
        if coarse_end and min(dirty, default=LAST_WINDOW) * WINDOW_SECONDS >= coarse_end * COARSE_SECONDS:
            for page in self._pages(owner, places, 0, (coarse_end - 1) // WINDOWS_PER_PAGE):
                yield from (each for each in self._cells_of(page, places) if each[0] < coarse_end)
            first = coarse_end * COARSE_SECONDS // PAGE_SECONDS
        for page in self._pages(owner, places, first, last, at_once):
            yield from self._cells_of(page, places)
        if Keep.VALUES not in self._query.meter.aggregation.parts:
            return
        for key, name, values in self._ledger.value_chunks(tenant, lane, subject, first, last):
            window, number = parse_cell(name, key.span)
            self._budget.take_values(len(values))
            if number in places:
                yield window, number, values

    def _pages(self, owner: Owner, places: Places, first: int, last: int, at_once: int | None = None) -> Iterator[Page]:
        numbers = {number // CODES_PER_PAGE for number in places}
        picked = self._picked(owner, numbers, first, last)
        found = self._ledger.read_pages(picked) if picked else None
        for page in found or self._ledger.pages(self._query.tenant, *owner, first, last, at_once):
            self._budget.take_page(len(page.cells))
            if page.key.number in numbers:
                yield page

    def _cells_of(self, page: Page, places: Places) -> Iterator[tuple[int, int, Cell]]:
        first_window = page.key.span * WINDOWS_PER_PAGE
        for name, cell in page.cells.items():
            offset, number = self._parsed(name)
            if number in places:
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


def _parsed(name: str) -> tuple[int, int]:
    """A cell's window on its page and its number."""
    return parse_cell(name, 0)
