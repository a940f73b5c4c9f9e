"""Bringing commits' deltas into the counter pages, each exactly once, with the pages this process remembers.

A page is read once and then remembered. It is always written with absolute contents under the stamp it was seen with:
the stamp changes with every write, so what is remembered is either true or refused, and then read again. What changes
nothing is not written; that is right because a lane's pages are forgotten with the lane, whenever another may write it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from functions.application.metering.ledger.known_page import KnownPage
from functions.application.ports.ledger import Ledger
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import VALUE_BYTES, pack_values, unpack_values
from functions.domain.metering.cells.pages import (
    PageDelta,
    PageKey,
    PageWrite,
    UnitedChunks,
    ValueChunk,
    chunks_by_page,
)
from functions.domain.metering.ledger.ledger import Commit

MAX_PAGE_TRIES = 20
PAGES_AT_A_TIME = 500  # at most 155 KB each, and usually 1
# Chunks beside a page are united when there are so many of them, or when they have so many values. A commit in five
# seconds makes 2,160 in the three hours of a page; one a minute makes 180. Ten users of a subject by two models make 44
# when it sends an event every 20 seconds: uniting those would cost more than it saves.
UNITED_PARTS = 64
UNITED_VALUES = 16_000  # 128 KB
LARGE_PART_VALUES = 4_000  # is left as it is, so that united chunks stay below 160 KB of the 400 KB of an item
MAX_KNOWN_BYTES = 150_000_000  # of a process

Steps = list[tuple[int, PageDelta]]  # what commits do to one page, by their numbers, in order


class PageApplier:
    """The pages of one process."""

    def __init__(self, ledger: Ledger, max_bytes: int = MAX_KNOWN_BYTES) -> None:
        self._ledger = ledger
        self._known: OrderedDict[PageKey, KnownPage] = OrderedDict()
        self._max_bytes = max_bytes
        self.known_bytes = 0

    def apply(self, commits: Iterable[Commit]) -> None:
        """Apply what commits do, those of a lane in order and without a gap; each page is written once for all of them.

        What a page's stamp says it holds already is left alone.
        """
        by_page: dict[PageKey, Steps] = {}
        for commit in commits:
            for delta in commit.pages:
                by_page.setdefault(delta.key, []).append((commit.n, delta))
        keys = list(by_page)
        for start in range(0, len(keys), PAGES_AT_A_TIME):
            self._apply({key: by_page[key] for key in keys[start : start + PAGES_AT_A_TIME]})
            self._make_room()

    def _apply(self, by_page: Mapping[PageKey, Steps]) -> None:
        for _ in range(MAX_PAGE_TRIES):
            self._learn([key for key in by_page if key not in self._known])
            refused = self._write(by_page)
            if not refused:
                return
            for key in refused:
                self.known_bytes -= self._known.pop(key).weight
            by_page = {key: by_page[key] for key in refused}
        # Of a page and a tenant only the log may speak.
        numbers = sorted(n for steps in by_page.values() for n, _ in steps)
        message = f"A page changed {MAX_PAGE_TRIES} times while commits {numbers[0]} to {numbers[-1]} were applied."
        raise Unavailable(message, retry_after_seconds=1)

    def _learn(self, keys: Sequence[PageKey]) -> None:
        if not keys:
            return
        for page in self._ledger.read_pages(keys):
            known = self._known[page.key] = KnownPage(page)
            self.known_bytes += known.weigh()

    def _write(self, by_page: Mapping[PageKey, Steps]) -> list[PageKey]:
        """Write what the deltas change; returns the pages that were not as remembered."""
        writes: list[PageWrite] = []
        chunks: list[ValueChunk] = []
        for key, steps in by_page.items():
            write, its_chunks = self._known[key].after(steps)
            chunks += its_chunks
            if write is not None:  # otherwise the page already says all that these commits have to say
                writes.append(write)
        if chunks:
            self._put_chunks(chunks)
        if not writes:
            return []
        refused = []
        for write, is_written in zip(writes, self._ledger.write_pages(writes), strict=True):
            if is_written:
                self._remember(write)
            else:
                refused.append(write.page.key)
        return refused

    def _put_chunks(self, chunks: Sequence[ValueChunk]) -> None:
        self._ledger.put_value_chunks(chunks)
        by_page = chunks_by_page(chunks)
        for _, key, cell, values in chunks:
            self._known[key].beside.setdefault(cell, set()).update(unpack_values(values))
        for (key, n), cells in by_page.items():
            if sum(map(len, cells.values())) < LARGE_PART_VALUES * VALUE_BYTES:
                self._known[key].parts[n] = cells
            self._known.move_to_end(key)
        keys = [key for key, _ in by_page]
        self._unite(keys)
        for key in keys:
            self.known_bytes += self._known[key].weigh()

    def _unite(self, keys: Iterable[PageKey]) -> None:
        """Unite the chunks beside pages that have many, of those this process has put: it knows their values.

        The values of a commit that are not in its chunk were stored for good before, so a process that has put a
        commit's chunk may replace it, also when another process puts it again.
        """
        united = []
        for key in keys:
            known = self._known[key]
            if len(known.parts) >= UNITED_PARTS or known.part_values() >= UNITED_VALUES:
                cells: dict[str, set[int]] = {}
                for part in known.parts.values():
                    for cell, values in part.items():
                        cells.setdefault(cell, set()).update(unpack_values(values))
                packed = {cell: pack_values(values) for cell, values in cells.items()}
                united.append(UnitedChunks(key, packed, tuple(sorted(known.parts))))
        if united:
            self._ledger.unite_value_chunks(united)
            for key, _, _ in united:
                self._known[key].parts = {}

    def _remember(self, write: PageWrite) -> None:
        known = self._known[write.page.key]
        self.known_bytes += known.take(write.stamp, write.changed)
        self._known.move_to_end(write.page.key)

    def forget(self, lane: int) -> None:
        """Drop what is known of a lane's pages: somebody else may have written them."""
        for key in [key for key in self._known if key.lane == lane]:
            self.known_bytes -= self._known.pop(key).weight

    def _make_room(self) -> None:
        while self.known_bytes > self._max_bytes and self._known:
            _, known = self._known.popitem(last=False)
            self.known_bytes -= known.weight
