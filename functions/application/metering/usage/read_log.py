"""Adding up archived events, one by one, with the meter's own functions: what counters cannot tell apart."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from functions.application.metering.usage.opened_objects import OpenedObjects
from functions.application.metering.usage.read_codes import MeterCodes
from functions.application.metering.usage.read_counters import Cuts, begun
from functions.application.metering.usage.usage_bounds import Budget
from functions.application.ports.ledger import ArchivedEvent, LogIndex
from functions.domain.metering.cells.aggregation import Number
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger.hour_index import HourEntry, subject_mark
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.metering.ledger.voiding import countable
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.values import Data, Uncountable, decode_data
from functions.domain.metering.usage.grid import Grid
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import Found
from functions.domain.metering.values.group_values import fitting_groups
from functions.domain.metering.values.lanes import Lanes

READERS = 8  # of the hour index, a lane each
ENTRIES_AHEAD = 2_000  # of a lane's hour index: a few requests, half a MB in memory

Windows = Mapping[int, Collection[str | None]]  # by half-hour window the subjects asked for, None for all


class Overtaken(Exception):
    """A commit has events of the windows asked for, and nobody knows whether the counters that were read had them."""


class LogReader:
    """Reads what one query needs of the log."""

    def __init__(
        self,
        index: LogIndex,
        objects: OpenedObjects,
        lanes: Lanes,
        query: UsageQuery,
        grid: Grid,
        codes: Callable[[int], MeterCodes],
        until: Mapping[int, int] | None = None,
    ) -> None:
        """`until` tells of each lane the last commit to read; where a later one matters, Overtaken is raised."""
        self._hours = index
        self._objects = objects
        self._lanes = lanes
        self._query = query
        self._grid = grid
        self._codes = codes
        self._until = until
        self._meter = CompiledMeter(query.meter)
        self._marks: dict[str, bytes] = {}

    def read(self, found: Found, cuts: Cuts, budget: Budget) -> None:
        """Adds the events of the windows that are inside the range to what was found."""
        for lane, entries in self._index(cuts):
            for event in self._events(lane, cuts[lane], entries, budget):
                self._add(found, event, self._codes(lane))

    def _index(self, cuts: Cuts) -> Iterator[tuple[int, Iterator[HourEntry]]]:
        """Of each lane the commits in the hours of its windows, which are read of many lanes at a time."""
        hours = {lane: {window * WINDOW_SECONDS // HOUR_SECONDS for window in cuts[lane]} for lane in cuts}
        if not hours:
            return
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda lane: begun(self._hours.index_of_hours(lane, hours[lane]), ENTRIES_AHEAD), hours)
            yield from zip(hours, found, strict=True)

    def first_and_last(self, cuts: Cuts, budget: Budget) -> tuple[int, int] | None:
        """When the first and the last event of the windows happened; None without any."""
        found = Found(self._meter.aggregation)
        self.read(found, cuts, budget)
        return None if found.first is None or found.last is None else (found.first, found.last)

    def _events(
        self, lane: int, windows: Windows, entries: Iterable[HourEntry], budget: Budget
    ) -> Iterator[ArchivedEvent]:
        """The meter's events of the subjects that are asked for in each window, each event once."""
        meter, tenant = self._query.meter, self._query.tenant
        for event in self._archived(lane, windows, entries, budget):
            if event.tenant != tenant or event.type != meter.event_type:
                continue
            second = event.time_seconds
            if not meter.counts_version(event.meter_version, second):
                continue
            subjects = windows.get(second // WINDOW_SECONDS)
            is_asked = subjects is not None and (None in subjects or event.subject in subjects)
            if is_asked and self._grid.is_inside(second):
                yield event

    def _archived(
        self, lane: int, windows: Windows, entries: Iterable[HourEntry], budget: Budget
    ) -> Iterator[ArchivedEvent]:
        """Every event of the commits that may hold one of those asked for, unless it was voided."""
        commits: dict[int, int] = {}
        for entry in entries:
            budget.take_entry()
            if entry.n in commits or not self._may_matter(entry, windows):
                continue
            if self._until is not None and entry.n > self._until[lane]:
                raise Overtaken
            budget.take_object()
            commits[entry.n] = entry.decided_hour
        yield from countable(self._taken(lane, sorted(commits.items(), reverse=True), budget))

    def _taken(self, lane: int, newest_first: Sequence[tuple[int, int]], budget: Budget) -> Iterator[ArchivedEvent]:
        for line in self._objects.events_of(lane, newest_first):
            budget.take_event()
            yield line

    def _may_matter(self, entry: HourEntry, windows: Windows) -> bool:
        touched = range(entry.first // WINDOW_SECONDS, entry.last // WINDOW_SECONDS + 1)
        asked = [windows[window] for window in touched if window in windows]
        if not asked or not self._grid.touches(entry.first, entry.last):
            return False
        subjects = set[str | None]().union(*asked)
        marks = {self._mark(subject) for subject in subjects if subject is not None} if None not in subjects else ()
        return entry.may_hold(self._query.tenant, marks)

    def _mark(self, subject: str) -> bytes:
        if subject not in self._marks:
            self._marks[subject] = subject_mark(self._query.tenant, subject)
        return self._marks[subject]

    def _add(self, found: Found, event: ArchivedEvent, codes: MeterCodes) -> None:
        try:
            data = decode_data(event.raw_data)
            value = self._meter.value(data)
        except Uncountable:
            return
        if value is None:
            return
        groups = self._groups(event, data, codes)
        if self._query.accepts(groups):
            second = event.time_seconds
            output, group = self._grid.containing(second), self._grid.group(event.subject, groups)
            found.saw(second, second)
            found.tally(output, group).add_value(*self._contribution(value), second, event.micros)

    def _contribution(self, value: Number | str) -> tuple[Number, int]:
        """The number and the fingerprint of a value: UNIQUE_COUNT counts texts, all others numbers."""
        return (0, self._lanes.value_fingerprint(value)) if isinstance(value, str) else (value, 0)

    def _groups(self, event: ArchivedEvent, data: Data, codes: MeterCodes) -> Mapping[str, str]:
        """As the event was counted; of an exact question by the dimensions the meter has today."""
        if self._query.is_exact:
            return fitting_groups(dict(zip(self._meter.dimensions, self._meter.groups(data), strict=True)))
        groups = fitting_groups(self._meter.groups_at(data, event.meter_version))
        if self._query.tells_apart or event.meter_version < self._meter.meter.since:
            return groups
        return codes.counted_as(groups, event.commit)
