"""A meter's history: what happened before the meter was there, counted once from the archive and kept beside the pages.

An archived line knows the meter set it was decided with. A meter's counters hold the lines of the sets that had it
(`Meter.since`); its history holds the older ones from `Meter.event_from` on. So each line is counted by exactly one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.cells.aggregation import LARGEST_INT, VALUE_BYTES, Aggregation, Cell, Keep, with_micros
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger.ledger import Commit

SPAN_SECONDS = 6 * 3_600  # what is counted again at once, by backfills and audits; some counter pages
# Three years of such spans in 256 lanes are a million queries of the hour index, a few dollars.
MAX_PAST = timedelta(days=3 * 366)
RUN_TIMEOUT = timedelta(days=2)  # of the state machine: a run that says it is running after that is dead
# Both are part of what is stored: a run that goes on after a failure must cut as the failed one did.
PART_BYTES = 100_000  # of the 400 KB of an item
ROW_VALUES = 10_000  # distinct values in a row

VOIDED = "voided-"  # how parts are called that only name half hours

Groups = Mapping[str, str]


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_alive(self) -> bool:
        return self in (Status.QUEUED, Status.RUNNING)


def run_id(meter_id: str, run: int) -> str:
    return f"backfill-{meter_id}-{run}"


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """A meter's backfill as of its last run; runs are numbered from 1. `total` and `done` are pieces of work."""

    tenant: str
    meter_id: str
    event_from: datetime
    run: int
    status: Status
    started_at: datetime
    finished_at: datetime | None = None
    total: int = 0
    done: int = 0
    reason: str | None = None

    @property
    def run_id(self) -> str:
        """Names the close marker and the execution."""
        return run_id(self.meter_id, self.run)

    def status_at(self, now: datetime) -> Status:
        is_dead = self.status.is_alive and now > self.started_at + RUN_TIMEOUT
        return Status.FAILED if is_dead else self.status


def require_reach(event_from: datetime, now: datetime) -> None:
    """Raises InvalidInput for a beginning that is not in the past, or further back than the archive is searched."""
    earliest = now - MAX_PAST
    if not earliest <= event_from <= now:
        message = (
            f"eventFrom must lie between {earliest:%Y-%m-%dT%H:%M:%SZ} and now ({now:%Y-%m-%dT%H:%M:%SZ}): history is "
            f"what has been archived, and it is counted at most {MAX_PAST.days} days back."
        )
        raise InvalidInput(message, fields=[FieldError("eventFrom", "out_of_reach", message)])


class HistoryPart(NamedTuple):
    """Some of what a meter's history holds of an owner in a span: a subject, or the whole lane when it is None.

    Parts of one place are merged by their readers. `part` is made from the archive alone, so a second count writes
    the same part with the same body.
    """

    tenant: str
    lane: int
    subject: str | None
    meter_id: str
    span: int
    part: str
    body: bytes


class HistoryRow(NamedTuple):
    """The cells of one half-hour window and one combination of groups, by part of the aggregation."""

    window: int
    groups: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class HistoryWork:
    """Work of one worker: the spans of a lane up to `last_span`, beginning in `span` behind commit `after`.

    Commits behind `until`, which holds the close marker, know the meter and are not history.
    """

    number: int
    lane: int
    span: int
    last_span: int
    until: int
    after: int = 0

    @property
    def is_done(self) -> bool:
        return self.span > self.last_span


def voided_parts(commit: Commit) -> Iterator[HistoryPart]:
    """What tells readers to take half hours from the log, of the subjects of voided events and of the lane."""
    windows: dict[tuple[str, str | None, str, int], set[int]] = {}
    for each in commit.voided_history:
        for owner in (each.subject, None):
            place = (each.tenant, owner, each.meter_id, each.window * WINDOW_SECONDS // SPAN_SECONDS)
            windows.setdefault(place, set()).add(each.window)
    for (tenant, owner, meter_id, span), found in sorted(windows.items(), key=str):
        body = msgspec.msgpack.encode(sorted(found))
        yield HistoryPart(tenant, commit.lane, owner, meter_id, span, f"{VOIDED}{commit.n:012d}", body)


def voided_windows(part: HistoryPart) -> list[int] | None:
    """The half hours that a part of this kind names; None for parts with rows."""
    return msgspec.msgpack.decode(part.body, type=list[int]) if part.part.startswith(VOIDED) else None


def encode_rows(dimensions: Sequence[str], rows: Sequence[HistoryRow]) -> Iterator[bytes]:
    """Bodies that together hold the rows, each far below the limit of an item."""
    begun: list[HistoryRow] = []
    size = 0
    for row in rows:
        for piece in _pieces(row):
            row_size = _size(piece)
            if begun and size + row_size > PART_BYTES:
                yield msgspec.msgpack.encode((dimensions, begun))
                begun, size = [], 0
            begun.append(piece._replace(cells=tuple(map(_stored, piece.cells))))
            size += row_size
    if begun:
        yield msgspec.msgpack.encode((dimensions, begun))


def decode_rows(aggregation: Aggregation, body: bytes) -> Iterator[tuple[int, Groups, Sequence[Cell]]]:
    """(window, groups, cells) of each row."""
    dimensions, rows = msgspec.msgpack.decode(body)
    for window, texts, cells in rows:
        groups = dict(zip(dimensions, texts, strict=True))
        yield window, groups, [_cell(keep, each) for keep, each in zip(aggregation.parts, cells, strict=True)]


def _stored(cell: Cell) -> Any:
    """Decimals become their text; so do integers that MessagePack has no room for."""
    if isinstance(cell, tuple):
        second, micros, value = cell
        return (second, micros, _stored(value)) if micros else (second, _stored(value))
    return str(cell) if isinstance(cell, int) and not -LARGEST_INT <= cell < LARGEST_INT else cell


def _cell(keep: Keep, stored: Any) -> Cell:
    if keep is Keep.LATEST:
        second, micros, value = with_micros(stored)
        return second, micros, Decimal(value) if isinstance(value, str) else value
    return Decimal(stored) if isinstance(stored, str) else stored


def _pieces(row: HistoryRow) -> Iterator[HistoryRow]:
    """Values of one cell too many for an item come in several rows, which are united."""
    (first, *others), step = row.cells, ROW_VALUES * VALUE_BYTES
    if others or not isinstance(first, bytes) or len(first) <= step:
        yield row
        return
    for start in range(0, len(first), step):
        yield HistoryRow(row.window, row.groups, (first[start : start + step],))


def _size(row: HistoryRow) -> int:
    texts = sum(len(text) * 4 for text in row.groups)
    return 20 + texts + sum(len(cell) if isinstance(cell, bytes) else 45 for cell in row.cells)
