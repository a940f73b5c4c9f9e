"""What an answer reads of DynamoDB, as DynamoDB itself counts it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from functions.adapters.archive import ArchivedEvent
from functions.adapters.dynamo.metering.hour_items import hour_item
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger.hour_index import HourEntry, marks_of
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.lanes import Lanes
from tests.conftest import DynamoDb
from tests.writing import write

UNIT_BYTES = 4_096  # of a strongly consistent read
MOST_BYTES = 200_000
START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
NOW = END + timedelta(hours=1)
LANES = Lanes(1, b"a key of the test")
TOKENS = Meter("m1", "tokens", "call", Aggregation.SUM, "$.n", {"model": "$.model"}, since=1)
SLOWEST = Meter("m2", "slowest", "call", Aggregation.MAX, "$.ms", {"model": "$.model"}, since=1)
STORED = Meter("m3", "stored", "call", Aggregation.TIME_WEIGHTED_SUM, "$.n", {"model": "$.model"}, since=1)
MODELS = ("gpt-4", "gpt-5", "claude")


class Meters(DynamoLedger):
    def meter_set(self, tenant: str) -> MeterSet:
        return MeterSet(1, (TOKENS, SLOWEST))


class Levels(DynamoLedger):
    def meter_set(self, tenant: str) -> MeterSet:
        return MeterSet(1, (STORED,))


class Clock:
    def now(self) -> datetime:
        return NOW


class Consumption:
    """Requests and read units of a client from now on."""

    def __init__(self, client: Any) -> None:
        self.requests, self.units = 0, Decimal(0)
        for operation in ("Query", "GetItem", "BatchGetItem"):
            client.meta.events.register(f"provide-client-params.dynamodb.{operation}", self._ask)
            client.meta.events.register(f"after-call.dynamodb.{operation}", self._add)

    def _ask(self, params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**params, "ReturnConsumedCapacity": "TOTAL"}

    def _add(self, parsed: dict[str, Any], **_: Any) -> None:
        self.requests += 1
        every = parsed["ConsumedCapacity"]  # of a batch one for each table
        self.units += sum(
            Decimal(str(each["CapacityUnits"])) for each in (every if isinstance(every, list) else [every])
        )

    @property
    def bytes(self) -> Decimal:
        return self.units * UNIT_BYTES


def _writer(
    ledger: DynamoLedger, archive: MemoryArchive | None = None, window: AcceptanceWindow | None = None
) -> LaneWriter:
    """One that leaves no pages for later."""
    attempts = iter(range(1_000))
    return LaneWriter(
        ledger,
        archive or MemoryArchive(),
        Clock(),
        lambda: str(next(attempts)),
        window or AcceptanceWindow(),
        MemoryLookBacks(),
        LANES.value_fingerprint,
        behind_seconds=0,
    )


@pytest.fixture
def month(dynamodb: DynamoDb) -> DynamoLedger:
    """A subject that was busy with every model in every half hour of a month, and another one beside it."""
    ledger = Meters(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    writer = _writer(ledger)
    starts = range(int(START.timestamp()), int(END.timestamp()), 1_800)
    events = [
        Event(n * 10 + m, second, f"{second}-{m}", "s", "call", subject, b'{"n":123456.25,"ms":%d,"model":"%s"}' % (
            1_000 + n % 7_000, model.encode()
        ))
        for n, second in enumerate(starts)
        for m, (subject, model) in enumerate((s, model) for s in ("ada", *["bob"] * (n % 8 == 0)) for model in MODELS)
    ]  # fmt: skip
    write(writer, [Pack("t", 0, "p", int(NOW.timestamp()), events)])
    return ledger


def test_a_month_of_a_subject_by_day_reads_less_than_200_kb(month: DynamoLedger) -> None:
    reader = UsageReader(month, MemoryArchive(), LANES)
    for meter in (TOKENS, SLOWEST):
        consumed = Consumption(month._client)
        rows = reader.rows(UsageQuery("t", meter, START, END, "DAY", subjects=("ada",)), NOW)
        assert len(rows) == 31
        assert consumed.bytes <= MOST_BYTES, consumed.bytes
        assert consumed.requests <= 4  # two of them for what is not in the pages yet
        if meter is TOKENS:
            assert {row.value for row in rows} == {48 * len(MODELS) * Decimal("123456.25")}

    day = Consumption(month._client)
    rows = reader.rows(UsageQuery("t", TOKENS, END - timedelta(days=1), END, "HOUR", group_by=("model",)), NOW)
    assert len(rows) == 24 * len(MODELS)
    assert day.bytes <= MOST_BYTES / 10, "a day reads its part of the month"


def test_the_level_before_a_range_is_read_from_a_few_coarse_pages(dynamodb: DynamoDb) -> None:
    """A year of daily changes has 366 half-hour pages, of a subject and of the lane."""
    days, later = 366, END + timedelta(days=2)
    ledger = Levels(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    writer = _writer(ledger, window=AcceptanceWindow(past=(days + 60) * 86_400))
    begin = int(END.timestamp()) - days * 86_400
    events = [
        Event(n, begin + n * 86_400, str(n), "s", "call", "ada", b'{"n":1,"model":"m"}') for n in range(1, days + 1)
    ]
    write(writer, [Pack("t", 0, "p", int(NOW.timestamp()), events)])
    reader = UsageReader(ledger, MemoryArchive(), LANES)
    consumed = Consumption(dynamodb.client)
    for subjects in (("ada",), ()):
        query = UsageQuery("t", STORED, END, END + timedelta(hours=1), subjects=subjects)
        (row,) = reader.rows(query, later)
        assert row.value == days
    assert consumed.bytes <= 10 * UNIT_BYTES, consumed.bytes
    assert consumed.requests <= 10


@pytest.mark.parametrize(("meter", "most_requests"), [(TOKENS, 24), (SLOWEST, 5)], ids=["all use it", "nobody does"])
def test_who_of_many_subjects_has_usage_is_found_a_hundred_by_one_request(
    dynamodb: DynamoDb, meter: Meter, most_requests: int
) -> None:
    ledger = Meters(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    writer = _writer(ledger)
    at = int((END - timedelta(hours=6)).timestamp())
    sent = [Event(n, at, str(n), "s", "call", f"c{n}", b'{"n":1,"model":"m"}') for n in range(500)]
    write(writer, [Pack("t", 0, "p", int(NOW.timestamp()), sent)])
    reader = UsageReader(ledger, MemoryArchive(), LANES)
    consumed = Consumption(dynamodb.client)
    query = UsageQuery("t", meter, START, END, group_by=("subject",))
    rows = reader.rows(query, NOW)
    assert len(rows) == (500 if meter is TOKENS else 0)
    assert consumed.requests <= most_requests
    before = consumed.requests
    assert len(reader.subjects(query, "").subjects) == len(rows)
    assert consumed.requests - before <= most_requests


class CountingArchive(MemoryArchive):
    """Counts how often each object is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: Counter[tuple[int, int]] = Counter()

    def events_of(self, lane: int, commits: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        self.opened.update((lane, n) for n, _ in commits)
        return super().events_of(lane, commits)


def _sparse_month(dynamodb: DynamoDb, lanes: Lanes) -> tuple[DynamoLedger, CountingArchive]:
    """A few events that came late and together, each in an hour of its own."""
    ledger = Meters(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    archive, start = CountingArchive(), int(START.timestamp())
    writer = _writer(ledger, archive)
    for batch in range(5):
        packs: dict[int, list[Event]] = defaultdict(list)
        for n in range(batch, 360, 5):
            subject = f"c{n // 5 % 40}"
            event = Event(n, start + n * 7_200 + 1_100, str(n), "s", "call", subject, b'{"n":1,"model":"m"}')
            packs[lanes.lane_of("t", subject)].append(event)
        for lane, events in packs.items():
            write(writer, [Pack("t", lane, f"p{batch}", int(NOW.timestamp()), events)])
    return ledger, archive


def test_a_month_of_few_events_takes_requests_by_what_there_is_and_each_object_once(dynamodb: DynamoDb) -> None:
    lanes = Lanes(8, b"a key of the test")
    ledger, archive = _sparse_month(dynamodb, lanes)
    questions: list[tuple[int, dict[str, Any]]] = [
        (1, {"is_exact": True}),
        (1, {"is_exact": True, "period_to": None}),
        (360, {"window": "MINUTE"}),
        (360, {"window": "MINUTE", "group_by": ("subject",)}),
        (1, {"period_from": START + timedelta(seconds=1_099), "period_to": END - timedelta(seconds=1)}),
        (1, {"period_from": START + timedelta(seconds=1_099), "period_to": None}),
        (1, {"period_from": None, "period_to": None}),
    ]
    for rows, asked in questions:
        consumed = Consumption(dynamodb.client)
        archive.opened.clear()
        query = UsageQuery(**{"tenant": "t", "meter": TOKENS, "period_from": START, "period_to": END, **asked})
        found = UsageReader(ledger, archive, lanes).rows(query, NOW)
        assert (len(found), sum(row.value for row in found)) == (rows, 360), asked
        subjects = 40 if "group_by" in asked else 0
        assert consumed.requests <= 6 * lanes.count + subjects + 1, (asked, consumed.requests)
        assert archive.opened, asked
        assert set(archive.opened.values()) == {1}, asked


def test_an_hour_index_full_of_others_is_read_where_something_was_asked_for(dynamodb: DynamoDb) -> None:
    """A hundred commits an hour, of which two hours in twelve are asked for."""
    ledger, hours = Meters(dynamodb.client, dynamodb.usage_table, AcceptanceWindow()), range(1_000, 1_060)
    every = [HourEntry(hour, n, 0, hour * 3_600, hour * 3_600, marks_of([("u", "x", [])]))
             for hour in hours for n in range(100)]  # fmt: skip
    ledger._table.put_all(hour_item(0, entry) for entry in every)
    wanted = {hour for hour in hours if hour % 12 < 2}
    consumed = Consumption(dynamodb.client)
    found = list(ledger.index_of_hours(0, wanted))
    assert found == sorted((entry for entry in every if entry.hour in wanted), reverse=True)
    assert consumed.requests <= 6
    assert consumed.bytes <= 200_000, "a third of the index"


@pytest.mark.parametrize(("batches", "size", "subjects"), [(15, 2_500, 40), (8, 500, 500), (150, 1, 1)])
def test_another_process_takes_a_lane_over_for_less_than_500_units(
    dynamodb: DynamoDb, batches: int, size: int, subjects: int
) -> None:
    """As it happens to a lane of 500 events/s, of many subjects, and of one event now and then."""
    kept, attempts, chance = MemoryLookBacks(), iter(range(10_000)), Random(4)
    now = int(NOW.timestamp())

    def new_writer() -> LaneWriter:
        ledger = Meters(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
        archive, window = MemoryArchive(), AcceptanceWindow()
        return LaneWriter(ledger, archive, Clock(), lambda: str(next(attempts)), window, kept, LANES.value_fingerprint)

    def pack(number: int) -> Pack:
        data = b'{"n":%d.25,"ms":7,"model":"gpt-5"}' % number
        names = [f"customer-{n % subjects}" for n in range(size)]
        events = [
            Event(chance.getrandbits(64), now - 1, f"{number}-{n}", "s", "call", s, data) for n, s in enumerate(names)
        ]
        return Pack("t", 0, f"p{number}", now, events)

    writer = new_writer()
    for number in range(batches):
        sent = pack(number)
        write(writer, [sent])
    consumed, other = Consumption(dynamodb.client), new_writer()
    counts = write(other, [sent])
    assert counts.duplicates == counts.received == size
    assert consumed.units < 500, consumed.units
