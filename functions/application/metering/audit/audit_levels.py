"""Levels in an audit: what a coarse window holds, against its half hours, which are themselves counted anew."""

from collections.abc import Callable, Collection, Iterator

from functions.application.metering.audit.recount import Owner
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.ports.ledger import LedgerReader
from functions.domain.metering.cells.aggregation import Number, add, negative
from functions.domain.metering.cells.pages import COARSE_SECONDS, PAGE_SECONDS, WINDOWS_PER_PAGE, parse_cell
from functions.domain.metering.ledger.audit import Kind, LaneDay

MAX_TRIES = 4
SECONDS_BETWEEN = 2.0
PAGES = COARSE_SECONDS // PAGE_SECONDS

Levels = dict[tuple[str, Owner], Collection[int]]  # by tenant and owner the numbers of the cells that hold changes
Wrong = dict[int, tuple[Number, Number]]  # by number what the half hours add up to, and what is stored instead


class LevelAudit:
    """Commits may come while it reads: wrong is only what is off by the same whenever it is looked at."""

    def __init__(self, ledger: LedgerReader, pause: Callable[[float], None]) -> None:
        self._ledger = ledger
        self._pause = pause

    def run(self, result: LaneDay, window: int, levels: Levels) -> None:
        """Adds to the result what is wrong with a coarse window of the owners."""
        for (tenant, owner), numbers in levels.items():
            whose = "the lane's total" if owner is None else f"subject {owner}"
            for number, (expected, found) in self._wrong(tenant, result.lane, owner, numbers, window).items():
                place = f"{tenant}, {whose}, three days from {window * COARSE_SECONDS}, cell {number}"
                result.differ(Kind.COUNTER, place, expected, found)

    def _wrong(self, tenant: str, lane: int, owner: Owner, numbers: Collection[int], window: int) -> Wrong:
        wrong = self._once(tenant, lane, owner, numbers, window)
        for _ in range(MAX_TRIES - 1):
            if not wrong:
                break
            self._pause(SECONDS_BETWEEN)
            again = self._once(tenant, lane, owner, numbers, window)
            wrong = {number: each for number, each in again.items() if _off(each) == _off(wrong.get(number, (0, 0)))}
        return wrong

    def _once(self, tenant: str, lane: int, owner: Owner, numbers: Collection[int], window: int) -> Wrong:
        current = CurrentPages(self._ledger, tenant)

        def changes(first: int, last: int) -> Iterator[tuple[int, int, Number]]:
            for page in current.pages(lane, owner, first, last):
                for name, cell in page.cells.items():
                    at, number = parse_cell(name, page.key.span)
                    if number in numbers:
                        yield at, number, cell  # type: ignore[misc]  # levels have sums only

        span, added = window // WINDOWS_PER_PAGE, dict[int, Number]()
        stored = {number: change for at, number, change in changes(span, span) if at == window}
        for _, number, change in changes(window * PAGES, (window + 1) * PAGES - 1):
            added[number] = add(added.get(number, 0), change)
        both = {number: (added.get(number, 0), stored.get(number, 0)) for number in added.keys() | stored.keys()}
        return {number: each for number, each in both.items() if each[0] != each[1]}


def _off(pair: tuple[Number, Number]) -> Number:
    return add(pair[1], negative(pair[0]))
