"""Answering usage questions exactly: whole half-hour windows from the counters, cut ones from the archived events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from functions.application.ports.ledger import ArchivedEvent, ArchiveReader, LedgerReader
from functions.domain.errors import TooLarge
from functions.domain.metering.aggregation import Aggregation, Number
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.ledger import HOUR_SECONDS, Code
from functions.domain.metering.meter import CompiledMeter, Uncountable, decode_data
from functions.domain.metering.pages import CODES_PER_PAGE, PAGE_SECONDS, WINDOW_SECONDS, parse_cell
from functions.domain.metering.usage import UsageQuery, UsageRow, Windows, WindowSize

MAX_PAGES = 50_000  # about 50 MB to read and a few seconds
MAX_SUBJECTS = 1_000
MAX_ARCHIVE_OBJECTS = 2_000
LAST_SPAN = 999_999

GroupKey = tuple[str | None, str | None, tuple[str, ...]]  # subject, customer id, dimension values
Place = tuple[int, int] | None  # an output window, or None when the whole range is one


@dataclass
class Found:
    """Partial aggregates by output window and group, and where in time something was found."""

    values: dict[tuple[Place, GroupKey], Number] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None

    def add(
        self, aggregation: Aggregation, place: Place, group: GroupKey, value: Number, first: int, last: int
    ) -> None:
        key = (place, group)
        present = self.values.get(key)
        self.values[key] = value if present is None else aggregation.merge(present, value)
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)


class UsageReader:
    """Answers over one ledger and its archive."""

    def __init__(self, ledger: LedgerReader, archive: ArchiveReader, lanes: Lanes) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes

    def rows(self, query: UsageQuery, now: datetime) -> list[UsageRow]:
        """The rows of the answer, by window start; raises TooLarge when it would read too much."""
        return _Answer(self._ledger, self._archive, self._lanes, query).rows(now)

    def total(self, query: UsageQuery) -> Decimal:
        """The whole range as one number, 0 when there is nothing."""
        found = _Answer(self._ledger, self._archive, self._lanes, query).found()
        total: Number | None = None
        for value in found.values.values():
            total = value if total is None else query.meter.aggregation.merge(total, value)
        return Decimal(total or 0)

    def applied(self, tenant: str, subjects: tuple[str, ...]) -> dict[int, int]:
        """The lanes of the subjects with the last commit their counters hold."""
        return {lane: self._ledger.head(lane) for lane in sorted({self._lanes.lane_of(tenant, s) for s in subjects})}


def query_usage(reader: UsageReader, query: UsageQuery, now: datetime) -> list[UsageRow]:
    return reader.rows(query, now)


class _Answer:
    def __init__(self, ledger: LedgerReader, archive: ArchiveReader, lanes: Lanes, query: UsageQuery) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes
        self._query = query
        self._aggregation = query.meter.aggregation
        self._meter = CompiledMeter(query.meter)
        self._from = int(query.period_from.timestamp()) if query.period_from else None
        self._to = int(query.period_to.timestamp()) if query.period_to else None
        windows = Windows(WindowSize(query.window), query.time_zone) if query.window else None
        self._containing: Callable[[int], Place] = windows.containing if windows else lambda _second: None
        self._customer_of = {subject: customer for customer, names in query.customers.items() for subject in names}
        self._pages_read = 0
        self._objects: dict[tuple[int, int], list[ArchivedEvent]] = {}
        self._code_cache: dict[int, list[Code]] = {}

    def rows(self, now: datetime) -> list[UsageRow]:
        found = self.found()
        if not found.values and self._is_one_zero_row():
            start = self._query.period_from or self._query.period_to or now
            return [UsageRow(Decimal(0), start, self._query.period_to or now)]
        whole = self._whole_range(found)
        rows = [self._row(place or whole, group, value) for (place, group), value in found.values.items()]
        return sorted(rows, key=lambda row: (row.window_start, row.subject or "", sorted(row.group_by.items())))

    def _is_one_zero_row(self) -> bool:
        query = self._query
        is_plain = not (query.window or query.group_by or query.subjects or query.customers)
        return is_plain and self._aggregation is Aggregation.COUNT

    def _row(self, place: tuple[int, int], group: GroupKey, value: Number) -> UsageRow:
        subject, customer, values = group
        groups = dict(zip(self._query.dimensions, values, strict=True))
        start, end = (datetime.fromtimestamp(second, UTC) for second in place)
        return UsageRow(Decimal(value), start, end, subject, customer, groups)

    def _whole_range(self, found: Found) -> tuple[int, int]:
        start, end = self._from, self._to
        if start is None or end is None:
            first, last = self._first_and_last_event(found) if found.values else (0, 0)
            start = first - first % 60 if start is None else start
            end = last - last % 60 + 60 if end is None else end
        return start, end

    def _first_and_last_event(self, found: Found) -> tuple[int, int]:
        """To the second: the counters know half hours, the archive the events in the outermost two of them."""
        assert found.first is not None
        assert found.last is not None
        edges = {found.first // WINDOW_SECONDS, found.last // WINDOW_SECONDS}
        times = [
            event.time_seconds
            for owner in self._owners()
            for window in edges
            for event in self._events(owner, window)
            if self._value(event) is not None
        ]
        return min(times, default=found.first), max(times, default=found.last)

    def found(self) -> Found:
        found = Found()
        for owner in self._owners():
            self._count_owner(found, *owner)
        return found

    def _owners(self) -> Iterator[tuple[int, str | None]]:
        """(lane, subject) of the counters to read; the subject is None for a lane's totals."""
        query = self._query
        if query.subjects or query.customers:
            yield from ((self._lanes.lane_of(query.tenant, name), name) for name in self._asked_subjects())
            return
        count = 0
        for lane in range(self._lanes.count):
            if not query.is_by_subject:
                yield lane, None
                continue
            for subject in self._ledger.subjects(query.tenant, lane, MAX_SUBJECTS + 1 - count):
                count += 1
                if count > MAX_SUBJECTS:
                    raise TooLarge(f"More than {MAX_SUBJECTS} subjects have usage; name the subjects or customers.")
                yield lane, subject

    def _asked_subjects(self) -> list[str]:
        query = self._query
        if not query.customers:
            return sorted(set(query.subjects))
        if not query.subjects:
            return sorted(self._customer_of)
        return sorted(set(query.subjects) & self._customer_of.keys())

    def _count_owner(self, found: Found, lane: int, subject: str | None) -> None:
        groups = self._groups_of_codes(lane, subject)
        if not groups:
            return
        pages = {number // CODES_PER_PAGE for number in groups}
        first = 0 if self._from is None else self._from // PAGE_SECONDS
        last = LAST_SPAN if self._to is None else (self._to - 1) // PAGE_SECONDS
        cut: set[int] = set()
        for page in self._ledger.pages(self._query.tenant, lane, subject, first, last):
            self._pages_read += 1
            if self._pages_read > MAX_PAGES:
                raise TooLarge("The answer would read too many counters; choose a shorter range or name subjects.")
            if page.key.number not in pages:
                continue
            for name, value in page.cells.items():
                window, code = parse_cell(name, page.key.span)
                group = groups.get(code)
                if group is None:
                    continue
                start = window * WINDOW_SECONDS
                if self._is_cut(start):
                    cut.add(window)
                elif self._is_inside(start):
                    end = start + WINDOW_SECONDS - 1
                    found.add(self._aggregation, self._containing(start), group, value, start, end)
        for window in sorted(cut):
            for event in self._events((lane, subject), window):
                self._add_event(found, event, subject)

    def _groups_of_codes(self, lane: int, subject: str | None) -> dict[int, GroupKey]:
        """The group each code of the meter falls into, for the codes that pass the filters."""
        customer = self._customer_of.get(subject) if subject is not None else None
        shown = subject if self._query.is_by_subject else None
        return {
            code.number: (shown, customer, tuple(code.groups.get(name, "") for name in self._query.dimensions))
            for code in self._codes(lane)
            if self._passes(code.groups)
        }

    def _codes(self, lane: int) -> Iterator[Code]:
        if lane not in self._code_cache:
            meter_id = self._query.meter.id
            self._code_cache[lane] = [
                code for code in self._ledger.codes(self._query.tenant, lane) if code.meter_id == meter_id
            ]
        return iter(self._code_cache[lane])

    def _passes(self, groups: dict[str, str]) -> bool:
        return all(groups.get(name, "") in allowed for name, allowed in self._query.filters.items())

    def _is_inside(self, start: int) -> bool:
        return (self._from is None or start >= self._from) and (self._to is None or start + WINDOW_SECONDS <= self._to)

    def _is_cut(self, start: int) -> bool:
        """Does the range or an output window begin or end inside this half hour?"""
        end = start + WINDOW_SECONDS
        if any(bound is not None and start < bound < end for bound in (self._from, self._to)):
            return True
        return self._is_inside(start) and self._containing(start) != self._containing(end - 1)

    def _events(self, owner: tuple[int, str | None], window: int) -> Iterator[ArchivedEvent]:
        """The meter's archived events of an owner in a half-hour window and inside the range."""
        lane, subject = owner
        start = window * WINDOW_SECONDS
        low = start if self._from is None else max(start, self._from)
        high = start + WINDOW_SECONDS if self._to is None else min(start + WINDOW_SECONDS, self._to)
        query, meter = self._query, self._query.meter
        for n, decided_hour in self._ledger.commits_in_hour(lane, start // HOUR_SECONDS):
            for event in self._object(lane, n, decided_hour):
                if subject is not None and event.subject != subject:
                    continue
                is_metered = event.type == meter.event_type and event.meter_version >= meter.since
                if event.tenant == query.tenant and is_metered and low <= event.time_seconds < high:
                    yield event

    def _object(self, lane: int, n: int, decided_hour: int) -> list[ArchivedEvent]:
        key = (lane, n)
        if key not in self._objects:
            if len(self._objects) >= MAX_ARCHIVE_OBJECTS:
                raise TooLarge("Too many events lie at the edges of the range; choose from and to on half hours.")
            self._objects[key] = list(self._archive.events(lane, n, decided_hour))
        return self._objects[key]

    def _add_event(self, found: Found, event: ArchivedEvent, subject: str | None) -> None:
        value = self._value(event)
        if value is None:
            return
        groups = dict(zip(self._meter.dimensions, self._meter.groups(decode_data(event.raw_data)), strict=True))
        customer = self._customer_of.get(event.subject) if subject is not None else None
        shown = event.subject if self._query.is_by_subject else None
        group = (shown, customer, tuple(groups.get(name, "") for name in self._query.dimensions))
        second = event.time_seconds
        found.add(self._aggregation, self._containing(second), group, value, second, second)

    def _value(self, event: ArchivedEvent) -> Number | None:
        """What the meter takes from an event, None when nothing or when a filter leaves it out."""
        try:
            data = decode_data(event.raw_data)
            value = self._meter.value(data)
        except Uncountable:
            return None
        groups = dict(zip(self._meter.dimensions, self._meter.groups(data), strict=True))
        return value if self._passes(groups) else None
