"""Thirty-one ways to get the ledger wrong, each a small change to production code; the simulation must catch them."""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from functions.adapters.archive import ArchivedEvent
from functions.adapters.memory.ledger import MemoryArchive
from functions.application.metering.ledger.aggregate_usage import Aggregator, Delivered, Report
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.application.metering.ledger.batch_commits import Decider
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.lane_memory import LaneMemory
from functions.application.metering.ledger.pages_behind import PagesBehind
from functions.application.metering.ledger.recall_lane import LaneRecall, Recollection
from functions.application.metering.usage.current_pages import CurrentPages, Deltas
from functions.application.ports.look_back import KeptLookBack
from functions.domain.metering.cells.aggregation import DIRTY
from functions.domain.metering.cells.pages import Cells, Page, PageDelta, PageKey, UnitedChunks, ValueChunk
from functions.domain.metering.ledger.ledger import Commit, LaneState, Reject, bucket_of
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import CloseMarker, Pack, Void
from tests.simulation.world import MAX_METERS, SUM_METERS, UNIQUE_METERS, SimulatedLedger


class NoStamp(SimulatedLedger):
    """Pages are written without looking at the last commit applied."""

    def _is_stamped(self, key: PageKey) -> bool:
        return False

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        pages = super().read_pages(keys)
        return [page if self._is_stamped(page.key) else Page(page.key, 0, page.cells) for page in pages]

    def _write_page(self, stamp: int, seen: Page, changed: Cells) -> bool:
        if self._is_stamped(seen.key):
            return super()._write_page(stamp, seen, changed)
        self.request("write_page")
        self._store(Page(seen.key, stamp, self._page(seen.key).cells | changed))
        return True


class UnstampedTotals(NoStamp):
    """Subject pages are stamped, the lane's totals are not."""

    def _is_stamped(self, key: PageKey) -> bool:
        return key.subject is not None


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

    def _help(self, lane: int, done: int, n: int) -> Commit | None:
        return self._ledger.commit(lane, n)


class HelpingWithTheLast(LaneWriter):
    """Of the commits whose pages are not written the last one alone is taken up."""

    def _help(self, lane: int, done: int, n: int) -> Commit | None:
        return super()._help(lane, max(done, n - 1), n)


class HeadsFirst(PagesBehind):
    def write(self, lanes: Iterable[int]) -> None:
        lanes = [lane for lane in lanes if lane in self._lanes]
        self._ledger.advance_heads({lane: self._lanes[lane].commits[-1].n for lane in lanes})
        super().write(lanes)


class DoneBeforePages(LaneWriter):
    """The head says applied before the pages are."""

    writing_pages = HeadsFirst


class StaleChunks(SimulatedLedger):
    """Fingerprint chunks are read eventually consistently: some of the newest are not there yet."""

    def chunk(self, lane: int, bucket: int) -> bytes:
        self.request("chunk")
        keys = self.table.keys("chunk", lane, bucket)
        seen = keys[:-1] if keys and self.chance.random() < 0.3 else keys
        return b"".join(self.table.get(key) for key in seen)


class OwnRecall(LaneWriter):
    """A writer that recalls in the mutant's own way."""

    recall: type[LaneRecall] = LaneRecall

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        ledger, window, look_backs = arguments[0], arguments[4], arguments[5]
        self._decider.memory = LaneMemory(ledger, look_backs, window)
        self._memory._recall = self.recall(ledger, look_backs, window)


class KeepingRecall(LaneRecall):
    def take_back(self, lane: int) -> None:
        if known := self._recollections.get(lane):
            known.look_back.confirm(known.look_back.n)


class KeptFingerprints(OwnRecall):
    """After a lost put the fingerprints of the refused decision stay in the look-back."""

    recall = KeepingRecall


class BelievingRecall(LaneRecall):
    def _from_log(self, state: LaneState, kept: KeptLookBack | None, horizon: int) -> Recollection:
        known = super()._from_log(state, kept, horizon)
        known.look_back.since = 0
        return known


class WhatIsGoneNeverWas(OwnRecall):
    """A look-back from what is left of the log is believed to be the whole of it."""

    recall = BelievingRecall


class LazyRecall(LaneRecall):
    def _follow(self, known: Recollection, state: LaneState) -> bool:
        known.look_back.confirm(state.n)
        return True


class KeptIsBelieved(OwnRecall):
    """What the log says behind a kept look-back is not read."""

    recall = LazyRecall


class ChunksAfterHead(LaneWriter):
    """The head rises before the fingerprint chunks are written."""

    def _apply(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            if commit.fingerprints:
                self._archive.publish(commit)
        self._behind.add(commits)
        self._behind.write([commit.lane for commit in commits])
        self._ledger.put_index(commits)


class NumberFromCommitsOnly(LaneWriter):
    """An idle lane whose commits have expired starts again at 1."""

    def _highest(self, lane: int, done: int) -> int:
        return self._ledger.last_commit_number(lane)


class ChoosingApplier(PageApplier):
    def apply(self, commits: Iterable[Commit]) -> None:
        super().apply(
            [msgspec.structs.replace(commit, pages=list(map(self._placed, commit.pages))) for commit in commits]
        )

    def _placed(self, delta: PageDelta) -> PageDelta:
        (page,) = self._ledger.read_pages([delta.key])
        number = delta.key.number + 1 if len(page.cells) >= 2 else delta.key.number
        return msgspec.structs.replace(delta, key=msgspec.structs.replace(delta.key, number=number))


class ChoosingPages(PagesBehind):
    applying = ChoosingApplier


class PageChosenAtApply(LaneWriter):
    """Which page takes a cell is decided by how full the pages are at the moment of applying."""

    writing_pages = ChoosingPages


class LastDeltaAlone(PageApplier):
    def apply(self, commits: Iterable[Commit]) -> None:
        last: dict[PageKey, tuple[Commit, PageDelta]] = {}
        for commit in commits:
            last |= {delta.key: (commit, delta) for delta in commit.pages}
        super().apply(msgspec.structs.replace(commit, pages=[delta]) for commit, delta in last.values())


class LastDeltas(PagesBehind):
    applying = LastDeltaAlone


class LastOfManyDeltas(LaneWriter):
    """A page that many commits change is written with what the last of them does."""

    writing_pages = LastDeltas


class StampsIgnored(CurrentPages):
    """What commits have added counts again in pages that hold it."""

    def _with(self, page: Page, deltas: Deltas) -> Page:
        return super()._with(Page(page.key, 0, page.cells), deltas)


class PagesFirst(CurrentPages):
    """Pages are read before the commits that are not in them."""

    def pages(
        self, lane: int, subject: str | None, first_span: int, last_span: int, at_once: int | None = None
    ) -> Iterator[Page]:
        stored = list(self._ledger.pages(self._tenant, lane, subject, first_span, last_span, at_once))
        deltas = self._tail(lane).deltas.get(subject, {})
        yield from (self._with(page, deltas) for page in stored)
        missing = deltas.keys() - {page.key for page in stored}
        yield from (self._with(Page(key), deltas) for key in missing)


class StoredValues(CurrentPages):
    """The distinct values of commits that are in no page yet are left out."""

    def value_chunks(
        self, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterator[tuple[PageKey, str, bytes]]:
        yield from self._ledger.value_chunks(self._tenant, lane, subject, first_span, last_span)


class UncomparedWrites(SimulatedLedger):
    """A page is written if its stamp is below the commit's, whether or not it is still the one that was read."""

    def _write_page(self, stamp: int, seen: Page, changed: Cells) -> bool:
        self.request("write_page")
        page = self._page(seen.key)
        if page.stamp >= stamp:
            return False
        self._store(Page(seen.key, stamp, page.cells | changed))
        return True


class StaleRead(UncomparedWrites):
    """The page to compare with is read eventually consistently."""

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        return [self._stale(page) for page in super().read_pages(keys)]

    def _stale(self, page: Page) -> Page:
        key = page.key
        history = self.table.versions.get(("page", key.tenant, key.lane, key.subject or "", key.span, key.number), [])
        is_stale = len(history) > 1 and self.chance.random() < 0.5
        return Page(key, page.stamp, self._page(key, -2).cells) if is_stale else page


class KeptPages(LaneWriter):
    """After a lost put the pages stay in the cache."""

    def _forget(self, lane: int) -> None:
        self._memory.forget(lane)
        self._behind._lanes.pop(lane, None)


class OneChunkPerCell(SimulatedLedger):
    """Values beside a page overwrite those of the commit before."""

    def put_value_chunks(self, chunks: Sequence[ValueChunk]) -> None:
        super().put_value_chunks([each._replace(n=0) for each in chunks])


class DeletedBeforeUnited(SimulatedLedger):
    """The parts are deleted before their values are stored united."""

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        self._delete_parts(united)
        self._put_united(united)


class UnitedInPlace(SimulatedLedger):
    """United values take the place of their last part, which another writer may put again."""

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        for key, cells, parts in united:
            self.put_value_chunks([ValueChunk(parts[-1], key, cell, values) for cell, values in cells.items()])
        self._delete_parts([each._replace(parts=each.parts[:-1]) for each in united])


class UnitedUnderOneName(SimulatedLedger):
    """Whoever unites up to the same commit writes the same item, though he may know other parts."""

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        super().unite_value_chunks([_Nameless(*each) for each in united])


class _Nameless(UnitedChunks):
    @property
    def name(self) -> str:
        return f"{self.parts[-1]:012d}"


class DecidesVoidsTwice(Decider):
    def new_voids(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[list[tuple[str, Void]], list[Reject]]:
        super().new_voids(state, packs, now)
        return [(pack.tenant, void) for pack in packs for void in pack.voids], []


class VoidTwice(LaneWriter):
    """A void that comes again takes its event off again."""

    deciding = DecidesVoidsTwice


class IgnoresUnseen(Decider):
    def new_voids(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[list[tuple[str, Void]], list[Reject]]:
        return super().new_voids(state, [self._seen(state, pack) for pack in packs], now)

    def _seen(self, state: LaneState, pack: Pack) -> Pack:
        voids = [void for void in pack.voids if void.fingerprint in state.buckets.get(bucket_of(void.time), ())]
        return msgspec.structs.replace(pack, voids=voids)


class VoidOfUnseenIgnored(LaneWriter):
    """A void whose event has not come yet is forgotten."""

    deciding = IgnoresUnseen


class CleanedByMerges(SimulatedLedger):
    """A dirty cell takes the next commit's contribution as if it were empty."""

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        pages = super().read_pages(keys)
        return [
            Page(page.key, page.stamp, {name: cell for name, cell in page.cells.items() if cell != DIRTY})
            for page in pages
        ]


class ListsLater(Decider):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unlisted: list[Reject] = []

    def begin_invocation(self) -> None:
        super().begin_invocation()
        self.unlisted = []

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        self.unlisted += rejects


class ListedAfterCommit(LaneWriter):
    """What is listed of a commit's events is listed behind the commit."""

    deciding = ListsLater

    def _apply(self, commits: Sequence[Commit]) -> None:
        super()._apply(commits)
        decider = self._decider
        assert isinstance(decider, ListsLater)
        self._ledger.put_rejects(decider.unlisted)
        decider.unlisted = []


class RejectedWhole(Aggregator):
    """A record is rejected whole for one of its events."""

    def _count_apart(
        self, lane: int, record: Delivered, found: Pack | CloseMarker, problem: Exception, report: Report
    ) -> None:
        self._reject(record, "uncountable_record", problem, report)


class ReadWhole(MemoryArchive):
    """An object with a line that cannot be read gives none."""

    def events(self, lane: int, n: int, _decided_hour: int) -> Iterator[ArchivedEvent]:
        yield from _decode_strictly(self.objects[f"archive/{lane}/{n}"])

    def lines_of(
        self, lane: int, commits: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, list[ArchivedEvent] | None]]:
        for n, _ in commits:
            self.request("archived_events")
            body = self.objects.get(f"archive/{lane}/{n}")
            yield n, None if body is None else _decode_strictly(body)


def _decode_strictly(body: bytes) -> list[ArchivedEvent]:
    return msgspec.json.Decoder(ArchivedEvent).decode_lines(gzip.decompress(body))


Mutant = tuple[MeterSet, type[LaneWriter], type[SimulatedLedger]]

MUTANTS: dict[str, Mutant] = {
    "no stamp": (SUM_METERS, LaneWriter, NoStamp),
    "no id check": (SUM_METERS, NoIdCheck, SimulatedLedger),
    "blind commit": (SUM_METERS, LaneWriter, BlindCommit),
    "no helping": (SUM_METERS, NoHelping, SimulatedLedger),
    "helping with the last commit alone": (SUM_METERS, HelpingWithTheLast, SimulatedLedger),
    "the last of many deltas alone": (SUM_METERS, LastOfManyDeltas, SimulatedLedger),
    "done before pages": (SUM_METERS, DoneBeforePages, SimulatedLedger),
    "eventually consistent chunk read": (SUM_METERS, LaneWriter, StaleChunks),
    "fingerprints kept after a lost put": (SUM_METERS, KeptFingerprints, SimulatedLedger),
    "what is gone from the log never was": (SUM_METERS, WhatIsGoneNeverWas, SimulatedLedger),
    "a kept look-back believed": (SUM_METERS, KeptIsBelieved, SimulatedLedger),
    "chunks written after head": (SUM_METERS, ChunksAfterHead, SimulatedLedger),
    "n from commits only": (SUM_METERS, NumberFromCommitsOnly, SimulatedLedger),
    "unstamped totals": (SUM_METERS, LaneWriter, UnstampedTotals),
    "page chosen at apply": (SUM_METERS, PageChosenAtApply, SimulatedLedger),
    "MAX from a stale read": (MAX_METERS, LaneWriter, StaleRead),
    "MAX from a stale cache": (MAX_METERS, KeptPages, UncomparedWrites),
    "SUM from a stale cache": (SUM_METERS, KeptPages, UncomparedWrites),
    "a void applied twice": (SUM_METERS, VoidTwice, SimulatedLedger),
    "a void ignored when it comes first": (SUM_METERS, VoidOfUnseenIgnored, SimulatedLedger),
    "a dirty cell filled again": (MAX_METERS, LaneWriter, CleanedByMerges),
    "one chunk of values for all commits": (UNIQUE_METERS, LaneWriter, OneChunkPerCell),
    "parts deleted before they are united": (UNIQUE_METERS, LaneWriter, DeletedBeforeUnited),
    "values united in place": (UNIQUE_METERS, LaneWriter, UnitedInPlace),
    "united under one name": (UNIQUE_METERS, LaneWriter, UnitedUnderOneName),
}

READER_MUTANTS: dict[str, tuple[MeterSet, type[CurrentPages]]] = {
    "stamps ignored by readers": (SUM_METERS, StampsIgnored),
    "pages read before the commits behind them": (SUM_METERS, PagesFirst),
    "values of commits left out by readers": (UNIQUE_METERS, StoredValues),
}

Troubled = tuple[type[LaneWriter], type[Aggregator], type[MemoryArchive]]

# In the world with events that our own code cannot take.
TROUBLED_MUTANTS: dict[str, Troubled] = {
    "listed after the commit": (ListedAfterCommit, Aggregator, MemoryArchive),
    "a record rejected whole for one event": (LaneWriter, RejectedWhole, MemoryArchive),
    "an object unreadable for one line": (LaneWriter, Aggregator, ReadWhole),
}
