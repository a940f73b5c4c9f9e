"""Accepted events, newest first, from the log itself: the hour index says which archive objects have to be opened."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from operator import itemgetter

from functions.application.ports.ledger import ArchivedEvent, ArchiveReader, LedgerReader
from functions.domain.errors import TooLarge
from functions.domain.metering.event_filter import EventFilter, Position
from functions.domain.metering.hour_index import HourEntry, subject_mark
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.ledger import HOUR_SECONDS
from functions.domain.metering.voiding import Identity, identity

# What one call may read. A usual page opens a handful of objects; these bound a search for something rare to a few
# seconds, and what is still unread then is for the next call.
MAX_OBJECTS = 400
MAX_EVENTS = 1_000_000
MAX_ENTRIES = 100_000
# Events of one moment must be seen together to be put in order, so a call may have to go on this far.
MAX_OBJECTS_OF_A_MOMENT = 2_000
FETCHERS = 8
# Memory: bodies opened at a time, guessed from the largest so far, and what one page shows.
MAX_OPEN_BYTES = 100_000_000
MAX_PAGE_BYTES = 3_000_000
EVENT_OVERHEAD_BYTES = 1_000

Place = tuple[int, HourEntry]  # a lane and a commit of it in one hour


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

    @property
    def size(self) -> int:
        return len(self.data) + len(self.extensions) + EVENT_OVERHEAD_BYTES


@dataclass(frozen=True)
class EventPage:
    """`after` continues behind this page; None when nothing is left. `is_cut`: one call could not fill it."""

    events: list[Listed]
    after: Position | None
    is_cut: bool = False


Found = tuple[Position, Listed]


@dataclass(frozen=True)
class Opened:
    """What one object held: how much, and the best of what is asked for."""

    events: int
    size: int
    found: list[Found]
    voided: dict[Identity, tuple[int, str]]


class EventReader:
    """Lists from one ledger and its archive."""

    def __init__(self, ledger: LedgerReader, archive: ArchiveReader, lanes: Lanes) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes

    def newest(self, wanted: EventFilter, limit: int, after: Position | None = None) -> EventPage:
        """Up to `limit` events behind `after`; raises TooLarge when not even one moment can be read in one call."""
        search = _Search(self._archive, wanted, limit, after)
        if search.newest < wanted.first or wanted.subjects == frozenset():
            return EventPage([], None)
        with ThreadPoolExecutor(FETCHERS) as pool:
            for hour, places in groupby(self._places(wanted, search.newest), key=lambda place: place[1].hour):
                if search.is_full or search.is_spent:
                    return search.page(unread=(hour + 1) * HOUR_SECONDS - 1)
                unread = search.read_hour(places, pool)
                if unread is not None:
                    return search.page(unread)
        return search.page(unread=None)

    def _places(self, wanted: EventFilter, newest: int) -> Iterator[Place]:
        """What the lanes have in the hours of the range, newest hour first."""
        lanes: Iterable[int] = range(self._lanes.count)
        if wanted.subjects is not None:
            lanes = sorted({self._lanes.lane_of(wanted.tenant, subject) for subject in wanted.subjects})
        hours = newest // HOUR_SECONDS, max(wanted.first, 0) // HOUR_SECONDS
        return heapq.merge(*(self._of_lane(lane, *hours) for lane in lanes), key=lambda place: -place[1].hour)

    def _of_lane(self, lane: int, newest_hour: int, oldest_hour: int) -> Iterator[Place]:
        return ((lane, entry) for entry in self._ledger.hour_index(lane, newest_hour, oldest_hour))


@dataclass
class _Search:
    """One call's work: the best found so far, and how much was read for it."""

    archive: ArchiveReader
    wanted: EventFilter
    limit: int
    after: Position | None
    best: list[Found] = field(default_factory=list)  # in order; one more than is asked for
    objects: int = 0
    largest: int = 1
    events: int = 0
    entries: int = 0
    # An event's voiding lies at the event's own second, so whatever is certain about the one is about the other.
    voided: dict[Identity, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.newest = self.wanted.last if self.after is None else min(self.wanted.last, self.after.newest_second)
        wanted = self.wanted
        self._marks = frozenset(subject_mark(wanted.tenant, subject) for subject in wanted.subjects or ())

    @property
    def is_full(self) -> bool:
        return len(self.best) >= self.limit

    @property
    def is_spent(self) -> bool:
        return self.objects >= MAX_OBJECTS or self.events >= MAX_EVENTS or self.entries >= MAX_ENTRIES

    def read_hour(self, places: Iterable[Place], pool: ThreadPoolExecutor) -> int | None:
        """Opens what may hold the newest of an hour; the newest second left unread, None if nothing is."""
        waiting = sorted(self._worth_opening(places), key=lambda place: (-place[1].last, place[0], -place[1].n))
        at, size = 0, 1
        while at < len(waiting):
            unread = waiting[at][1].last
            if self.is_full and self.best[self.limit - 1][0].time > unread:
                return unread
            if self.is_spent and unread < self.newest:
                return unread
            if self.objects >= MAX_OBJECTS_OF_A_MOMENT:
                raise TooLarge(
                    f"More than {MAX_OBJECTS_OF_A_MOMENT} stored batches have events of the same minutes; name "
                    "subjects or customers, or another time."
                )
            wave = waiting[at : at + size]
            for opened in pool.map(self._open, wave):
                self._keep(opened)
            at, size = at + size, min(2 * size, FETCHERS, max(1, MAX_OPEN_BYTES // self.largest))
        return None

    def _worth_opening(self, places: Iterable[Place]) -> Iterator[Place]:
        wanted = self.wanted
        for count, (lane, entry) in enumerate(places, 1):
            self.entries += 1
            if count > MAX_ENTRIES:
                raise TooLarge(f"More than {MAX_ENTRIES} stored batches have events of one hour; name subjects.")
            is_in_time = entry.first <= self.newest and entry.last >= wanted.first
            # Whatever a commit holds arrived before it was decided.
            is_late_enough = entry.decided_at >= wanted.received_first
            if is_in_time and is_late_enough and entry.may_hold(wanted.tenant, self._marks):
                yield lane, entry

    def _open(self, place: Place) -> Opened:
        lane, entry = place
        start, end = entry.hour * HOUR_SECONDS, (entry.hour + 1) * HOUR_SECONDS - 1
        count = size = 0
        found: list[tuple[Position, ArchivedEvent]] = []
        voided: dict[Identity, tuple[int, str]] = {}
        for event in self.archive.events(lane, entry.n, entry.decided_hour):
            count += 1
            size += len(event.raw_data) + EVENT_OVERHEAD_BYTES
            if event.voids:
                voided[identity(event)] = entry.decided_at, event.voids
            elif self.wanted.accepts(event, start, min(end, self.newest)):
                position = Position.of(event)
                if self.after is None or position < self.after:
                    found.append((position, event))
        best = heapq.nlargest(self.limit + 1, found, key=itemgetter(0))
        return Opened(count, size, [(position, _alone(event, entry.decided_at)) for position, event in best], voided)

    def _keep(self, opened: Opened) -> None:
        self.objects += 1
        self.events += opened.events
        self.largest = max(self.largest, opened.size)
        self.voided |= opened.voided
        self.best = heapq.nlargest(self.limit + 1, [*self.best, *opened.found], key=itemgetter(0))

    def page(self, unread: int | None) -> EventPage:
        """What is certain: of the seconds up to `unread` something newer could still be found."""
        certain = [found for found in self.best if unread is None or found[0].time > unread]
        shown = _that_fit(certain[: self.limit])
        events = [self._marked(listed) for _, listed in shown]
        if len(shown) < len(certain) or (unread is not None and len(shown) == self.limit):
            return EventPage(events, shown[-1][0], is_cut=len(shown) < self.limit)
        if unread is None:
            return EventPage(events, None)
        return EventPage(events, Position.after_second(unread), is_cut=True)

    def _marked(self, listed: Listed) -> Listed:
        name = (self.wanted.tenant, listed.subject, listed.source, listed.id, listed.time)
        voided_at, correction_id = self.voided.get(name, (None, None))
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
    )


def _that_fit(found: Sequence[Found]) -> list[Found]:
    """As many as one answer can carry, and at least one."""
    sizes = accumulate(listed.size for _, listed in found)
    return [each for each, size in zip(found, sizes, strict=True) if size <= MAX_PAGE_BYTES] or list(found[:1])
