"""The metering ledger's decision: which events of a batch are new, and what a commit does with them.

A lane's history is a gapless log of commits. A commit is decided knowing all its predecessors, holds everything needed
to apply it, and is applied completely before the next is decided. Everything here is pure.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from functions.domain.metering.aggregation import Aggregation, Number
from functions.domain.metering.event import AcceptanceWindow, Event, Pack
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

BUCKET_SECONDS = 300
HOUR_SECONDS = 3_600
MAX_COMMIT_EVENTS = 10_000
MAX_COMMIT_BYTES = 300_000  # estimated before compression, rounded up; a DynamoDB item ends at 400 KB
FINGERPRINT_BYTES = 8
CELL_BYTES = 32  # a cell on the subject's page and on the lane's, with its part of the page's key
CODE_BYTES = 80
MAX_CODE_LENGTH = 1_024  # characters of all group values together; longer ones count as `__other__`
MAX_LISTED_UNCOUNTABLE = 100  # per commit; the archive keeps every event all the same
MAX_METER_CODES = 10_000  # group combinations of one meter in one lane; further ones count as `__other__`
OTHER = "__other__"


class Code(msgspec.Struct, frozen=True, array_like=True):
    """A directory entry: the short number that stands for (meter, group values) in one (tenant, lane)."""

    tenant: str
    number: int
    meter_id: str
    groups: dict[str, str]


class Counts(msgspec.Struct, array_like=True):
    """What became of the events a commit's batch received."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    uncountable: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.uncountable + other.uncountable,
        )


class Commit(msgspec.Struct, array_like=True):
    """Commit `n` of a lane: accepted fingerprints by bucket, page deltas, directory entries, and its archive object.

    `received_at` is when the newest of its events arrived, `decided_at` when the commit was made; epoch seconds.
    """

    lane: int
    n: int
    attempt: str
    decided_at: int
    received_at: int
    fingerprints: dict[int, bytes]
    pages: list[PageDelta]
    hours: list[int]
    codes: list[Code]
    subjects: list[tuple[str, str]]
    markers: list[str]
    staged_key: str
    inline_archive: bytes
    counts: Counts
    meter_versions: dict[str, int]


class Refusal(msgspec.Struct):
    """An event or record that was not counted, kept with its reason; `identity` makes a redelivery the same refusal.

    `is_counted_elsewhere`: the event itself was accepted, and only some meter could not take a value from it.
    `object_key` is where bytes are kept that are no event.
    """

    tenant: str
    identity: str
    code: str
    reason: str
    received_at: int
    event: Event | None = None
    is_counted_elsewhere: bool = False
    object_key: str = ""


@dataclass
class Directory:
    """The codes of one (tenant, lane): what a writer must know to name cells."""

    numbers: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    per_meter: dict[str, int] = field(default_factory=dict)

    def learn(self, code: Code) -> None:
        self.numbers[(code.meter_id, tuple(value for _, value in sorted(code.groups.items())))] = code.number
        self.per_meter[code.meter_id] = self.per_meter.get(code.meter_id, 0) + 1


@dataclass
class LaneState:
    """What the writer of a lane knows as of commit `n`; dropped whole whenever it may be wrong."""

    lane: int
    n: int
    confirmed_at: int  # when the lane's log was last seen to end at `n`
    buckets: dict[int, set[int]] = field(default_factory=dict)
    recent: dict[int, int] = field(default_factory=dict)  # fingerprint -> when it arrived
    recent_since: int | None = None  # `recent` holds everything that arrived from then on
    meter_versions: dict[str, int] = field(default_factory=dict)
    directories: dict[str, Directory] = field(default_factory=dict)
    subjects: set[tuple[str, str]] = field(default_factory=set)


def bucket_of(time: int) -> int:
    return time // BUCKET_SECONDS


def unpack_fingerprints(chunk: bytes) -> "array[int]":
    values = array("Q")
    values.frombytes(chunk)
    return values


@dataclass
class Sifted:
    """A batch after dedupe: new events by (tenant, subject), and what is not counted."""

    groups: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0


def sift(
    state: LaneState, packs: Iterable[Pack], window: AcceptanceWindow, look_back: int, now: int, received_at: int
) -> Sifted:
    """Keep the first of every event the lane has not seen, remembering it in `state`.

    An event was seen if its fingerprint is in its bucket (the same time, at any age), or if it arrived within
    `look_back` seconds with any time. `state` must hold the buckets of all events and the look-back of the packs;
    `received_at` is when the newest pack arrived.
    """
    sifted = Sifted()
    groups, buckets, recent = sifted.groups, state.buckets, state.recent
    oldest, still_recent = window.oldest_countable(now), received_at - look_back
    duplicates = accepted = 0
    for pack in packs:
        tenant = pack.tenant
        for event in pack.events:
            if event.time < oldest:
                sifted.refusals.append(_too_old(tenant, event, pack.received_at))
                continue
            fingerprint = event.fingerprint
            bucket = buckets[event.time // BUCKET_SECONDS]
            if fingerprint in bucket or recent.get(fingerprint, still_recent) > still_recent:
                duplicates += 1
                continue
            bucket.add(fingerprint)
            recent[fingerprint] = received_at
            accepted += 1
            key = (tenant, event.subject)
            group = groups.get(key)
            if group is None:
                groups[key] = [event]
            else:
                group.append(event)
    sifted.accepted, sifted.duplicates = accepted, duplicates
    return sifted


def _too_old(tenant: str, event: Event, received_at: int) -> Refusal:
    return Refusal(
        tenant,
        f"{event.fingerprint:016x}{event.time:x}",
        "outside_acceptance_window",
        "The event is older than the acceptance window, so it can no longer be told from a duplicate.",
        received_at,
        event,
    )


Group = tuple[str, str, list[Event]]  # tenant, subject, its new events


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
            groups = meter.groups(data)
            number = numbers.get((meter.id, groups))
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
        known = directory.numbers.get((meter.id, groups))
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


def fingerprints_by_bucket(batch: list[Group]) -> dict[int, bytes]:
    by_bucket: dict[int, array[int]] = {}
    for _, _, events in batch:
        for event in events:
            bucket = event.time // BUCKET_SECONDS
            chunk = by_bucket.get(bucket)
            if chunk is None:
                chunk = by_bucket[bucket] = array("Q")
            chunk.append(event.fingerprint)
    return {bucket: chunk.tobytes() for bucket, chunk in sorted(by_bucket.items())}


def hours_of(batch: list[Group]) -> list[int]:
    return sorted({event.time // HOUR_SECONDS for _, _, events in batch for event in events})
