"""What one invocation writes into the lanes, for tests that have no stream."""

from collections.abc import Iterable

from functions.application.commit_usage import Batch, LaneWriter
from functions.domain.metering.event import CloseMarker, Pack
from functions.domain.metering.ledger import Counts


def write(writer: LaneWriter, records: Iterable[Pack | CloseMarker]) -> Counts:
    """Raises what a lane could not take."""
    packs: dict[int, list[Pack]] = {}
    markers: dict[int, list[CloseMarker]] = {}
    for record in records:
        if isinstance(record, Pack):
            packs.setdefault(record.lane, []).append(record)
        else:
            markers.setdefault(record.lane, []).append(record)
    lanes = sorted(packs.keys() | markers.keys())
    writer.begin_invocation()
    outcomes = writer.write({lane: Batch(packs.get(lane, ()), markers.get(lane, ())) for lane in lanes})
    writer.end_invocation()
    total = Counts()
    for outcome in outcomes.values():
        if isinstance(outcome, Exception):
            raise outcome
        total += outcome
    return total
