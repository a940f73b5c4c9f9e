"""What a process remembers of a counter page: its cells as last seen, and the distinct values that lie beside it."""

from collections.abc import Iterable, Mapping

from functions.domain.metering.cells.aggregation import DIRTY, VALUE_BYTES, Cell, pack_values, unpack_values
from functions.domain.metering.cells.pages import (
    VALUES_BYTES,
    Cells,
    Page,
    PageDelta,
    PageWrite,
    ValueChunk,
    as_bytes,
    has_room_for,
    stored_bytes,
)

# Estimates of what is remembered: a page with its key, a cell, one of the values that lie beside the page.
KNOWN_PAGE_BYTES, KNOWN_CELL_BYTES, KNOWN_VALUE_BYTES = 700, 160, 100
NOTHING: frozenset[int] = frozenset()


class KnownPage:
    """A page as last seen, and values its cells have beside it; `beside` holds only what is stored for good.

    A value is remembered as beside the page only once the chunk that holds it was put. So a process that applies a
    commit leaves out only what commits before it have stored, or this commit's own chunk, whole.

    `parts` are the chunks that this process has put and not united, by commit and cell.
    """

    __slots__ = ("beside", "page", "parts", "weight")

    def __init__(self, page: Page) -> None:
        self.page = page
        self.beside: dict[str, set[int]] = {}
        self.parts: dict[int, dict[str, bytes]] = {}
        self.weight = 0

    def take(self, stamp: int, changed: Cells) -> int:
        """What was written is what the page says now; returns by how much it has become heavier."""
        cells = self.page.cells
        heavier = KNOWN_CELL_BYTES * len(changed.keys() - cells.keys())
        for name, cell in changed.items():
            if type(cell) is bytes:
                heavier += len(cell) - _bytes_of(cells.get(name))
        cells.update(changed)
        self.page.stamp = stamp
        self.weight += heavier
        return heavier

    def after(self, steps: Iterable[tuple[int, PageDelta]]) -> tuple[PageWrite | None, list[ValueChunk]]:
        """What commits make of the page, and the values they put beside it; (number, delta) in their order.

        Distinct values go into their cell while its window has room, beside the page otherwise, nowhere if known. What
        lies beside bears the number of the last commit that adds to it, and the page no lower one: otherwise that
        commit would be applied again without those before it, and take the place of their values.
        """
        cells, changed = self.page.cells, Cells()
        beside: dict[str, set[int]] = {}
        stamp = last = 0
        for n, delta in steps:
            if n <= self.page.stamp:
                continue
            more = delta.applied_to(cells)
            if delta.values and (overflow := self._add_values(delta, cells, beside, more)):
                last = n
                for name, values in overflow.items():
                    beside.setdefault(name, set()).update(values)
            if more:
                stamp = n
                changed |= more
                cells = cells | more
        chunks = [ValueChunk(last, self.page.key, name, pack_values(values)) for name, values in beside.items()]
        return (PageWrite(max(stamp, last), self.page, changed) if changed else None), chunks

    def _add_values(
        self, delta: PageDelta, cells: Cells, put_beside: Mapping[str, set[int]], changed: Cells
    ) -> dict[str, set[int]]:
        """Changes the cells that have room; returns the values for which there is none and which are not there yet.

        Which of both depends on the cells and the delta alone: two that apply a commit put values of the same cells
        beside the page, so neither takes away what the other put there. That is also why what earlier commits put
        beside the page counts as known, whether they are applied with this one or were before.
        """
        new: dict[str, set[int]] = {}
        for name, packed in delta.values.items():
            present = cells.get(name)
            if present == DIRTY:
                continue
            values = {*unpack_values(packed)}
            if present is not None:
                values.difference_update(unpack_values(as_bytes(present)))
            if values:
                new[name] = values
        known = {name: self.beside.get(name, NOTHING) | put_beside.get(name, NOTHING) for name in new}
        if all(values <= known[name] for name, values in new.items()):
            return {}
        used = _used_after(cells, changed, [name[0] for name in new])
        overflow = {}
        for name, values in new.items():
            present = cells.get(name)
            room = used[name[0]] + (VALUES_BYTES if present is None else 0)
            fits = has_room_for(room, len(values))
            if fits:
                used[name[0]] = room + VALUE_BYTES * len(values)
            unknown = values - known[name]
            if unknown and fits:
                changed[name] = pack_values(values.union(unpack_values(as_bytes(present or b""))))
            elif unknown:
                overflow[name] = unknown
        return overflow

    def weigh(self) -> int:
        """Weigh again; returns by how much the weight has changed."""
        before = self.weight
        self.weight = (
            KNOWN_PAGE_BYTES
            + KNOWN_CELL_BYTES * len(self.page.cells)
            + sum(map(_bytes_of, self.page.cells.values()))
            + KNOWN_VALUE_BYTES * sum(map(len, self.beside.values()))
            + VALUE_BYTES * self.part_values()
        )
        return self.weight - before

    def part_values(self) -> int:
        return sum(len(values) for cells in self.parts.values() for values in cells.values()) // VALUE_BYTES


def _bytes_of(cell: Cell | None) -> int:
    """What the values or the sketch in a cell take."""
    return len(cell) if type(cell) is bytes else 0


def _used_after(cells: Cells, changed: Cells, letters: Iterable[str]) -> dict[str, int]:
    """About what the stored windows of the letters will take.

    It is the same for everybody who applies the commit that makes the changes.
    """
    used = dict.fromkeys(letters, 0)
    for name, cell in (changed | cells).items():
        if name[0] in used:
            used[name[0]] += stored_bytes(cell)
    return used
