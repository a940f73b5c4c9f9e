"""Thirteen ways to get the ledger wrong, each a small change to the production code; the simulation must catch them."""

from collections.abc import Sequence

from functions.application.apply_commit import apply_pages
from functions.application.commit_usage import LaneWriter
from functions.domain.metering.ledger import Commit
from functions.domain.metering.meter import MeterSet
from functions.domain.metering.pages import Page, PageDelta, PageKey
from tests.simulation.world import MAX_METERS, SUM_METERS, SimulatedLedger


class NoStamp(SimulatedLedger):
    """Pages are added to without looking at the last commit applied."""

    def add_to_pages(self, commit: Commit, pages: Sequence[PageDelta]) -> None:
        for delta in pages:
            self.request("add_to_page")
            page = self._page(delta.key)
            self._store(Page(delta.key, commit.n, delta.applied_to(page.cells)))


class NoIdCheck(LaneWriter):
    """A taken commit number is believed to be our own retry."""

    def _is_ours(self, holder: Commit, commit: Commit) -> bool:
        return True


class BlindCommit(SimulatedLedger):
    """The commit is put without a condition."""

    def put_commit(self, commit: Commit) -> Commit | None:
        self.table.put(("commit", commit.lane, commit.n), None)
        return super().put_commit(commit)


class NoHelping(LaneWriter):
    """A predecessor's unfinished commit is not applied first."""

    def _help(self, lane: int, done: int, n: int) -> None:
        return None


class DoneBeforePages(LaneWriter):
    """The head says applied before the pages are."""

    def _apply(self, commit: Commit) -> None:
        self._ledger.advance_heads({commit.lane: commit.n})
        super()._apply(commit)


class StaleChunks(SimulatedLedger):
    """Fingerprint chunks are read eventually consistently: some of the newest are not there yet."""

    def chunk(self, lane: int, bucket: int) -> bytes:
        self.request("chunk")
        keys = self.table.keys("chunk", lane, bucket)
        seen = keys[:-1] if keys and self.chance.random() < 0.3 else keys
        return b"".join(self.table.get(key) for key in seen)


class KeptFingerprints(LaneWriter):
    """After a lost put the fingerprints of the refused decision stay in the cache."""

    def _forget(self, lane: int) -> None:
        kept = self._states.pop(lane, None)
        if kept is None:
            return
        state = self._load(lane)
        state.buckets, state.recent, state.recent_since = kept.buckets, kept.recent, kept.recent_since


class ChunksAfterHead(LaneWriter):
    """The head rises before the fingerprint chunks are written."""

    def _apply(self, commit: Commit) -> None:
        if commit.fingerprints:
            self._archive.publish(commit)
            apply_pages(self._ledger, commit)
        self._ledger.advance_heads({commit.lane: commit.n})
        self._ledger.put_index(commit)


class NumberFromCommitsOnly(LaneWriter):
    """An idle lane whose commits have expired starts again at 1."""

    def _highest(self, lane: int, done: int) -> int:
        return self._ledger.last_commit_number(lane)


class UnstampedTotals(SimulatedLedger):
    """Subject pages are stamped, the lane's totals are not."""

    def add_to_pages(self, commit: Commit, pages: Sequence[PageDelta]) -> None:
        super().add_to_pages(commit, [delta for delta in pages if delta.key.subject is not None])
        for delta in pages:
            if delta.key.subject is None:
                self.request("add_to_total")
                page = self._page(delta.key)
                self._store(Page(delta.key, commit.n, delta.applied_to(page.cells)))


class PageChosenAtApply(SimulatedLedger):
    """Which page takes a cell is decided by how full the pages are at the moment of applying."""

    def add_to_pages(self, commit: Commit, pages: Sequence[PageDelta]) -> None:
        placed = []
        for delta in pages:
            key = delta.key
            is_full = len(self._page(key).cells) >= 2
            number = key.number + 1 if is_full else key.number
            placed.append(PageDelta(PageKey(key.tenant, key.lane, key.subject, key.span, number), delta.add))
        super().add_to_pages(commit, placed)


class StaleMaxRead(SimulatedLedger):
    """The page to compare with is read eventually consistently, and written without comparing what was read."""

    def page(self, key: PageKey) -> Page:
        self.request("page")
        history = self.table.versions.get(("page", key.tenant, key.lane, key.subject or "", key.span, key.number), [])
        is_stale = len(history) > 1 and self.chance.random() < 0.5
        return self._page(key, -2 if is_stale else -1)

    def replace_page(self, page: Page, new_stamp: int) -> bool:
        self.request("replace_page")
        if self._page(page.key).stamp >= new_stamp:
            return False
        self._store(Page(page.key, new_stamp, page.cells))
        return True


class StaleMaxCache(SimulatedLedger):
    """Every writer compares with the page as it last saw it itself."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.seen: dict[tuple[object, PageKey], Page] = {}

    def page(self, key: PageKey) -> Page:
        self.request("page")
        place = (self.chance.randrange(2), key)
        cached = self.seen.get(place)
        fresh = self._page(key)
        if cached is None:
            cached = self.seen[place] = fresh
        return Page(key, fresh.stamp, dict(cached.cells))

    def replace_page(self, page: Page, new_stamp: int) -> bool:
        self.request("replace_page")
        if self._page(page.key).stamp >= new_stamp:
            return False
        self._store(Page(page.key, new_stamp, page.cells))
        self.seen[(self.chance.randrange(2), page.key)] = Page(page.key, new_stamp, page.cells)
        return True


Mutant = tuple[MeterSet, type[LaneWriter], type[SimulatedLedger]]

MUTANTS: dict[str, Mutant] = {
    "no stamp": (SUM_METERS, LaneWriter, NoStamp),
    "no id check": (SUM_METERS, NoIdCheck, SimulatedLedger),
    "blind commit": (SUM_METERS, LaneWriter, BlindCommit),
    "no helping": (SUM_METERS, NoHelping, SimulatedLedger),
    "done before pages": (SUM_METERS, DoneBeforePages, SimulatedLedger),
    "eventually consistent chunk read": (SUM_METERS, LaneWriter, StaleChunks),
    "fingerprints kept after a lost put": (SUM_METERS, KeptFingerprints, SimulatedLedger),
    "chunks written after head": (SUM_METERS, ChunksAfterHead, SimulatedLedger),
    "n from commits only": (SUM_METERS, NumberFromCommitsOnly, SimulatedLedger),
    "unstamped totals": (SUM_METERS, LaneWriter, UnstampedTotals),
    "page chosen at apply": (SUM_METERS, LaneWriter, PageChosenAtApply),
    "MAX from a stale read": (MAX_METERS, LaneWriter, StaleMaxRead),
    "MAX from a stale cache": (MAX_METERS, LaneWriter, StaleMaxCache),
}
