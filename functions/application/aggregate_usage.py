"""A delivery from the stream into the lanes: readable records are counted, unreadable ones kept as rejects."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from functions.application.commit_usage import LaneWriter
from functions.application.lane_steps import POISON, Batch
from functions.application.ports.ledger import Ledger
from functions.domain.metering.event import CloseMarker, Pack
from functions.domain.metering.ledger import Counts, Refusal


class RejectStore(Protocol):
    def keep_reject(self, identity: str, body: bytes) -> str:
        """Keep bytes that could not be processed; returns their key."""
        ...


@dataclass(frozen=True)
class Delivered:
    """One stream record as it came; `identity` (shard and sequence number) is the same on every redelivery."""

    identity: str
    body: bytes
    received_at: int


@dataclass
class Report:
    counts: Counts = field(default_factory=Counts)
    records: int = 0
    rejected_records: int = 0
    lanes: set[int] = field(default_factory=set)


Decode = Callable[[bytes], Pack | CloseMarker]
Read = tuple[Delivered, Pack | CloseMarker]


class Aggregator:
    def __init__(
        self, writer: LaneWriter, ledger: Ledger, rejects: RejectStore, decode: Decode, lanes: int, tenant: str
    ) -> None:
        self._writer = writer
        self._ledger = ledger
        self._rejects = rejects
        self._decode = decode
        self._lanes = lanes
        self._tenant_of_unreadable = tenant

    def aggregate(self, delivered: Sequence[Delivered]) -> Report:
        """Count a delivery; when this returns, every record is either in the counters or listed as rejected."""
        self._writer.begin_invocation()
        report = Report(records=len(delivered))
        by_lane: dict[int, list[Read]] = {}
        for record in delivered:
            found = self._read(record, report)
            if found is not None:
                by_lane.setdefault(found.lane, []).append((record, found))
        report.lanes.update(by_lane)
        self._count(by_lane, report)
        self._writer.end_invocation()
        return report

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
            elif len(records) > 1:
                for record in records:
                    self._count({lane: [record]}, report)
            else:
                self._reject(records[0][0], "uncountable_record", outcome, report)

    def _reject(self, record: Delivered, code: str, error: Exception, report: Report) -> None:
        report.rejected_records += 1
        key = self._rejects.keep_reject(record.identity, record.body)
        reason = f"{type(error).__name__}: {error}"[:500]
        tenant, identity = self._tenant_of_unreadable, record.identity
        self._ledger.put_refusals([Refusal(tenant, identity, code, reason, record.received_at, object_key=key)])


def _batch(records: Iterable[Read]) -> Batch:
    packs: list[Pack] = []
    markers: list[CloseMarker] = []
    for _, found in records:
        if isinstance(found, Pack):
            packs.append(found)
        else:
            markers.append(found)
    return Batch(packs, markers)
