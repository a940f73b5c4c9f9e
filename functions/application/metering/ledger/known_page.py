"""What a process remembers of a counter page: its cells as last seen, and the distinct values that lie beside it."""

from collections.abc import Iterable

from functions.domain.metering.cells.aggregation import DIRTY, VALUE_BYTES, Cell, pack_values, unpack_values
from functions.domain.metering.cells.pages import (
    VALUES_BYTES,
    Cells,
    Page,
    PageDelta,
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

    def add_values(self, n: int, delta: PageDelta, changed: Cells) -> list[ValueChunk]:
        """Distinct values go into their cell while its window has room, beside the page otherwise, nowhere if known.

        Which of both depends on the page and the delta alone: two that apply a commit write chunks of the same cells,
        so neither takes away what the other put beside the page.
        """
        cells, beside = self.page.cells, self.beside
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
        if all(values <= beside.get(name, NOTHING) for name, values in new.items()):
            return []
        used = self._used_after(changed, [name[0] for name in new])
        chunks = []
        for name, values in new.items():
            present = cells.get(name)
            room = used[name[0]] + (VALUES_BYTES if present is None else 0)
            fits = has_room_for(room, len(values))
            if fits:
                used[name[0]] = room + VALUE_BYTES * len(values)
            unknown = values - beside.get(name, NOTHING)
            if unknown and fits:
                changed[name] = pack_values(values.union(unpack_values(as_bytes(present or b""))))
            elif unknown:
                chunks.append(ValueChunk(n, delta.key, name, pack_values(unknown)))
        return chunks

    def _used_after(self, changed: Cells, letters: Iterable[str]) -> dict[str, int]:
        """About what the stored windows of the letters will take.

        It is the same for everybody who applies the commit that makes the changes.
        """
        used = dict.fromkeys(letters, 0)
        for name, cell in (changed | self.page.cells).items():
            if name[0] in used:
                used[name[0]] += stored_bytes(cell)
        return used

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
