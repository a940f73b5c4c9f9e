"""What every way of listing events has in common: an event on its own, the page, and opening one archive object."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

from functions.application.ports.ledger import ArchivedEvent, ArchiveReader
from functions.domain.errors import ArchiveGap
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.metering.ledger.voiding import Identity, identity
from functions.domain.metering.usage.event_filter import Bookmark, EventFilter, Position

FETCHERS = 8
# Memory: bodies opened at a time, guessed from the largest so far, and what one page shows.
MAX_OPEN_BYTES = 100_000_000
MAX_PAGE_BYTES = 3_000_000
EVENT_OVERHEAD_BYTES = 1_000


class LaneEntry(NamedTuple):
    """A lane, and what the index of an hour knows of one of its commits."""

    lane: int
    entry: HourEntry


@dataclass(frozen=True)
class Listed:
    """An accepted event on its own, without the object it came in. Times in epoch seconds, `data` and `extensions` raw.

    `stored_at` is when its commit was decided. `voided_at` is when it was decided that the event does not count, by the
    correction of `correction_id`.
    """

    id: str
    source: str
    type: str
    subject: str
    time: int
    received_at: int
    stored_at: int
    data: bytes
    extensions: bytes
    voided_at: int | None = None
    correction_id: str | None = None
    micros: int = 0

    @property
    def size(self) -> int:
        return len(self.data) + len(self.extensions) + EVENT_OVERHEAD_BYTES


@dataclass(frozen=True)
class EventPage:
    """`after` continues behind this page; None when nothing is left. `is_cut`: one call could not fill it.

    `missing` are the batches whose events are gone from the archive: what they held is not in the list.
    """

    events: list[Listed]
    after: Bookmark | None
    is_cut: bool = False
    missing: tuple[HourEntry, ...] = ()


@dataclass(frozen=True)
class Found:
    position: Position
    line: int  # of its object
    event: Listed


@dataclass(frozen=True)
class Opened:
    """What one object held: how much, what of it is asked for in the order of its lines, and what it voids."""

    events: int = 0
    size: int = 0
    found: list[Found] = field(default_factory=list)
    voided: dict[Identity, tuple[int, str]] = field(default_factory=dict)
    is_missing: bool = False


Matching = tuple[Position, int, ArchivedEvent]  # and its line


def opened(
    archive: ArchiveReader,
    lane_entry: LaneEntry,
    wanted: EventFilter,
    *,
    after: Position | None,
    newest: int,
    best: Callable[[list[Matching]], list[Matching]],
) -> Opened:
    """Of the events up to the second `newest`, behind a position, the best."""
    lane, entry = lane_entry
    start, end = entry.hour * HOUR_SECONDS, (entry.hour + 1) * HOUR_SECONDS - 1
    count = size = 0
    found: list[Matching] = []
    voided: dict[Identity, tuple[int, str]] = {}
    try:
        for line, event in enumerate(archive.events(lane, entry.n, entry.decided_hour)):
            count += 1
            size += len(event.raw_data) + EVENT_OVERHEAD_BYTES
            if event.voids:
                voided[identity(event)] = entry.decided_at, event.voids
            elif wanted.accepts(event, start, min(end, newest)):
                position = Position.of(event)
                if after is None or position < after:
                    found.append((position, line, event))
    except ArchiveGap:
        return Opened(is_missing=True)
    alone = [Found(position, line, _alone(event, entry.decided_at)) for position, line, event in best(found)]
    return Opened(count, size, alone, voided)


def marked(tenant: str, listed: Listed, voided: dict[Identity, tuple[int, str]]) -> Listed:
    """The event with its correction, if one voided it."""
    name = (tenant, listed.subject, listed.source, listed.id, listed.time)
    voided_at, correction_id = voided.get(name, (None, None))
    return replace(listed, voided_at=voided_at, correction_id=correction_id) if correction_id else listed


def _alone(event: ArchivedEvent, stored_at: int) -> Listed:
    return Listed(
        event.id,
        event.source,
        event.type,
        event.subject,
        event.time_seconds,
        event.received_seconds,
        stored_at,
        event.raw_data,
        event.raw_extensions,
        micros=event.micros,
    )


def that_fit(found: Sequence[Found], taken: Iterable[Found] = ()) -> list[Found]:
    """As many as one answer can carry beside those taken, and at least one in all."""
    before = [each.event.size for each in taken]
    sizes = accumulate((each.event.size for each in found), initial=sum(before))
    next(sizes)
    fitting = [each for each, size in zip(found, sizes, strict=True) if size <= MAX_PAGE_BYTES]
    return fitting or ([] if before else list(found[:1]))


def next_wave(size: int, largest: int) -> int:
    """How many objects to open at once after so many."""
    return min(2 * size, FETCHERS, max(1, MAX_OPEN_BYTES // largest))
