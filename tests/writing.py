"""What one invocation writes into the lanes, for tests that have no stream."""

from collections.abc import Iterable

from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.running_lanes import Batch
from functions.domain.metering.ledger.ledger import Counts
from functions.domain.metering.values.event import CloseMarker, Pack


def write(writer: LaneWriter, records: Iterable[Pack | CloseMarker]) -> Counts:
    """Raises what a lane could not take."""
    writer.begin_invocation()
    total = write_only(writer, records)
    writer.end_invocation()
    return total


def write_only(writer: LaneWriter, records: Iterable[Pack | CloseMarker]) -> Counts:
    """The same without the beginning and the end of an invocation: the heads of the lanes do not rise."""
    packs: dict[int, list[Pack]] = {}
    markers: dict[int, list[CloseMarker]] = {}
    for record in records:
        if isinstance(record, Pack):
            packs.setdefault(record.lane, []).append(record)
        else:
            markers.setdefault(record.lane, []).append(record)
    lanes = sorted(packs.keys() | markers.keys())
    outcomes = writer.write({lane: Batch(packs.get(lane, ()), markers.get(lane, ())) for lane in lanes})
    total = Counts()
    for outcome in outcomes.values():
        if isinstance(outcome, Exception):
            raise outcome
        total += outcome
    return total
