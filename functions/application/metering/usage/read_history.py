"""Adding up a meter's history as far as it is counted: what happened before the meter was there."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from decimal import Decimal

from functions.application.metering.usage.read_counters import LAST_SPAN, Cuts, Owner, begun
from functions.application.metering.usage.usage_bounds import Budget
from functions.application.ports.history import HistoryReader
from functions.domain.metering.cells.aggregation import Cell, Number, add
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger.history import SPAN_SECONDS, HistoryPart, decode_rows, voided_windows
from functions.domain.metering.usage.grid import Grid
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import BEFORE, Found

PARTS_AHEAD = 20
Row = tuple[int, Mapping[str, str], Sequence[Cell]]


class PastReader:
    """Reads what one query needs of its meter's history; nothing for a meter without."""

    def __init__(self, history: HistoryReader, query: UsageQuery, grid: Grid, budget: Budget) -> None:
        self._history = history
        self._query = query
        self._grid = grid
        self._budget = budget
        self._ahead: dict[Owner, Iterator[HistoryPart]] = {}
        self._held: Sequence[Row] = ()
        self._outdated: Collection[int] = ()

    def begin(self, owner: Owner) -> Collection[int]:
        """Reads an owner's history; returns the half hours of which only the log can tell, before counters are read."""
        self._held = self._outdated = ()
        if self._query.meter.event_from is not None:
            parts = list(self._parts(owner))
            self._held = [row for part in parts for row in self._rows(part)]
            self._outdated = frozenset(window for part in parts for window in voided_windows(part) or ())
        return self._outdated

    def read(self, found: Found, cuts: Cuts, owner: Owner) -> None:
        """Adds the owner's whole windows to what was found, and those that only the log can tell to the cuts.

        The log answers a cut window with old events and new ones, so the counters must have been read before.
        """
        lane, subject = owner
        for window, groups, cells in self._held:
            placed = self._grid.verdict(window)
            if placed is None or not (self._query.is_exact or self._query.accepts(groups)):
                continue
            if placed.is_cut or window in self._outdated or subject in cuts.get(lane, {}).get(window, ()):
                cuts.setdefault(lane, {}).setdefault(window, set()).add(subject)
                continue
            found.saw(window * WINDOW_SECONDS, (window + 1) * WINDOW_SECONDS - 1)
            if placed.has_overhang:
                found.overhang.add(owner)
            tally = found.tally(placed.output, self._grid.group(subject, groups))
            for part, cell in enumerate(cells):
                tally.add_cell(part, cell, window * WINDOW_SECONDS)

    def is_in(self, lane: int) -> bool:
        """Has anybody of the lane history in the range? Totals are written with what they add up."""
        return any(True for _ in self._parts((lane, None)))

    def read_ahead(self, owners: Sequence[Owner], pool: Executor) -> None:
        """Begins to read the history of many owners."""
        read = pool.map(lambda owner: begun(self._parts(owner), PARTS_AHEAD), owners)
        self._ahead.update(zip(owners, read, strict=True))

    def nothing_of(self, owners: Iterable[Owner]) -> None:
        """They have none."""
        self._ahead.update((owner, iter(())) for owner in owners)

    def has_usage(self, owner: Owner) -> bool:
        return any(True for _ in self.groups(owner))

    def groups(self, owner: Owner) -> Iterator[Mapping[str, str]]:
        """The groups with history that touches the range, some of them more than once."""
        levels: dict[tuple[tuple[str, str], ...], Number] = {}
        for part in self._parts(owner):
            for window, groups, cells in self._rows(part):
                verdict = self._grid.verdict(window)
                if verdict is None or not self._query.accepts(groups):
                    continue
                if verdict.output != BEFORE:
                    yield groups
                    continue
                key, change = tuple(groups.items()), cells[0]
                assert isinstance(change, int | Decimal)
                levels[key] = add(levels.get(key, 0), change)
        yield from (dict(key) for key, level in levels.items() if level)

    def _parts(self, owner: Owner) -> Iterable[HistoryPart]:
        meter = self._query.meter
        if meter.event_from is None:
            return ()
        if owner in self._ahead:
            return self._ahead.pop(owner)
        return self._history.history(self._query.tenant, *owner, meter.id, *self._grid.spans(SPAN_SECONDS, LAST_SPAN))

    def _rows(self, part: HistoryPart) -> Iterator[Row]:
        if voided_windows(part) is not None:
            return
        rows = list(decode_rows(self._query.meter.aggregation, part.body))
        self._budget.take_page(len(rows))
        for row in rows:
            for cell in row[2]:
                if isinstance(cell, bytes):
                    self._budget.take_values(len(cell))
            yield row
