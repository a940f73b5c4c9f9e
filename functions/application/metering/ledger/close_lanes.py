"""Close markers: ask every lane to say when all that arrived before is counted, and see which have said so."""

from functions.application.ports.ledger import EventStream, LedgerReader
from functions.domain.metering.values.event import CloseMarker


def close_lanes(stream: EventStream, marker: str, lanes: int, now: int) -> None:
    """Put the marker into every lane, behind everything acknowledged so far; repeating it does no harm."""
    stream.put([CloseMarker(lane, marker, now) for lane in range(lanes)])


def count_lanes(ledger: LedgerReader, marker: str, lanes: int) -> dict[int, int]:
    """The lanes that have counted everything before the marker, each with the commit number that says so."""
    return {lane: n for lane, n in ledger.marked_lanes(marker).items() if lane < lanes}
