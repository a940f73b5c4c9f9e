"""Cut a meter's history into pieces of work: days of lanes, or longer stretches when there would be too many."""

from functions.application.ports.history import Histories, HistoryLog
from functions.domain.metering.ledger.history import SPAN_SECONDS, Backfill, HistoryWork
from functions.domain.metering.ledger.ledger import HOUR_SECONDS

MAX_PIECES = 1_000  # as input of the map 100 KB of its 256 KB
MIN_SPANS = 4  # a day; a piece costs a handful of requests however little it holds
HOURS_PER_SPAN = SPAN_SECONDS // HOUR_SECONDS


def plan_backfill(
    run: Backfill, marker: str, lanes: int, ahead_seconds: int, *, log: HistoryLog, histories: Histories
) -> list[HistoryWork]:
    """Work over every span from `event_from` to the newest that an old event can have; each span has one worker.

    `ahead_seconds` is how far events may lie in the future. Every lane must have counted the marker.
    """
    marked = log.marked_lanes(marker)
    first = int(run.event_from.timestamp()) // SPAN_SECONDS
    last = (int(run.started_at.timestamp()) + ahead_seconds) // SPAN_SECONDS
    begins: dict[int, int] = {}
    for lane in range(lanes):
        oldest = log.oldest_hour(lane)
        if oldest is not None and oldest // HOURS_PER_SPAN <= last:
            begins[lane] = max(first, oldest // HOURS_PER_SPAN)
    spans = max(MIN_SPANS, _least_spans(begins, last))
    work: list[HistoryWork] = []
    for lane, begin in begins.items():
        for start in range(begin, last + 1, spans):
            work.append(HistoryWork(len(work), lane, start, min(last, start + spans - 1), marked[lane]))
    histories.plan_backfill(run, len(work))
    return work


def _least_spans(begins: dict[int, int], last: int) -> int:
    """How many spans a piece needs so that there are not too many pieces."""
    total = sum(last + 1 - begin for begin in begins.values())
    room = MAX_PIECES - len(begins)  # each lane may end with a shorter piece
    return -(-total // room)
