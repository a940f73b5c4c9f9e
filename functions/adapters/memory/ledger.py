"""The ledger's ports in a dict: for tests and crash simulation; it passes the same contract tests as DynamoDB.

Every atomic request first calls `request(name)`, where a simulation may pre-empt or kill the caller. Each item keeps
its history, so that a read which is not strongly consistent can be answered from the past.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from functions.adapters.archive import ArchivedEvent, decode_lines, encode_lines, encode_void_lines, readable_lines
from functions.adapters.memory.history import MemoryHistories
from functions.adapters.records import decode_commit, encode_commit
from functions.domain.errors import NotFound
from functions.domain.metering.cells.pages import (
    Cells,
    Page,
    PageKey,
    PageWrite,
    UnitedChunks,
    ValueChunk,
    chunks_by_page,
)
from functions.domain.metering.ledger.audit import DAY_SECONDS, LaneDay
from functions.domain.metering.ledger.hour_index import HourEntry, hour_entries
from functions.domain.metering.ledger.late import LateUsage, late_usage
from functions.domain.metering.ledger.ledger import BatchTally, Code, Commit, Counts, Reject
from functions.domain.metering.ledger.reject import Location, unpack_lines
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import CloseMarker, Event, Pack, Void

Key = tuple[Any, ...]
IS_PART, IS_UNITED = 0, 1  # chunks of values in the order they are read


def _uninterrupted(_name: str) -> None:
    return None


class MemoryTable:
    """Items by key with all their versions; `None` as a version means deleted."""

    def __init__(self) -> None:
        self.versions: dict[Key, list[Any]] = {}

    def get(self, key: Key, default: Any = None) -> Any:
        history = self.versions.get(key)
        value = history[-1] if history else None
        return default if value is None else value

    def put(self, key: Key, value: Any) -> None:
        self.versions.setdefault(key, []).append(value)

    def keys(self, *prefix: Any) -> list[Key]:
        return sorted(key for key in self.versions if key[: len(prefix)] == prefix and self.get(key) is not None)


class MemoryLedger(MemoryHistories):
    def __init__(self, table: MemoryTable | None = None, request: Callable[[str], None] = _uninterrupted) -> None:
        self.table = table or MemoryTable()
        self.request = request

    def last_commit_number(self, lane: int) -> int:
        self.request("last_commit_number")
        return max((key[2] for key in self.table.keys("commit", lane)), default=0)

    def head(self, lane: int) -> int:
        self.request("head")
        return int(self.table.get(("head", lane), 0))

    def heads(self, lanes: Sequence[int]) -> dict[int, int]:
        return {lane: self.head(lane) for lane in lanes}

    def commit(self, lane: int, n: int) -> Commit | None:
        self.request("commit")
        body = self.table.get(("commit", lane, n))
        return None if body is None else decode_commit(body)

    def commits_before(self, lane: int, n: int, decided_since: int) -> Iterable[Commit]:
        while n and (commit := self.commit(lane, n)) and commit.decided_at >= decided_since:
            yield commit
            n -= 1

    def put_commits(self, commits: Sequence[Commit]) -> list[Commit | None]:
        return [self.put_commit(commit) for commit in commits]

    def put_commit(self, commit: Commit) -> Commit | None:
        self.request("put_commit")
        key = ("commit", commit.lane, commit.n)
        holder = self.table.get(key)
        if holder is not None:
            return decode_commit(holder)
        self.table.put(key, encode_commit(commit))
        return None

    def chunk(self, lane: int, bucket: int) -> bytes:
        self.request("chunk")
        return b"".join(self.table.get(key) for key in self.table.keys("chunk", lane, bucket))

    def chunks(self, lane: int, buckets: Sequence[int]) -> dict[int, bytes]:
        return {bucket: self.chunk(lane, bucket) for bucket in buckets}

    def commits_of_bucket(self, lane: int, bucket: int) -> Iterable[tuple[int, bytes]]:
        self.request("commits_of_bucket")
        return [(key[3], self.table.get(key)) for key in self.table.keys("chunk", lane, bucket)]

    def put_index(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            self._put_chunks(commit)
            self._index_hours(commit)
            self._put_directory(commit)
            if commit.uncountable:
                self.request("put_further")
                self.table.put(("further", commit.lane, commit.n), commit.uncountable)
            for outcome in commit.voids:
                self.request("put_outcome")
                self.table.put(("outcome", outcome.tenant, outcome.correction_id), (outcome, commit.n))

    def put_late(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            for late in late_usage(commit):
                self.request("put_late")
                self.table.put(("late", *late), late)

    def tenants(self, before_slot: int, most: int, after: tuple[int, str] | None = None) -> list[tuple[int, str]]:
        found = {(key[1], key[2]): None for key in self.table.keys("late") if key[1] < before_slot}
        return [each for each in found if after is None or each > after][:most]

    def late(self, slot: int, tenant: str, most: int, after: LateUsage | None = None) -> list[LateUsage]:
        found = (self.table.get(key) for key in self.table.keys("late", slot, tenant))
        return [each for each in found if after is None or each > after][:most]

    def forget(self, done: Sequence[LateUsage]) -> None:
        for each in done:
            self.table.put(("late", *each), None)

    def forget_tenant(self, _slot: int, _tenant: str) -> None:
        """Nothing of it is kept apart."""

    def _put_chunks(self, commit: Commit) -> None:
        for bucket, chunk in commit.fingerprints.items():
            self.request("put_chunk")
            self.table.put(("chunk", commit.lane, bucket, commit.n), chunk)

    def _put_directory(self, commit: Commit) -> None:
        for code in commit.codes:
            self.request("put_code")
            self.table.put(("code", code.tenant, commit.lane, code.number), code)
        for tenant, subject in commit.subjects:
            self.request("put_subject")
            self.table.put(("subject", tenant, commit.lane, subject), True)

    def _index_hours(self, commit: Commit) -> None:
        for entry in hour_entries(commit):
            self.request("index_hour")
            key = ("hour", commit.lane, entry.hour)
            self.table.put(key, self.table.get(key, frozenset()) | {entry})

    def commits_in_hour(self, lane: int, hour: int) -> list[tuple[int, int]]:
        self.request("commits_in_hour")
        return sorted((entry.n, entry.decided_hour) for entry in self.table.get(("hour", lane, hour), frozenset()))

    def hour_index(
        self, lane: int, newest_hour: int, oldest_hour: int, below: int | None = None, *, only_voids: bool = False
    ) -> Iterator[HourEntry]:
        self.request("hour_index")
        for key in reversed(self.table.keys("hour", lane)):
            if oldest_hour <= key[2] <= newest_hour:
                for entry in sorted(self.table.get(key), reverse=True):
                    is_behind = below is None or entry.hour < newest_hour or entry.n < below
                    if is_behind and (entry.has_voids or not only_voids):
                        yield entry

    def index_of_hours(self, lane: int, hours: Collection[int]) -> Iterator[HourEntry]:
        self.request("index_of_hours")
        for hour in sorted(hours, reverse=True):
            yield from sorted(self.table.get(("hour", lane, hour), ()), reverse=True)

    def oldest_hour(self, lane: int) -> int | None:
        self.request("oldest_hour")
        return min((key[2] for key in self.table.keys("hour", lane)), default=None)

    def put_markers(self, commits: Sequence[Commit]) -> None:
        for commit in commits:
            for marker in commit.markers:
                self.request("put_marker")
                self.table.put(("marker", marker, commit.lane), commit.n)

    def marked_lanes(self, marker: str) -> dict[int, int]:
        self.request("marked_lanes")
        return {key[2]: self.table.get(key) for key in self.table.keys("marker", marker)}

    def read_pages(self, keys: Sequence[PageKey]) -> Iterable[Page]:
        self.request("read_pages")
        return [self._page(key) for key in keys]

    def write_pages(self, writes: Sequence[PageWrite]) -> list[bool]:
        return [self._write_page(*write) for write in writes]

    def _write_page(self, stamp: int, seen: Page, changed: Cells) -> bool:
        self.request("write_page")
        page = self._page(seen.key)
        if page.stamp != seen.stamp:
            return False
        self._store(Page(seen.key, stamp, page.cells | changed))
        return True

    def put_value_chunks(self, chunks: Sequence[ValueChunk]) -> None:
        for (key, n), cells in chunks_by_page(chunks).items():
            self.request("put_value_chunk")
            self.table.put(("values", *_page_key(key)[1:], IS_PART, n), cells)

    def unite_value_chunks(self, united: Sequence[UnitedChunks]) -> None:
        self._put_united(united)
        self._delete_parts(united)

    def _put_united(self, united: Sequence[UnitedChunks]) -> None:
        for each in united:
            self.request("put_united_chunk")
            self.table.put(("values", *_page_key(each.key)[1:], IS_UNITED, each.name), each.cells)

    def _delete_parts(self, united: Sequence[UnitedChunks]) -> None:
        for key, _, parts in united:
            for n in parts:
                self.request("delete_value_chunk")
                self.table.put(("values", *_page_key(key)[1:], IS_PART, n), None)

    def value_chunks(
        self, tenant: str, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterable[tuple[PageKey, str, bytes]]:
        """A request for each: others may write in between."""
        self.request("value_chunks")
        behind: Key = ()
        while following := [key for key in self.table.keys("values", tenant, lane, subject or "") if key > behind]:
            behind = following[0]
            if first_span <= behind[4] <= last_span:
                for cell, values in self.table.get(behind).items():
                    yield PageKey(tenant, lane, subject, behind[4], behind[5]), cell, values
                self.request("value_chunks")

    def pages(
        self,
        tenant: str,
        lane: int,
        subject: str | None,
        first_span: int,
        last_span: int,
        at_once: int | None = None,  # noqa: ARG002
    ) -> Iterable[Page]:
        self.request("pages")
        for key in self.table.keys("page", tenant, lane, subject or ""):
            if first_span <= key[4] <= last_span:
                yield self._page(PageKey(tenant, lane, subject, key[4], key[5]))

    def advance_heads(self, heads: Mapping[int, int]) -> None:
        for lane, n in heads.items():
            self.request("advance_head")
            if self.table.get(("head", lane), 0) < n:
                self.table.put(("head", lane), n)

    def put_tallies(self, tallies: Sequence[BatchTally]) -> None:
        for tally in tallies:
            self.request("put_tally")
            self.table.put(("tally", tally.lane, tally.received_at, tally.name), tally)

    def tallies(self, lane: int, start: int, end: int) -> list[Counts]:
        self.request("tallies")
        return [self.table.get(key).counts for key in self.table.keys("tally", lane) if start <= key[2] < end]

    def commits_from(self, lane: int, n: int) -> Iterator[Commit]:
        for key in self.table.keys("commit", lane):
            if key[2] >= n and (commit := self.commit(lane, key[2])):
                yield commit

    def codes(self, tenant: str, lane: int, first: int = 0) -> Iterable[Code]:
        self.request("codes")
        return [self.table.get(key) for key in self.table.keys("code", tenant, lane) if key[3] >= first]

    def known_subjects(self, tenant: str, lane: int, subjects: Sequence[str]) -> set[str]:
        self.request("known_subjects")
        return {subject for subject in subjects if self.table.get(("subject", tenant, lane, subject))}

    def subjects(self, tenant: str, lane: int, limit: int, after: str = "") -> list[str]:
        self.request("subjects")
        return [key[3] for key in self.table.keys("subject", tenant, lane) if key[3] > after][:limit]

    def meter_set(self, tenant: str) -> MeterSet:
        self.request("meter_set")
        return self.table.get(("meters", tenant), MeterSet(0))  # type: ignore[no-any-return]

    def meter_sets(self, tenants: Sequence[str]) -> dict[str, MeterSet]:
        return {tenant: self.meter_set(tenant) for tenant in tenants}

    def put_meter_set(self, tenant: str, meter_set: MeterSet) -> None:
        self.table.put(("meters", tenant), meter_set)

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        for reject in rejects:
            self.request("put_reject")
            key = ("reject", reject.tenant, reject.identity, reject.code, reject.meter_id)
            self.table.put(key, reject)

    def left_out(self, tenant: str, identity: str, time: int, line: Location) -> set[str]:
        self.request("left_out")
        further = self.table.get(("further", line.lane, line.n), [])
        of_day = [each for each in further if (each.tenant, each.day) == (tenant, time // DAY_SECONDS)]
        return {key[4] for key in self.table.keys("reject", tenant, identity) if key[4]} | {
            each.meter_id for each in of_day if line.number in unpack_lines(each.lines)
        }

    def rejects(self, tenant: str) -> list[Reject]:
        return [self.table.get(key) for key in self.table.keys("reject", tenant)]

    def _page(self, key: PageKey, version: int = -1) -> Page:
        history = self.table.versions.get(_page_key(key))
        stamp, cells = history[version] if history else (0, {})
        return Page(key, stamp, dict(cells))

    def _store(self, page: Page) -> None:
        value: tuple[int, Cells] = (page.stamp, page.cells)
        self.table.put(_page_key(page.key), value)


def _page_key(key: PageKey) -> Key:
    return ("page", key.tenant, key.lane, key.subject or "", key.span, key.number)


class MemoryArchive:
    """Objects by key; bodies are the events themselves."""

    def __init__(self, request: Callable[[str], None] = _uninterrupted) -> None:
        self.objects: dict[str, bytes] = {}
        self.request = request

    def encode(
        self, groups: Sequence[tuple[str, str, list[Event]]], received_at: int, versions: dict[str, int]
    ) -> bytes:
        return encode_lines(groups, received_at, versions)

    def encode_voids(self, voids: Sequence[tuple[str, Void]], received_at: int, versions: dict[str, int]) -> bytes:
        return encode_void_lines(voids, received_at, versions)

    def stage(self, lane: int, attempt: str, body: bytes) -> str:
        self.request("stage")
        key = f"staging/{lane}/{attempt}"
        self.objects[key] = body
        return key

    def publish(self, commit: Commit) -> None:
        self.request("publish")
        body = self.objects[commit.staged_key] if commit.staged_key else commit.inline_archive
        self.objects[f"archive/{commit.lane}/{commit.n}"] = body

    def events(self, lane: int, n: int, _decided_hour: int) -> Iterator[ArchivedEvent]:
        self.request("archived_events")
        key = f"archive/{lane}/{n}"
        yield from readable_lines(key, self.objects.get(key), n)

    def events_of(self, lane: int, commits: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        for n, decided_hour in commits:
            yield from self.events(lane, n, decided_hour)

    def lines_of(
        self, lane: int, commits: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[int, list[ArchivedEvent] | None]]:
        for n, _ in commits:
            self.request("archived_events")
            body = self.objects.get(f"archive/{lane}/{n}")
            yield n, None if body is None else list(decode_lines(body, n))

    def put_rejected_record(self, identity: str, body: bytes) -> str:
        self.objects[f"rejects/{identity}"] = body
        return f"rejects/{identity}"

    def rejected_record(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFound("The bytes of this record are not kept any more.", code="record_not_found")
        return self.objects[key]


class MemoryAuditResults:
    def __init__(self) -> None:
        self._results: dict[tuple[str, int], LaneDay] = {}
        self._begun: dict[tuple[str, int], LaneDay] = {}

    def put_begun(self, result: LaneDay) -> bool:
        self._begun[result.day, result.lane] = deepcopy(result)
        return True

    def begun(self, lane: int, day: str) -> LaneDay | None:
        return deepcopy(self._begun.get((day, lane)))

    def put(self, result: LaneDay) -> None:
        self._results[result.day, result.lane] = deepcopy(result)

    def of_day(self, day: str) -> list[LaneDay]:
        return [result for (of, _), result in sorted(self._results.items()) if of == day]


class MemoryStream:
    """Records put, in order; a test takes them from here to the writer."""

    def __init__(self) -> None:
        self.records: list[Pack | CloseMarker] = []

    def put(self, records: Sequence[Pack | CloseMarker]) -> None:
        self.records.extend(deepcopy(list(records)))
