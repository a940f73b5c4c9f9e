"""Counting a commit's events: into cells of counter pages, with codes for what was not seen before.

Everything a commit may hold is bounded here, whatever customers send: a commit that cannot be stored or applied would
stop its lane for ever.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any

from functions.domain.metering.cells.cells import MOST_CELL_BYTES, MOST_CELLS, VALUE_BYTES, CellId, OpenCells, as_pages
from functions.domain.metering.cells.pages import CODES_PER_PAGE, PageDelta
from functions.domain.metering.ledger.ledger import Code, Directory, Group, LaneState, Reject
from functions.domain.metering.ledger.reject import UncountableLines, event_identity, pack_lines
from functions.domain.metering.ledger.surplus import VISITS_PAID, work_surplus
from functions.domain.metering.meters.columns import add_fingerprints
from functions.domain.metering.meters.compiled_meter import CompiledMeter, Groups
from functions.domain.metering.meters.groupings import Grouping, MetersByType
from functions.domain.metering.meters.rows import Rows, picker, sort_events
from functions.domain.metering.meters.values import Uncountable
from functions.domain.metering.values.event import Event
from functions.domain.metering.values.group_values import OTHER
from functions.domain.metering.values.work import WORK

MAX_COMMIT_EVENTS = 10_000
EVENTS_AT_ONCE = 256  # of a subject, while they surely fit into the commit
SEARCHED_AT_ONCE = 8  # of a subject whose meters search: each event may be a thousand times the work of another
# In visits (see `work`): about a quarter of a second. Seven meters with two dimensions make some 30 of an event, so
# that only searches, patterns and very many meters end a commit before its events do.
MAX_COMMIT_WORK = 500_000
MAX_COMMIT_BYTES = 300_000  # estimated before compression, rounded up; a DynamoDB item ends at 400 KB
FINGERPRINT_BYTES = 8
CELL_BYTES = 32  # a cell on the subject's page and on the lane's, with its part of the page's key
CODE_BYTES = 80
MAX_LISTED_UNCOUNTABLE = 100  # of a commit one by one; further ones by their places in its object
LINE_BYTES = 2
REASON_BYTES = 160  # of a tenant, day, meter and code; they repeat, and compress well
DAY_SECONDS = 86_400
PAGE_BYTES = 16  # what stands in the key of a page beside the subject
# Group combinations that one subject brings to a meter in a month of arrival; further ones count as `__other__`, its
# own alone. A new process reads all those of a tenant in a lane, so from so many on a subject brings only a few.
MAX_SUBJECT_CODES = 10_000
MAX_LANE_CODES = 50_000
MOST_LANE_CODES = 100_000  # whoever brings them: some 50 MB of a writer's memory, which has eight lanes
SURE_CODES = 100
FULL, TOLD_FROM = 100, 80  # percent of the room for combinations
MONTH_SECONDS = 30 * 86_400
OWNER_BYTES = 6


@dataclass
class Deltas:
    """What a commit's events do: page deltas, new codes and subjects, and the events some meter could not count."""

    groups: list[Group] = field(default_factory=list)
    pages: list[PageDelta] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    subjects: list[tuple[str, str]] = field(default_factory=list)
    uncountable: list[Reject] = field(default_factory=list)
    further: dict[tuple[str, int, str, str], list[Event]] = field(default_factory=dict)
    uncountable_count: int = 0
    event_count: int = 0
    size: int = 0
    work: int = 0
    new_bytes: int = 0  # of the texts of codes
    surplus: Counter[str] = field(default_factory=Counter)  # by tenant
    crowded: set[tuple[str, Groups]] = field(default_factory=set)  # combinations that some subject had no room for
    room_used: dict[tuple[str, str], int] = field(default_factory=dict)  # percent by tenant and meter, from a level on

    @property
    def is_full(self) -> bool:
        return self.event_count >= MAX_COMMIT_EVENTS or self.is_heavy

    @property
    def is_heavy(self) -> bool:
        """Is it all that may be stored, or all the work that others wait for?"""
        return self.size >= MAX_COMMIT_BYTES or self.work >= MAX_COMMIT_WORK

    def uncountable_lines(self) -> list[UncountableLines]:
        """Beyond those of `uncountable`, for the commit to say."""
        if not self.further:
            return []
        places = {id(event): place for place, event in enumerate(event for *_, some in self.groups for event in some)}
        return [
            UncountableLines(tenant, day, meter_id, code, pack_lines([places[id(each)] for each in events]))
            for (tenant, day, meter_id, code), events in self.further.items()
        ]


MetersOf = Callable[[str], MetersByType]
FingerprintOf = Callable[[str], int]


def count(
    state: LaneState, queue: deque[Group], meters_of: MetersOf, value_fingerprint: FingerprintOf, received_at: int
) -> Deltas:
    """Add new events up into the deltas of one commit, taking from the queue what fits into it.

    A subject's events stay together, so that its pages are written once. New codes are numbered here and so fixed
    in the commit. `value_fingerprint` stands for the text of a value that UNIQUE_COUNT counts.
    """
    deltas = Deltas()
    totals: dict[str, OpenCells] = {}
    counting = _Counting(state, deltas, value_fingerprint, received_at)
    while queue and not deltas.is_full:
        tenant, subject, events = queue.popleft()
        work, codes, subjects, texts = deltas.work, len(deltas.codes), len(deltas.subjects), deltas.new_bytes
        subject_bytes = len(subject) * 4
        deltas.size += subject_bytes + PAGE_BYTES
        if (tenant, subject) not in state.subjects:
            state.subjects.add((tenant, subject))
            deltas.subjects.append((tenant, subject))
            deltas.size += subject_bytes
        room = MAX_COMMIT_EVENTS - deltas.event_count
        cells = OpenCells()
        taken = counting.add_subject(cells, tenant, subject, events[:room], meters_of(tenant))
        if taken < len(events):
            queue.appendleft((tenant, subject, events[taken:]))
            events = events[:taken]
        deltas.groups.append((tenant, subject, events))
        deltas.event_count += taken
        deltas.size += taken * FINGERPRINT_BYTES
        deltas.pages.extend(as_pages(cells, tenant, state.lane, subject))
        total = totals.get(tenant)
        if total is None:
            total = totals[tenant] = OpenCells()
        total.merge(cells)
        items = len(deltas.codes) - codes + len(deltas.subjects) - subjects
        if items or deltas.work - work > VISITS_PAID * taken:
            deltas.surplus[tenant] += work_surplus(deltas.work - work, taken, items, deltas.new_bytes - texts)
    for tenant, total in totals.items():
        deltas.pages.extend(as_pages(total, tenant, state.lane, None))
    return deltas


class _Counting:
    """What all subjects of a commit share while they are counted."""

    def __init__(self, state: LaneState, deltas: Deltas, value_fingerprint: FingerprintOf, received_at: int) -> None:
        self._state = state
        self._deltas = deltas
        self._value_fingerprint = value_fingerprint
        self._received_at = received_at
        self._month = received_at // MONTH_SECONDS
        self._cell_ids = defaultdict[tuple[str, Grouping, Groups, int], dict[CompiledMeter, CellId]](dict)

    def add_subject(
        self, cells: OpenCells, tenant: str, subject: str, events: list[Event], by_type: MetersByType
    ) -> int:
        """Count a subject's events into its cells; returns how many of them were taken before the commit was full."""
        cell_bytes = CELL_BYTES + len(subject) * 4 // CODES_PER_PAGE
        deltas = self._deltas
        taken, at_once = 0, EVENTS_AT_ONCE
        while taken < len(events) and (not taken or not deltas.is_heavy):
            some = events[taken : taken + at_once]
            if len(some) > SEARCHED_AT_ONCE and by_type.search(some):
                some = some[:SEARCHED_AT_ONCE]
            begun = WORK.visits
            all_rows, unreadable = sort_events(some, by_type)
            if len(some) > 1 and deltas.size + _most_bytes(all_rows, cell_bytes) > MAX_COMMIT_BYTES:
                at_once = 1
                deltas.work += WORK.visits - begun
                continue
            for event, problem in unreadable:
                _list_uncountable(deltas, tenant, event, problem, self._received_at)
            for rows in all_rows:
                self._add_rows(cells, tenant, rows, cell_bytes)
            deltas.work += WORK.visits - begun + by_type.look_ups(some)
            taken += len(some)
            if deltas.further:  # each event may bring a reason of every meter
                at_once = min(at_once, SEARCHED_AT_ONCE)
        return taken

    def _add_rows(self, cells: OpenCells, tenant: str, rows: Rows, cell_bytes: int) -> None:
        grouping, window, size = rows.grouping, rows.window, 0
        all_moments: Sequence[Any] | None = None
        if grouping.orders_microseconds:
            all_micros = [event.micros for event in rows.events]
            all_moments = [*zip(rows.seconds, all_micros, strict=True)] if any(all_micros) else None
        columns = [(meters, meters[0].column(rows.data)) for meters in grouping.by_value]
        for groups, indexes in rows.event_indexes.items():
            pick = picker(indexes, len(rows.seconds))
            seconds = pick(rows.seconds) if grouping.looks_at_time else ()
            moments = pick(all_moments) if all_moments else seconds
            known = self._cell_ids[tenant, grouping, groups, window]
            for meters, of_all in columns:
                if of_all is None:
                    self._add_one_by_one(cells, tenant, rows, groups, meters, cell_bytes)
                    continue
                column = pick(of_all)
                for meter in meters:
                    cell_id = known.get(meter)
                    if cell_id is None:
                        cell_id = known[meter] = window, self._number_of(tenant, rows, meter, groups)
                    if (add_column := meter.add_column) is not None:
                        when = moments if meter.orders_microseconds else seconds
                        size += add_column(cells, cell_id, column, when, cell_bytes)
                    elif meter.takes_text:
                        size += add_fingerprints(cells, cell_id, {*map(self._value_fingerprint, {*column})}, cell_bytes)
                    else:
                        add = meter.add
                        for value, second in zip(column, seconds, strict=True):
                            size += add(cells, cell_id, value, second, cell_bytes)
        self._deltas.size += size

    def _add_one_by_one(
        self,
        cells: OpenCells,
        tenant: str,
        rows: Rows,
        groups: Groups,
        meters: tuple[CompiledMeter, ...],
        cell_bytes: int,
    ) -> None:
        deltas = self._deltas
        for at in rows.event_indexes[groups]:
            event, data = rows.events[at], rows.data[at]
            for meter in meters:
                try:
                    value = meter.value(data)
                except Uncountable as problem:
                    _list_uncountable(deltas, tenant, event, problem, self._received_at, meter.id)
                    continue
                if value is None:
                    continue
                number = self._number_of(tenant, rows, meter, groups)
                if meter.takes_text:
                    value = self._value_fingerprint(str(value))
                when = (event.time, event.micros) if meter.orders_microseconds else event.time
                deltas.size += meter.add(cells, (rows.window, number), value, when, cell_bytes)

    def _number_of(self, tenant: str, rows: Rows, meter: CompiledMeter, groups: Groups) -> int:
        """All events of the commit that have these groups get the same: later readers cannot tell their order."""
        directory, deltas = self._state.directories[tenant], self._deltas
        number = directory.numbers.get((meter.family, groups))
        if number is None:
            groups, number = directory.named(meter.family, groups)
        if number is not None:
            return number
        owner = _owner(rows.events[0].subject)
        if (meter.family, groups) in deltas.crowded or not self._has_room(directory, meter.id, owner):
            deltas.crowded.add((meter.family, groups))
            deltas.room_used[tenant, meter.id] = FULL
            groups = (OTHER,) * len(groups)
            known = directory.numbers.get((meter.family, groups))
            if known is not None:
                return known
        named = dict(zip(meter.dimensions, groups, strict=True))
        parts = len(meter.aggregation.parts)
        skipped = directory.skipped(parts)
        number = directory.next_number + skipped
        code = Code(tenant, number, meter.id, named, parts, skipped, self._state.n + 1, owner, self._month)
        directory.learn(code)
        self._note_room(directory, code)
        deltas.codes.append(code)
        texts = sum(map(len, groups)) * 4
        deltas.new_bytes += texts
        deltas.size += CODE_BYTES + texts
        return number

    def _note_room(self, directory: Directory, code: Code) -> None:
        """Before it is full, so that somebody can look at where the combinations come from."""
        of_subject = directory.taken.get((code.meter_id, code.owner, code.month), 0) * FULL // MAX_SUBJECT_CODES
        used = min(max(of_subject, len(directory.numbers) * FULL // MAX_LANE_CODES), FULL)
        if used >= TOLD_FROM:
            of_meter = code.tenant, code.meter_id
            self._deltas.room_used[of_meter] = max(used, self._deltas.room_used.get(of_meter, 0))

    def _has_room(self, directory: Directory, meter_id: str, owner: bytes) -> bool:
        taken, month = directory.taken, self._month
        if taken.get((meter_id, owner, month), 0) >= MAX_SUBJECT_CODES:
            return False
        held = len(directory.numbers)
        return held < MAX_LANE_CODES or (held < MOST_LANE_CODES and taken.get(("", owner, month), 0) < SURE_CODES)


def _most_bytes(all_rows: Iterable[Rows], cell_bytes: int) -> int:
    """By how much counting them may make the commit grow."""
    size = 0
    for rows in all_rows:
        per_group = MOST_CELLS * (cell_bytes + MOST_CELL_BYTES) + CODE_BYTES
        texts = sum(map(len, chain.from_iterable(rows.event_indexes)))
        of_meter = len(rows.event_indexes) * per_group + 4 * texts + len(rows.events) * VALUE_BYTES
        size += len(rows.grouping.meters) * of_meter
    return size


@lru_cache(maxsize=1_000)
def _owner(subject: str) -> bytes:
    return blake2b(subject.encode(), digest_size=OWNER_BYTES, person=b"owner").digest()


def _list_uncountable(
    deltas: Deltas, tenant: str, event: Event, problem: Uncountable, received_at: int, meter_id: str = ""
) -> None:
    deltas.uncountable_count += 1
    if len(deltas.uncountable) >= MAX_LISTED_UNCOUNTABLE:
        reason = (tenant, event.time // DAY_SECONDS, meter_id, problem.code)
        if reason not in deltas.further:
            deltas.further[reason] = []
            deltas.size += REASON_BYTES
        deltas.further[reason].append(event)
        deltas.size += LINE_BYTES
    else:
        identity = event_identity(event.fingerprint, event.time)
        reject = Reject(tenant, identity, problem.code, problem.message, received_at, event, True, meter_id=meter_id)
        deltas.uncountable.append(reject)
