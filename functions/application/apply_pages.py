"""Bringing a commit's deltas into the counter pages, each exactly once, with the pages this process remembers.

A page is read once and then remembered. It is always written with absolute contents under the stamp it was seen with:
the stamp changes with every write, so what is remembered is either true or refused, and then read again. What changes
nothing is not written; that is right because a lane's pages are forgotten with the lane, whenever another may write it.
"""

from collections import OrderedDict
from collections.abc import Sequence

from functions.application.ports.ledger import Ledger
from functions.domain.metering.aggregation import DIRTY, pack_values, unpack_values
from functions.domain.metering.ledger import Commit
from functions.domain.metering.pages import (
    Cells,
    Page,
    PageDelta,
    PageKey,
    PageWrite,
    ValueChunk,
    as_bytes,
    has_room_for,
)

MAX_PAGE_TRIES = 20
PAGES_AT_A_TIME = 500  # at most 310 KB each, and usually 1
MAX_KNOWN_BYTES = 150_000_000  # of a process
# Estimates of what is remembered: a page with its key, a cell, one of the values that lie beside the page.
KNOWN_PAGE_BYTES, KNOWN_CELL_BYTES, KNOWN_VALUE_BYTES = 700, 160, 100


class KnownPage:
    """A page as last seen, and values its cells have beside it; `beside` holds only what is stored for good.

    A value is remembered as beside the page only once the chunk that holds it was put. So whoever applies a commit
    leaves out only what commits before it have stored, or this commit's own chunk, whole.
    """

    __slots__ = ("beside", "page", "weight")

    def __init__(self, page: Page) -> None:
        self.page = page
        self.beside: dict[str, set[int]] = {}
        self.weight = 0

    def weigh(self) -> int:
        """Weigh again; returns by how much the weight has changed."""
        before = self.weight
        cells = self.page.cells
        self.weight = (
            KNOWN_PAGE_BYTES
            + KNOWN_CELL_BYTES * len(cells)
            + sum([len(cell) for cell in cells.values() if type(cell) is bytes])
            + KNOWN_VALUE_BYTES * sum(map(len, self.beside.values()))
        )
        return self.weight - before


class PageApplier:
    """The pages of one process."""

    def __init__(self, ledger: Ledger, max_bytes: int = MAX_KNOWN_BYTES) -> None:
        self._ledger = ledger
        self._known: OrderedDict[PageKey, KnownPage] = OrderedDict()
        self._max_bytes = max_bytes
        self.known_bytes = 0

    def apply(self, commit: Commit) -> None:
        """Apply a commit's deltas; a page that bears its stamp or a later one is left alone."""
        for start in range(0, len(commit.pages), PAGES_AT_A_TIME):
            self._apply(commit, commit.pages[start : start + PAGES_AT_A_TIME])
            self._make_room()

    def _apply(self, commit: Commit, deltas: Sequence[PageDelta]) -> None:
        for _ in range(MAX_PAGE_TRIES):
            self._learn([delta.key for delta in deltas if delta.key not in self._known])
            refused = self._write(commit, deltas)
            if not refused:
                return
            for delta in refused:
                self.known_bytes -= self._known.pop(delta.key).weight
            deltas = refused
        raise RuntimeError(f"Page {deltas[0].key} changed {MAX_PAGE_TRIES} times while {commit.n} was applied.")

    def _learn(self, keys: Sequence[PageKey]) -> None:
        if not keys:
            return
        for page in self._ledger.read_pages(keys):
            known = self._known[page.key] = KnownPage(page)
            self.known_bytes += known.weigh()

    def _write(self, commit: Commit, deltas: Sequence[PageDelta]) -> list[PageDelta]:
        """Write what the deltas change; returns those whose pages were not as remembered."""
        waiting: list[PageDelta] = []
        writes: list[PageWrite] = []
        chunks: list[ValueChunk] = []
        for delta in deltas:
            page = self._known[delta.key].page
            if page.stamp >= commit.n:
                continue
            changed = delta.applied_to(page.cells)
            if delta.values:
                chunks += self._add_values(delta, changed)
            if changed:  # otherwise the page already says all that this commit has to say
                waiting.append(delta)
                writes.append(PageWrite(page, changed))
        if chunks:
            self._put_chunks(commit, chunks)
        if not writes:
            return []
        refused = []
        for delta, write, is_written in zip(waiting, writes, self._ledger.write_pages(commit.n, writes), strict=True):
            if is_written:
                self._remember(commit.n, write)
            else:
                refused.append(delta)
        return refused

    def _add_values(self, delta: PageDelta, changed: Cells) -> list[ValueChunk]:
        """Distinct values go into their cell while it has room, beside the page otherwise, and nowhere if known."""
        known = self._known[delta.key]
        chunks = []
        for name, packed in delta.values.items():
            if known.page.cells.get(name) == DIRTY:
                continue
            present = as_bytes(known.page.cells.get(name, b""))
            inside = set(unpack_values(present))
            new = set(unpack_values(packed)) - inside - known.beside.get(name, set())
            if not new:
                continue
            if has_room_for(present, len(new)):
                changed[name] = pack_values(inside | new)
            else:
                chunks.append(ValueChunk(delta.key, name, pack_values(new)))
        return chunks

    def _put_chunks(self, commit: Commit, chunks: Sequence[ValueChunk]) -> None:
        self._ledger.put_value_chunks(commit, chunks)
        for chunk in chunks:
            known = self._known[chunk.key]
            known.beside.setdefault(chunk.cell, set()).update(unpack_values(chunk.values))
            self.known_bytes += known.weigh()

    def _remember(self, stamp: int, write: PageWrite) -> None:
        page, changed = write
        known = self._known[page.key]
        page.cells.update(changed)
        page.stamp = stamp
        self.known_bytes += known.weigh()
        self._known.move_to_end(page.key)

    def forget(self, lane: int) -> None:
        """Drop what is known of a lane's pages: somebody else may have written them."""
        for key in [key for key in self._known if key.lane == lane]:
            self.known_bytes -= self._known.pop(key).weight

    def _make_room(self) -> None:
        while self.known_bytes > self._max_bytes and self._known:
            _, known = self._known.popitem(last=False)
            self.known_bytes -= known.weight
