"""Listing an hour that holds too much to be put in order: stored batch by stored batch, each event once all the same.

Batches of all lanes are taken as they were decided, newest first. Where a lane stands is the number of a commit, which
never changes its place, so a commit that comes in between two pages neither repeats nor hides an event.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from functions.application.metering.events.search_events import (
    EventPage,
    Found,
    LaneEntry,
    Matching,
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

# Corrections that reach the seconds and subjects of one page; they come one by one from people.
MAX_VOIDING_OBJECTS = 2_000
MAX_WAVE = 1_000  # index entries looked at between two looks at the bounds


class BatchSearch:
    """One call's work in one hour."""

    def __init__(
        self,
        ledger: LedgerReader,
        archive: ArchiveReader,
        lanes: Sequence[int],
        wanted: EventFilter,
        limit: int,
        mark: Bookmark,
        bounds: tuple[int, int, int],
    ) -> None:
        """`bounds` are the objects, events and index entries one call may read."""
        assert mark.batches is not None
        self._ledger, self._archive, self._lanes = ledger, archive, lanes
        self._wanted, self._limit, self._after = wanted, limit, mark.after
        self._hour, self._begun = mark.batches.hour, mark.batches
        self._read = dict(mark.batches.read)
        self._bounds = bounds
        self._newest = wanted.last if mark.after is None else min(wanted.last, mark.after.newest_second)
        self._marks = frozenset(subject_mark(wanted.tenant, subject) for subject in wanted.subjects or ())
        self._objects = self._events = self._entries = 0
        self._largest = 1
        self._shown: list[tuple[int, Found]] = []  # with their lanes
        self._missing: list[HourEntry] = []

    def page(self, pool: ThreadPoolExecutor) -> EventPage:
        entries, size = self._lane_entries(), 1
        while wave := self._wave(entries, size):
            worth = [each for each in wave if self._is_worth_opening(each)]
            contents = dict(zip(worth, pool.map(self._open, worth), strict=True))
            for lane_entry in wave:
                self._entries += 1
                if lane_entry in contents and (line := self._take(lane_entry, contents[lane_entry])) is not None:
                    return self._page(Batches(self._hour, self._read, lane_entry.lane, lane_entry.entry.n, line), pool)
                self._read[lane_entry.lane] = lane_entry.entry.n
                if len(self._shown) >= self._limit or self._is_spent:
                    return self._page(Batches(self._hour, self._read), pool)
            size = next_wave(size, self._largest)
        return self._page(None, pool)

    def _wave(self, entries: Iterator[LaneEntry], most: int) -> list[LaneEntry]:
        """The next of them, of which so many at most have to be opened."""
        wave: list[LaneEntry] = []
        for lane_entry in islice(entries, MAX_WAVE):
            wave.append(lane_entry)
            most -= self._is_worth_opening(lane_entry)
            if most == 0:
                break
        return wave

    @property
    def _is_spent(self) -> bool:
        counted = self._objects, self._events, self._entries
        return any(count >= bound for count, bound in zip(counted, self._bounds, strict=True))

    def _lane_entries(self) -> Iterator[LaneEntry]:
        """What is left of the hour, the batch that was begun first."""
        lane, n = self._begun.lane, self._begun.n
        if n:
            yield from (LaneEntry(lane, entry) for entry in islice(self._index(lane, n + 1), 1) if entry.n == n)
        of_lanes = (self._rest_of(each) for each in self._lanes)
        yield from heapq.merge(*of_lanes, key=lambda each: (-each.entry.decided_at, each.lane))

    def _rest_of(self, lane: int) -> Iterator[LaneEntry]:
        is_begun = self._begun.n and lane == self._begun.lane
        below = self._begun.n if is_begun else self._begun.read.get(lane)
        return (LaneEntry(lane, entry) for entry in self._index(lane, below))

    def _index(self, lane: int, below: int | None) -> Iterable[HourEntry]:
        return self._ledger.hour_index(lane, self._hour, self._hour, below)

    def _is_worth_opening(self, lane_entry: LaneEntry) -> bool:
        return self._wanted.may_find(lane_entry.entry, self._marks, self._newest)

    def _open(self, lane_entry: LaneEntry) -> Opened:
        lane, entry = lane_entry
        is_begun = (lane, entry.n) == (self._begun.lane, self._begun.n)
        before = self._begun.line if is_begun else None

        def last_lines(found: list[Matching]) -> list[Matching]:
            left = found if before is None else [each for each in found if each[1] < before]
            return left[: -self._limit - 1 : -1]

        return opened(self._archive, lane_entry, self._wanted, after=self._after, newest=self._newest, best=last_lines)

    def _take(self, lane_entry: LaneEntry, content: Opened) -> int | None:
        """Shows what there is room for; the line before which something may be left, None if nothing is."""
        self._objects += 1
        self._events += content.events
        self._largest = max(self._largest, content.size)
        if content.is_missing:
            self._missing.append(lane_entry.entry)
        room = self._limit - len(self._shown)
        fitting = that_fit(content.found[:room], [found for _, found in self._shown])
        self._shown += [(lane_entry.lane, found) for found in fitting]
        if len(fitting) == len(content.found) < self._limit:
            return None
        return fitting[-1].line if fitting else content.found[0].line + 1

    def _page(self, batches: Batches | None, pool: ThreadPoolExecutor) -> EventPage:
        voided = self._voided(pool)
        shown = sorted((found for _, found in self._shown), key=lambda found: found.position, reverse=True)
        events = [marked(self._wanted.tenant, found.event, voided) for found in shown]
        mark: Bookmark | None = Bookmark(self._after, batches)
        if batches is None:
            before = self._hour * HOUR_SECONDS - 1
            mark = Bookmark(Position.after_second(before)) if before >= max(self._wanted.first, 0) else None
        is_cut = mark is not None and len(events) < self._limit
        return EventPage(events, mark, is_cut, tuple(self._missing))

    def _voided(self, pool: ThreadPoolExecutor) -> dict[Identity, tuple[int, str]]:
        """What is known today of the events that are shown: a correction is decided in their lane, at their second."""
        entries: list[LaneEntry] = []
        for lane in sorted({lane for lane, _ in self._shown}):
            theirs = [found.event for of_lane, found in self._shown if of_lane == lane]
            for entry in self._ledger.hour_index(lane, self._hour, self._hour, only_voids=True):
                reached = [event.subject for event in theirs if entry.first <= event.time <= entry.last]
                marks = {subject_mark(self._wanted.tenant, subject) for subject in reached}
                if reached and entry.may_hold(self._wanted.tenant, marks):
                    entries.append(LaneEntry(lane, entry))
                if len(entries) > MAX_VOIDING_OBJECTS:
                    raise TooLarge(f"More than {MAX_VOIDING_OBJECTS} corrections reach these events; name subjects.")
        voided: dict[Identity, tuple[int, str]] = {}
        for lane_entry, content in zip(entries, pool.map(self._voids_of, entries), strict=True):
            voided |= content.voided
            if content.is_missing:
                self._missing.append(lane_entry.entry)
        return voided

    def _voids_of(self, lane_entry: LaneEntry) -> Opened:
        return opened(self._archive, lane_entry, self._wanted, after=self._after, newest=-1, best=lambda _: [])
