"""Counting a commit's events: into cells of counter pages, with codes for what was not seen before.

Everything a commit may hold is bounded here, whatever customers send: a commit that cannot be stored or applied would
stop its lane for ever.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from functions.domain.metering.aggregation import Aggregation, Number
from functions.domain.metering.event import Event
from functions.domain.metering.ledger import Code, Directory, Group, LaneState, Refusal
from functions.domain.metering.meter import CompiledMeter, MetersByType, Uncountable, decode_data
from functions.domain.metering.pages import (
    CODES_PER_PAGE,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    Cells,
    PageDelta,
    PageKey,
    cell_name,
)

MAX_COMMIT_EVENTS = 10_000
MAX_COMMIT_BYTES = 300_000  # estimated before compression, rounded up; a DynamoDB item ends at 400 KB
FINGERPRINT_BYTES = 8
CELL_BYTES = 32  # a cell on the subject's page and on the lane's, with its part of the page's key
CODE_BYTES = 80
MAX_CODE_LENGTH = 1_024  # characters of all group values together; longer ones count as `__other__`
MAX_LISTED_UNCOUNTABLE = 100  # per commit; the archive keeps every event all the same
MAX_METER_CODES = 10_000  # group combinations of one meter in one lane; further ones count as `__other__`
OTHER = "__other__"


@dataclass
class Deltas:
    """What a commit's events do: page deltas, new codes and subjects, and the events some meter could not count."""

    groups: list[Group] = field(default_factory=list)
    pages: list[PageDelta] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    subjects: list[tuple[str, str]] = field(default_factory=list)
    uncountable: list[Refusal] = field(default_factory=list)
    uncountable_count: int = 0
    event_count: int = 0
    size: int = 0

    @property
    def is_full(self) -> bool:
        return self.size >= MAX_COMMIT_BYTES or self.event_count >= MAX_COMMIT_EVENTS


MetersOf = Callable[[str], MetersByType]


def count(state: LaneState, queue: deque[Group], meters_of: MetersOf, received_at: int) -> Deltas:
    """Add new events up into the deltas of one commit, taking from the queue what fits into it.

    A subject's events stay together, so that its pages are written once. New codes are numbered here and so fixed
    in the commit.
    """
    deltas = Deltas()
    totals: dict[tuple[str, int, int], PageDelta] = {}
    while queue and not deltas.is_full:
        tenant, subject, events = queue.popleft()
        if (tenant, subject) not in state.subjects:
            state.subjects.add((tenant, subject))
            deltas.subjects.append((tenant, subject))
            deltas.size += len(subject) * 4
        room = MAX_COMMIT_EVENTS - deltas.event_count
        cells, taken = _count_subject(state, deltas, tenant, subject, events[:room], meters_of(tenant), received_at)
        if taken < len(events):
            queue.appendleft((tenant, subject, events[taken:]))
            events = events[:taken]
        deltas.groups.append((tenant, subject, events))
        deltas.event_count += taken
        deltas.size += taken * FINGERPRINT_BYTES
        for page in _as_pages(tenant, state.lane, subject, cells):
            deltas.pages.append(page)
            _add_to_total(totals, page)
    deltas.pages.extend(totals.values())
    return deltas


SubjectCells = dict[tuple[int, int, Aggregation], Number]


def _count_subject(
    state: LaneState,
    deltas: Deltas,
    tenant: str,
    subject: str,
    events: list[Event],
    by_type: MetersByType,
    received_at: int,
) -> tuple[SubjectCells, int]:
    """The cells of a subject's events, and how many of them were taken before the commit was full."""
    cells: SubjectCells = {}
    directory = state.directories[tenant]
    numbers = directory.numbers
    cell_bytes = CELL_BYTES + len(subject) * 4 // CODES_PER_PAGE
    for taken, event in enumerate(events, 1):
        meters = by_type.get(event.type)
        if not meters:
            continue
        window = event.time // WINDOW_SECONDS
        try:
            data = decode_data(event.data)
        except Uncountable as problem:
            _list_uncountable(deltas, tenant, event, problem, received_at)
            continue
        for meter in meters:
            try:
                value = meter.value(data)
            except Uncountable as problem:
                _list_uncountable(deltas, tenant, event, problem, received_at)
                continue
            if value is None:
                continue
            groups = meter.groups(data)
            number = numbers.get((meter.family, groups))
            if number is None:
                number = _number_for(directory, deltas, tenant, meter, groups)
            cell = (window, number, meter.aggregation)
            present = cells.get(cell)
            if present is None:
                cells[cell] = value
                deltas.size += cell_bytes
            elif type(present) is int and type(value) is int and meter.is_additive:
                cells[cell] = present + value
            else:
                cells[cell] = meter.aggregation.merge(present, value)
        if deltas.size >= MAX_COMMIT_BYTES:
            return cells, taken
    return cells, len(events)


def _number_for(
    directory: Directory, deltas: Deltas, tenant: str, meter: CompiledMeter, groups: tuple[str, ...]
) -> int:
    size = sum(map(len, groups))
    if size > MAX_CODE_LENGTH or directory.per_meter.get(meter.id, 0) >= MAX_METER_CODES:
        groups = (OTHER,) * len(groups)
        known = directory.numbers.get((meter.family, groups))
        if known is not None:
            return known
    code = Code(tenant, len(directory.numbers), meter.id, dict(zip(meter.dimensions, groups, strict=True)))
    directory.learn(code)
    deltas.codes.append(code)
    deltas.size += CODE_BYTES + size * 4
    return code.number


def _list_uncountable(deltas: Deltas, tenant: str, event: Event, problem: Uncountable, received_at: int) -> None:
    deltas.uncountable_count += 1
    if len(deltas.uncountable) < MAX_LISTED_UNCOUNTABLE:
        identity = f"{event.fingerprint:016x}{event.time:x}"
        deltas.uncountable.append(
            Refusal(tenant, identity, problem.code, problem.message, received_at, event, is_counted_elsewhere=True)
        )


def _as_pages(tenant: str, lane: int, subject: str, cells: SubjectCells) -> Iterable[PageDelta]:
    pages: dict[tuple[int, int], PageDelta] = {}
    for (window, number, aggregation), value in cells.items():
        place = (window // WINDOWS_PER_PAGE, number // CODES_PER_PAGE)
        page = pages.get(place)
        if page is None:
            page = pages[place] = PageDelta(PageKey(tenant, lane, subject, *place), {}, {}, {})
        page.cells_for(aggregation)[cell_name(window, number)] = value
    return pages.values()


def _add_to_total(totals: dict[tuple[str, int, int], PageDelta], page: PageDelta) -> None:
    key = page.key
    place = (key.tenant, key.span, key.number)
    total = totals.get(place)
    if total is None:
        total = totals[place] = PageDelta(PageKey(key.tenant, key.lane, None, key.span, key.number), {}, {}, {})
    _merge(total.add, page.add, Aggregation.SUM)
    _merge(total.highest, page.highest, Aggregation.MAX)
    _merge(total.lowest, page.lowest, Aggregation.MIN)


def _merge(into: Cells, cells: Cells, aggregation: Aggregation) -> None:
    for name, value in cells.items():
        present = into.get(name)
        into[name] = value if present is None else aggregation.merge(present, value)
