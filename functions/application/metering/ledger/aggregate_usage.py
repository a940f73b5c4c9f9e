"""A delivery from the stream into the lanes: readable records are counted, unreadable ones kept as rejects."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.running_lanes import POISON, Batch
from functions.application.ports.ledger import Ledger
from functions.domain.metering.ledger.ledger import Counts, Reject
from functions.domain.metering.ledger.reject import event_identity
from functions.domain.metering.values.event import CloseMarker, Event, Pack, Void

# What is decoded at a time: a record of a hundred bytes may hold a megabyte, and a delivery thousands of them. Bounds
# what is in memory and, as a commit holds events of one slice, the raw size of an archive object. A delivery of usual
# events comes near it at 10,000 a second counted every minute.
MAX_SLICE_BYTES = 32_000_000
# One event of a record that our code cannot take is found by halves; after so many tries what is left is kept unread.
MAX_SPLITS = 200


class RejectStore(Protocol):
    def put_rejected_record(self, identity: str, body: bytes) -> str:
        """Keep bytes that could not be processed; returns their key."""
        ...


@dataclass(frozen=True)
class Delivered:
    """One stream record as it came; `identity` (shard and sequence number) is the same on every redelivery."""

    identity: str
    body: bytes
    received_at: int


# What a tenant reads; the exception itself is for the log.
REASONS = {
    "unreadable_record": "The record cannot be read by this version; its bytes are kept and can be replayed.",
    "uncountable_record": "The record cannot be counted by this version; its bytes are kept and can be replayed.",
    "uncountable_event": "The event cannot be counted by this version; it can be replayed.",
    "uncountable_void": "it cannot be applied by this version; the event stays as it is.",
}


@dataclass(frozen=True)
class Rejected:
    """A record that was listed instead of counted, and what was raised over it; or so many of its events were."""

    identity: str
    code: str
    error: Exception
    events: int = 0


@dataclass
class Report:
    counts: Counts = field(default_factory=Counts)
    records: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    lanes: set[int] = field(default_factory=set)
    surplus: Mapping[str, int] = field(default_factory=dict)  # by tenant, see domain/metering/ledger/surplus.py
    room_used: Mapping[tuple[str, str], int] = field(default_factory=dict)  # percent, by tenant and meter
    not_kept: Exception | None = None  # why the next process will have more to read
    heartbeats: dict[int, int] = field(default_factory=dict)  # when the newest was put, by lane, in epoch seconds
    heartbeat_count: int = 0

    @property
    def rejected_records(self) -> int:
        """Those that were not listed event by event."""
        return sum(not each.events for each in self.rejected)

    @property
    def is_of_heartbeats_alone(self) -> bool:
        return self.records == self.heartbeat_count

    def note_heartbeats(self, lane: int, records: Iterable["Read"]) -> None:
        """What came before them in their lane is counted."""
        put_at = [found.received_at for _, found in records if isinstance(found, CloseMarker) and found.is_heartbeat]
        if put_at:
            self.heartbeats[lane] = put_at[-1]
            self.heartbeat_count += len(put_at)


Decode = Callable[[bytes], Pack | CloseMarker]
SizeOf = Callable[[bytes], int]  # of a record when it is decoded, read from its first bytes; 0 for what is none
Read = tuple[Delivered, Pack | CloseMarker]


class Aggregator:
    def __init__(
        self,
        writer: LaneWriter,
        ledger: Ledger,
        rejects: RejectStore,
        decode: Decode,
        size_of: SizeOf,
        lanes: int,
        tenant: str,
    ) -> None:
        self._writer = writer
        self._ledger = ledger
        self._rejects = rejects
        self._decode = decode
        self._size_of = size_of
        self._lanes = lanes
        self._tenant_of_unreadable = tenant

    def aggregate(self, delivered: Sequence[Delivered]) -> Report:
        """Count a delivery; when this returns, every record is either in the counters or listed as rejected."""
        self._writer.begin_invocation()
        report = Report(records=len(delivered))
        for records in self._slices(delivered):
            by_lane: dict[int, list[Read]] = {}
            for record in records:
                found = self._read(record, report)
                if found is not None:
                    by_lane.setdefault(found.lane, []).append((record, found))
            report.lanes.update(by_lane)
            self._count(by_lane, report)
        self._writer.end_invocation()
        report.surplus = dict(self._writer.surplus)
        report.room_used = dict(self._writer.room_used)
        report.not_kept = self._writer.not_kept
        return report

    def _slices(self, delivered: Sequence[Delivered]) -> Iterator[Sequence[Delivered]]:
        """The records in their order, as many as may be decoded at once."""
        start = size = 0
        for place, record in enumerate(delivered):
            added = self._size_of(record.body)
            if size + added > MAX_SLICE_BYTES and place > start:
                yield delivered[start:place]
                start, size = place, 0
            size += added
        yield delivered[start:]

    def _read(self, record: Delivered, report: Report) -> Pack | CloseMarker | None:
        try:
            found = self._decode(record.body)
            if not 0 <= found.lane < self._lanes:
                raise ValueError(f"The deployment has no lane {found.lane}.")
        except POISON as error:
            self._reject(record, "unreadable_record", error, report)
            return None
        return found

    def _count(self, by_lane: Mapping[int, Sequence[Read]], report: Report) -> None:
        """Of a lane that cannot be counted the records are tried one by one: the others are not to suffer from one."""
        outcomes = self._writer.write({lane: _batch(records) for lane, records in by_lane.items()})
        for lane, outcome in outcomes.items():
            records = by_lane[lane]
            if isinstance(outcome, Counts):
                report.counts += outcome
                report.note_heartbeats(lane, records)
            elif len(records) > 1:
                for record in records:
                    self._count({lane: [record]}, report)
            else:
                self._count_apart(lane, *records[0], outcome, report)

    def _count_apart(
        self, lane: int, record: Delivered, found: Pack | CloseMarker, problem: Exception, report: Report
    ) -> None:
        """The halves of a record that cannot be counted are tried, so that only the event at fault is rejected."""
        if not isinstance(found, Pack):
            self._reject(record, "uncountable_record", problem, report)
            return
        splits, waiting = 0, [(found, problem)]
        while waiting:
            pack, problem = waiting.pop()
            if len(pack.events) + len(pack.voids) < 2 or splits >= MAX_SPLITS:
                self._reject_pack(record, pack, problem, report)
                continue
            splits += 1
            for half in reversed(_halves(pack)):
                outcome = self._writer.write({lane: Batch([half])})[lane]
                if isinstance(outcome, Counts):
                    report.counts += outcome
                else:
                    waiting.append((half, outcome))

    def _reject_pack(self, record: Delivered, pack: Pack, problem: Exception, report: Report) -> None:
        """The record is kept once; each of its events that were not counted is listed to its tenant."""
        key = self._rejects.put_rejected_record(record.identity, record.body)
        try:
            rejects = [_event_refused(pack, event) for event in pack.events]
            rejects += [_void_refused(pack, void, key) for void in pack.voids]
            self._ledger.put_rejects(rejects)
        except POISON:  # a delivery that fails for it would come again for ever
            self._reject(record, "uncountable_record", problem, report)
            return
        report.rejected.append(Rejected(record.identity, rejects[0].code, problem, len(pack.events)))
        report.counts += Counts(rejected=len(pack.events), received=len(pack.events))

    def _reject(self, record: Delivered, code: str, error: Exception, report: Report) -> None:
        report.rejected.append(Rejected(record.identity, code, error))
        key = self._rejects.put_rejected_record(record.identity, record.body)
        tenant, identity, at = self._tenant_of_unreadable, record.identity, record.received_at
        self._ledger.put_rejects([Reject(tenant, identity, code, REASONS[code], at, object_key=key)])


def _event_refused(pack: Pack, event: Event) -> Reject:
    code, identity = "uncountable_event", event_identity(event.fingerprint, event.time)
    return Reject(pack.tenant, identity, code, REASONS[code], pack.received_at, event)


def _void_refused(pack: Pack, void: Void, key: str) -> Reject:
    code, identity = "uncountable_void", event_identity(void.fingerprint, void.time)
    reason = f"Correction {void.correction_id}: {REASONS[code]}"
    return Reject(pack.tenant, identity, code, reason, pack.received_at, object_key=key, is_counted_elsewhere=True)


def _batch(records: Iterable[Read]) -> Batch:
    packs: list[Pack] = []
    markers: list[CloseMarker] = []
    for _, found in records:
        if isinstance(found, Pack):
            packs.append(found)
        else:
            markers.append(found)
    return Batch(packs, markers)


def _halves(pack: Pack) -> tuple[Pack, Pack]:
    """Voids go with the second half, behind the events they may be about."""
    middle = max(1, len(pack.events) // 2) if pack.events else 0
    if middle == len(pack.events):  # one event and voids, or voids alone
        at = 0 if pack.events else len(pack.voids) // 2
        return replace(pack, voids=pack.voids[:at]), replace(pack, events=[], voids=pack.voids[at:])
    return replace(pack, events=pack.events[:middle], voids=[]), replace(pack, events=pack.events[middle:])
