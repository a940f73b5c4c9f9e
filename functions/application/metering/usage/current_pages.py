"""Counter pages as of the last commit: what is stored, and what commits have added since pages were last written.

The writer of a lane writes its pages once for many commits (`ledger/pages_behind.py`) and raises its head then. So the
commits behind the head are read first, and each page afterwards: a delta counts where the page's stamp is lower.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import NamedTuple

from functions.application.ports.ledger import LedgerReader
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.pages import Page, PageDelta, PageKey

# Many times what a writer leaves for later: beyond it nobody writes the pages of the lane.
MAX_COMMITS = 2_000
READERS = 8

Deltas = Mapping[PageKey, Sequence[tuple[int, PageDelta]]]  # by page what commits do to it, by their numbers, in order
NOTHING: Deltas = {}


class _Tail(NamedTuple):
    """The commits of a lane behind its head, as far as a tenant has a part in them; `last` is their highest number."""

    head: int
    last: int
    deltas: Mapping[str | None, Deltas]  # by subject, None for the lane's totals


class CurrentPages:
    """The pages of one tenant, for one question: each lane's commits are read once, when it is first asked about.

    What a test of the simulation breaks is a method of its own (`tests/simulation/mutants.py`).
    """

    def __init__(self, ledger: LedgerReader, tenant: str) -> None:
        self._ledger = ledger
        self._tenant = tenant
        self._tails: dict[int, _Tail] = {}
        self._locks: dict[int, Lock] = defaultdict(Lock)

    def learn(self, lanes: Sequence[int]) -> None:
        """Reads the commits of many lanes at once."""
        unknown = [lane for lane in lanes if lane not in self._tails]
        if len(unknown) < 2:
            return
        heads = self._ledger.heads(unknown)
        with ThreadPoolExecutor(min(READERS, len(unknown))) as pool:
            tails = pool.map(lambda lane: self._read(lane, heads[lane]), unknown)
            self._tails.update(zip(unknown, tails, strict=True))

    def settled(self, lane: int) -> int:
        """The highest commit that surely is in the counters, its codes and its places in the hour index."""
        tail = self._tail(lane)
        return max(tail.head, tail.last - 1)

    def pages(
        self, lane: int, subject: str | None, first_span: int, last_span: int, at_once: int | None = None
    ) -> Iterator[Page]:
        """As of the ledger; those that are not stored yet come last."""
        deltas = self._tail(lane).deltas.get(subject, NOTHING)
        missing = {key for key in deltas if first_span <= key.span <= last_span}
        for page in self._ledger.pages(self._tenant, lane, subject, first_span, last_span, at_once):
            missing.discard(page.key)
            yield self._with(page, deltas)
        yield from (self._with(Page(key), deltas) for key in sorted(missing))

    def read_pages(self, keys: Sequence[PageKey]) -> Iterator[Page]:
        tails = {lane: self._tail(lane) for lane in {key.lane for key in keys}}
        for page in self._ledger.read_pages(keys):
            yield self._with(page, tails[page.key.lane].deltas.get(page.key.subject, NOTHING))

    def value_chunks(
        self, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterator[tuple[PageKey, str, bytes]]:
        """As of the ledger, behind all that commits have added: their values may go into a cell or beside the page."""
        deltas = self._tail(lane).deltas.get(subject, NOTHING)
        for key, steps in deltas.items():
            if first_span <= key.span <= last_span:
                for _, delta in steps:
                    yield from ((key, name, values) for name, values in delta.values.items())
        yield from self._ledger.value_chunks(self._tenant, lane, subject, first_span, last_span)

    def _tail(self, lane: int) -> _Tail:
        with self._locks[lane]:
            if lane not in self._tails:
                self._tails[lane] = self._read(lane, self._ledger.head(lane))
            return self._tails[lane]

    def _read(self, lane: int, head: int) -> _Tail:
        last = head
        deltas: dict[str | None, dict[PageKey, list[tuple[int, PageDelta]]]] = {}
        for commit in self._ledger.commits_from(lane, head + 1):
            last = commit.n
            if last - head > MAX_COMMITS:
                message = f"Lane {lane} has more than {MAX_COMMITS} commits that are not in its counters."
                raise Unavailable(message, retry_after_seconds=60, code="counting_behind")
            for delta in commit.pages:
                if delta.key.tenant == self._tenant:
                    deltas.setdefault(delta.key.subject, {}).setdefault(delta.key, []).append((last, delta))
        return _Tail(head, last, deltas)

    def _with(self, page: Page, deltas: Deltas) -> Page:
        stamp, cells = page.stamp, page.cells
        for n, delta in deltas.get(page.key, ()):
            if n > page.stamp:
                stamp, cells = n, cells | delta.applied_to(cells)
        return Page(page.key, stamp, cells)
