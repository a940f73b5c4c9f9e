"""Accepted events, newest first, from the log itself: the hour index says which archive objects have to be opened."""

import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter, itemgetter

from functions.application.metering.events.list_by_batch import BatchSearch
from functions.application.metering.events.search_events import (
    FETCHERS,
    EventPage,
    Found,
    LaneEntry,
    Listed,
    Opened,
    marked,
    next_wave,
    opened,
    that_fit,
)
from functions.application.ports.ledger import ArchiveReader, LedgerReader
from functions.domain.errors import TooLarge
from functions.domain.metering.ledger.hour_index import HourEntry, subject_mark
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.metering.ledger.voiding import Identity
from functions.domain.metering.usage.event_filter import Batches, Bookmark, EventFilter, Position
from functions.domain.metering.values.lanes import Lanes

# What one call may read. A usual page opens a handful of objects; these bound a search for something rare to a few
# seconds, and what is still unread then is for the next call.
MAX_OBJECTS = 400
MAX_EVENTS = 1_000_000
MAX_ENTRIES = 100_000
# Events of one moment must be seen together to be put in order, so a call may have to go on this far; a moment that
# holds more is listed batch by batch.
MAX_OBJECTS_OF_A_MOMENT = 2_000
MAX_EVENTS_OF_A_MOMENT = 2_000_000
MAX_CALLS_FOR_ONE = 10


class TooFull(Exception):
    """The events of a moment, or the batches of an hour, are too many to be put in order in one call."""


class EventReader:
    """Lists from one ledger and its archive."""

    def __init__(self, ledger: LedgerReader, archive: ArchiveReader, lanes: Lanes) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes

    def newest(self, wanted: EventFilter, limit: int, mark: Bookmark | None = None) -> EventPage:
        """Up to `limit` events behind the mark, and however few were found, where to go on."""
        after, batches = mark or Bookmark(None)
        search = _Search(self._archive, wanted, limit, after)
        if search.newest < wanted.first or wanted.subjects == frozenset():
            return EventPage([], None)
        with ThreadPoolExecutor(FETCHERS) as pool:
            if batches is not None:
                return self._by_batch(search, batches, pool)
            for hour, entries in groupby(self._entries(wanted, search.newest), key=lambda each: each.entry.hour):
                end = (hour + 1) * HOUR_SECONDS - 1
                if search.is_full or search.is_spent:
                    return search.page(unread=end)
                try:
                    unread = search.read_hour(entries, pool)
                except TooFull:
                    if search.has_newer(end):
                        return search.page(unread=end)
                    if search.is_spent:
                        return search.cut(Bookmark(after, Batches(hour, {})))
                    return self._by_batch(search, Batches(hour, {}), pool)
                if unread is not None:
                    return search.page(unread)
        return search.page(unread=None)

    def first(self, wanted: EventFilter) -> Listed | None:
        """The newest, however many calls it takes; raises TooLarge when that are too many."""
        mark: Bookmark | None = None
        for _ in range(MAX_CALLS_FOR_ONE):
            page = self.newest(wanted, 1, mark)
            if page.events or page.after is None:
                return page.events[0] if page.events else None
            mark = page.after
        raise TooLarge(f"Finding this event takes reading more than {MAX_CALLS_FOR_ONE * MAX_OBJECTS} stored batches.")

    def _by_batch(self, search: "_Search", batches: Batches, pool: ThreadPoolExecutor) -> EventPage:
        lanes = self._asked_lanes(search.wanted)
        bounds = MAX_OBJECTS, MAX_EVENTS, MAX_ENTRIES
        mark = Bookmark(search.after, batches)
        return BatchSearch(self._ledger, self._archive, lanes, search.wanted, search.limit, mark, bounds).page(pool)

    def _asked_lanes(self, wanted: EventFilter) -> list[int]:
        if wanted.subjects is None:
            return list(range(self._lanes.count))
        return sorted({self._lanes.lane_of(wanted.tenant, subject) for subject in wanted.subjects})

    def _entries(self, wanted: EventFilter, newest: int) -> Iterator[LaneEntry]:
        """What the lanes have in the hours of the range, newest hour first."""
        hours = newest // HOUR_SECONDS, max(wanted.first, 0) // HOUR_SECONDS
        of_lanes = (self._of_lane(lane, *hours) for lane in self._asked_lanes(wanted))
        return heapq.merge(*of_lanes, key=lambda each: -each.entry.hour)

    def _of_lane(self, lane: int, newest_hour: int, oldest_hour: int) -> Iterator[LaneEntry]:
        return (LaneEntry(lane, entry) for entry in self._ledger.hour_index(lane, newest_hour, oldest_hour))


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
    # An event's voiding lies at the event's own second, so what is certain about the one is certain about the other.
    voided: dict[Identity, tuple[int, str]] = field(default_factory=dict)
    missing: list[HourEntry] = field(default_factory=list)

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

    def has_newer(self, second: int) -> bool:
        """Was anything found behind that second?"""
        return any(found.position.time > second for found in self.best)

    def read_hour(self, entries: Iterable[LaneEntry], pool: ThreadPoolExecutor) -> int | None:
        """Opens what may hold the newest of an hour; the newest second left unread, None if nothing is."""
        waiting = sorted(self._worth_opening(entries), key=lambda each: (-each.entry.last, each.lane, -each.entry.n))
        self._require_room_for_a_moment(waiting)
        at, size = 0, 1
        while at < len(waiting):
            unread = waiting[at][1].last
            if self.is_full and self.best[self.limit - 1].position.time > unread:
                return unread
            if self.is_spent and unread < self.newest:
                return unread
            if self.events >= MAX_EVENTS_OF_A_MOMENT:
                raise TooFull
            wave = waiting[at : at + size]
            for lane_entry, found in zip(wave, pool.map(self._open, wave), strict=True):
                self._keep(lane_entry, found)
            at, size = at + size, next_wave(size, self.largest)
        return None

    def _require_room_for_a_moment(self, waiting: list[LaneEntry]) -> None:
        """All that reach the newest second there can be have to be opened before anything of it is certain."""
        if waiting:
            moment = min(self.newest, waiting[0][1].last)
            if sum(entry.last >= moment for _, entry in waiting) > MAX_OBJECTS_OF_A_MOMENT:
                raise TooFull

    def _worth_opening(self, entries: Iterable[LaneEntry]) -> Iterator[LaneEntry]:
        for count, lane_entry in enumerate(entries, 1):
            self.entries += 1
            if count > MAX_ENTRIES:
                raise TooFull
            if self.wanted.may_find(lane_entry.entry, self._marks, self.newest):
                yield lane_entry

    def _open(self, lane_entry: LaneEntry) -> Opened:
        return opened(
            self.archive,
            lane_entry,
            self.wanted,
            after=self.after,
            newest=self.newest,
            best=lambda found: heapq.nlargest(self.limit + 1, found, key=itemgetter(0)),
        )

    def _keep(self, lane_entry: LaneEntry, found: Opened) -> None:
        self.objects += 1
        self.events += found.events
        self.largest = max(self.largest, found.size)
        self.voided |= found.voided
        if found.is_missing:
            self.missing.append(lane_entry.entry)
        self.best = heapq.nlargest(self.limit + 1, [*self.best, *found.found], key=attrgetter("position"))

    def page(self, unread: int | None) -> EventPage:
        """What is certain: of the seconds up to `unread` something newer could still be found."""
        certain = [found for found in self.best if unread is None or found.position.time > unread]
        shown = that_fit(certain[: self.limit])
        events = [marked(self.wanted.tenant, found.event, self.voided) for found in shown]
        missing = tuple(self.missing)
        if len(shown) < len(certain) or (unread is not None and len(shown) == self.limit):
            return EventPage(events, Bookmark(shown[-1].position), len(shown) < self.limit, missing)
        if unread is None:
            return EventPage(events, None, missing=missing)
        return EventPage(events, Bookmark(Position.after_second(unread)), is_cut=True, missing=missing)

    def cut(self, mark: Bookmark) -> EventPage:
        """Nothing yet: it was more than one call may read."""
        return EventPage([], mark, is_cut=True, missing=tuple(self.missing))
