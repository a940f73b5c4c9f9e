"""The audit on the memory ledger and on DynamoDB Local: silent on what is right, and names all that is not."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.analytics.commit_numbers import DynamoCommitNumbers
from functions.adapters.dynamo.metering.audit_store import DynamoAuditResults
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.usage_table import item_key
from functions.adapters.memory.ledger import MemoryArchive, MemoryAuditResults, MemoryLedger
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.audit.audit_lane import LaneAuditor
from functions.application.metering.audit.audit_span import WRITTEN_WITHIN_SECONDS
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.domain.errors import InvalidInput
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.pages import (
    COARSE_SECONDS,
    FIRST_WINDOW,
    PAGE_SECONDS,
    WINDOWS_PER_PAGE,
    PageWrite,
    parse_cell,
)
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.domain.metering.ledger.ledger import Counts
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack, Void
from functions.domain.metering.values.lanes import Lanes
from tests.conftest import DynamoDb
from tests.writing import write

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = NOW.date()
SECOND = int(NOW.timestamp())
LANES = Lanes(1, b"a key of the test")
TENANT, LANE = "t", 0
METERS = MeterSet(
    1,
    tuple(
        Meter(f"m{number}", each.lower(), "call", each, "$.n" if each.needs_value else None, {"model": "$.model"}, 1)
        for number, each in enumerate(Aggregation)
    ),
)

NUMBERS = (1, 2, "0.5", 77, -3, 2**63, "-18446744073709551616", "9" * 31, "-1e30", "1e24", "1.00012349999999998e-5")
METERS_BY_ID = {meter.id: meter for meter in METERS.meters}


class FixedClock:
    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        return self.time


@dataclass
class World:
    ledger: Any
    results: Any
    database: DynamoDb | None

    def __post_init__(self) -> None:
        self.archive = MemoryArchive()
        self.clock = FixedClock()
        self.ids = 0
        self.writer = self.new_writer()

    def new_writer(self) -> LaneWriter:
        window, fingerprint = AcceptanceWindow(), LANES.value_fingerprint
        look_backs = MemoryLookBacks()
        return LaneWriter(
            self.ledger, self.archive, self.clock, self.new_id, window, look_backs, fingerprint, behind_seconds=0
        )

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def pack(self, *events: Event) -> Pack:
        return Pack(TENANT, LANE, self.new_id(), int(self.clock.time.timestamp()), list(events))

    def deliver(self, *packs: Pack) -> None:
        write(self.writer, packs)

    def audit(self) -> LaneDay:
        return self.auditor().audit(LANE, TODAY)

    def auditor(self) -> LaneAuditor:
        window, clock = AcceptanceWindow(), self.clock
        return LaneAuditor(self.ledger, self.archive, self.results, LANES, window, clock, lambda _: None)

    # Damage.

    def delete(self, memory_key: tuple[Any, ...], partition: str, sort: str) -> None:
        if self.database:
            self.database.client.delete_item(
                TableName=self.database.usage_table, Key=item_key(partition, sort), ReturnValues="NONE"
            )
        else:
            self.ledger.table.put(memory_key, None)

    def change_commit(self, n: int, **fields: Any) -> None:
        commit = msgspec.structs.replace(self.ledger.commit(LANE, n), **fields)
        self.delete(("commit", LANE, n), keys.lane(LANE), keys.commit(n))
        assert self.ledger.put_commit(commit) is None


@pytest.fixture(params=["memory", "dynamodb"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        memory = MemoryLedger()
        memory.put_meter_set(TENANT, METERS)
        yield World(memory, MemoryAuditResults(), None)
        return
    database: DynamoDb = request.getfixturevalue("dynamodb")
    meters: Any = {**item_key(keys.meters(TENANT), keys.METER_SET), "body": {"B": METERS.encode()}}
    database.client.put_item(TableName=database.usage_table, Item=meters)
    ledger = DynamoLedger(database.client, database.usage_table, AcceptanceWindow())
    yield World(ledger, DynamoAuditResults(database.client, database.usage_table), database)


def event(name: str, ago: int = 0, subject: str = "ada", **data: Any) -> Event:
    fingerprint = LANES.fingerprint(TENANT, subject, "s", name)
    body = msgspec.json.encode({"n": 1, "model": "a"} | data)
    micros = fingerprint % 4 * 250_000
    return Event(fingerprint, SECOND - ago, name, "s", "call", subject, body, micros=micros)


def fill(world: World) -> Counts:
    """Five commits with late events, resends, redeliveries and a rejected event; returns what there is to be told."""
    chance = random.Random(7)
    packs = []
    for number in range(5):
        events = [
            event(f"e{number}-{k}", chance.choice((0, 60, 4_000, 30_000, 200_000)), chance.choice(("ada", "bob")),
                  n=chance.choice(NUMBERS), model=chance.choice("ab"))
            for k in range(20)
        ]  # fmt: skip
        packs.append(world.pack(*events))
        world.deliver(packs[-1])
    world.deliver(world.pack(*packs[0].events[:3], event("new"), event("old", 60 * 86_400)))
    world.deliver(packs[1])  # once more by the stream, with nothing new beside it
    world.deliver(packs[2], world.pack(event("beside")))
    world.deliver(world.pack(*packs[3].events[:2]))  # resent by a client, with nothing new beside it
    return Counts(102, 3 + 20 + 20 + 2, 1, 0, 148, 40)


def kinds(result: LaneDay) -> set[Kind]:
    return {each.kind for each in result.differences}


def test_a_right_lane_has_no_difference_and_all_that_was_received_is_told(world: World) -> None:
    told = fill(world)
    result = world.audit()
    assert result.differences == []
    assert (result.difference_count, result.counts) == (0, told)
    assert (result.commits, result.archived) == (7, 102)
    assert 0 < result.recounted < 102  # some events happened on other days
    assert result.cells > 50
    assert world.results.of_day(TODAY.isoformat()) == [result]
    assert world.results.of_day("2026-11-19") == []


def test_an_audit_tells_how_many_commits_the_lane_had_by_the_end_of_the_day(world: World) -> None:
    def last(day: date) -> int:
        return world.auditor().audit(LANE, day).last_commit

    assert last(TODAY) == 0
    fill(world)
    world.clock.time = NOW + timedelta(days=1)
    world.deliver(world.pack(event("tomorrow", -86_400)))
    tomorrow = TODAY + timedelta(days=1)
    assert (last(TODAY), last(tomorrow)) == (7, 8)
    world.clock.time = NOW + timedelta(days=4)
    assert last(TODAY + timedelta(days=3)) == 8  # nothing came since
    for n in range(1, 9):
        world.delete(("commit", LANE, n), keys.lane(LANE), keys.commit(n))
    world.clock.time = NOW + timedelta(days=10)
    assert last(TODAY + timedelta(days=9)) == 8  # of a lane that was quiet for long only the head is left
    assert last(TODAY) == 7  # what was found while there was a log stays


@pytest.mark.parametrize("world", ["dynamodb"], indirect=True)
def test_audits_say_how_many_objects_the_archive_has_of_which_days(world: World) -> None:
    assert world.database is not None
    days, commits = [TODAY + timedelta(days=n) for n in range(4)], (2, 0, 3, 1)
    for n, day in enumerate(days):
        world.clock.time = NOW + timedelta(days=n)
        if n:
            world.auditor().audit(LANE, days[n - 1])
        for k in range(commits[n]):
            world.deliver(world.pack(event(f"{day}-{k}", -n * 86_400)))
    numbers = DynamoCommitNumbers(world.database.client, world.database.usage_table, lanes=1)

    def objects(first: date, last: date) -> int:
        return numbers.until(last.isoformat())[LANE] - numbers.before(first.isoformat())[LANE]

    assert tuple(objects(day, day) for day in days) == commits  # the last day's by the lane's head
    assert (objects(days[1], days[2]), objects(days[0], days[3])) == (3, 6)
    assert objects(TODAY - timedelta(days=30), TODAY + timedelta(days=30)) == 6


def test_a_batch_with_nothing_new_is_told_once_however_often_it_is_delivered(world: World) -> None:
    pack = world.pack(event("e1"))
    world.deliver(pack)
    again = world.pack(event("e1"), event("e1"))
    for _ in range(3):
        world.deliver(again)
    world.writer = world.new_writer()
    world.deliver(again)
    assert world.audit().counts == Counts(1, 2, 0, 0, 3, 0)


def test_a_new_process_knows_a_redelivered_pack(world: World) -> None:
    pack = world.pack(event("e1"), event("e2"))
    world.deliver(pack)
    world.writer = world.new_writer()
    world.deliver(pack, world.pack(event("e3")))
    assert world.audit().counts == Counts(3, 2, 0, 0, 5, 2)


def test_a_batch_of_several_commits_is_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.domain.metering.ledger.counting.MAX_COMMIT_EVENTS", 4)
    world.deliver(world.pack(*(event(f"e{n}", subject=f"s{n % 3}") for n in range(10)), event("e1", subject="s1")))
    result = world.audit()
    assert (result.commits, result.counts, result.difference_count) == (3, Counts(10, 1, 0, 0, 11, 0), 0)


def test_voided_events_do_not_count_whenever_the_voiding_came(world: World) -> None:
    fill(world)
    first = world.ledger.commit(LANE, 1)
    lines = list(world.archive.events(LANE, first.n, 0))
    counted = [line for line in lines if line.time_seconds > SECOND - 100][:2]
    voids = [
        Void(
            LANES.fingerprint(TENANT, line.subject, "s", line.id),
            line.time_seconds,
            line.id,
            "s",
            line.subject,
            f"c-{line.id}",
        )
        for line in counted
    ]
    early = event("early")
    voids.append(Void(early.fingerprint, early.time, early.id, early.source, early.subject, "c3"))
    pack = world.pack(event("another"))
    world.deliver(msgspec.structs.replace(pack, voids=voids))
    world.deliver(world.pack(early))
    world.deliver(world.pack(event("a last one")))
    result = world.audit()
    assert result.differences == []
    assert (result.counts.accepted, result.archived) == (104, 104)
    _raise_cell(world, None)
    assert kinds(world.audit()) == {Kind.COUNTER}


@pytest.mark.parametrize("owner", ["ada", None])
def test_one_cell_that_is_off_by_one_is_named(world: World, owner: str | None) -> None:
    fill(world)
    world.deliver(world.pack(event("today")))
    _raise_cell(world, owner)
    result = world.audit()
    assert (result.difference_count, kinds(result)) == (1, {Kind.COUNTER})
    assert ("subject ada" if owner else "the lane's total") in result.differences[0].place


@pytest.mark.parametrize("owner", ["ada", None])
def test_three_days_of_a_level_that_are_off_by_one_are_named_once(world: World, owner: str | None) -> None:
    fill(world)
    world.deliver(world.pack(event("today"), event("earlier today", 40_000)))
    assert world.audit().differences == []
    coarse = SECOND // COARSE_SECONDS
    numbers = {
        code.number for code in world.ledger.codes(TENANT, LANE) if METERS_BY_ID[code.meter_id].aggregation.is_level
    }
    span = coarse // WINDOWS_PER_PAGE
    page, name = next(
        (page, name)
        for page in world.ledger.pages(TENANT, LANE, owner, span, span)
        for name in page.cells
        if parse_cell(name, span)[0] == coarse and parse_cell(name, span)[1] in numbers
    )
    _write(world, page.key, {name: page.cells[name] + 1})
    (difference,) = world.audit().differences
    assert difference.kind is Kind.COUNTER
    assert f"three days from {coarse * COARSE_SECONDS}" in difference.place
    assert ("subject ada" if owner else "the lane's total") in difference.place


def test_what_is_counted_while_levels_are_audited_is_no_difference(world: World) -> None:
    """The coarse window is read first, so each time it lacks what comes before its half hours are read."""
    world.deliver(world.pack(event("today", 0)))
    pages, state = world.ledger.pages, {"n": 0}

    def busy(tenant: str, lane: int, subject: str | None, first: int, last: int, at_once: int | None) -> Any:
        found = list(pages(tenant, lane, subject, first, last, at_once))
        if first < FIRST_WINDOW // WINDOWS_PER_PAGE:
            state["n"] += 1
            world.deliver(world.pack(event(f"{state['n']}", 0, n=state["n"])))
        return found

    auditor = world.auditor()
    world.ledger.pages = busy
    assert [each for each in auditor.audit(LANE, TODAY).differences if "three days" in each.place] == []
    assert state["n"] >= 4


def test_a_cell_of_a_subject_without_events_is_named(world: World) -> None:
    fill(world)
    page = next(iter(world.ledger.pages(TENANT, LANE, "ada", SECOND // PAGE_SECONDS, SECOND // PAGE_SECONDS)))
    stray = msgspec.structs.replace(page.key, subject="carl")
    _write(world, stray, {next(iter(page.cells)): 1})
    world.deliver(world.pack(event("carls", 200_000, "carl")))
    assert [each.place.split(",")[1] for each in world.audit().differences] == [" subject carl"]


def test_a_lost_archive_object_is_named(world: World) -> None:
    fill(world)
    del world.archive.objects[f"archive/{LANE}/2"]
    result = world.audit()
    assert {Kind.OBJECT_MISSING, Kind.NO_LINE, Kind.COUNTER} <= kinds(result)
    assert "commit 2" in {each.place for each in result.differences}


def test_a_line_that_is_not_the_commits_is_named(world: World) -> None:
    fill(world)
    world.archive.objects[f"archive/{LANE}/2"] = world.archive.objects[f"archive/{LANE}/3"]
    assert {Kind.LINES, Kind.TWICE, Kind.NO_LINE} <= kinds(world.audit())


def test_a_dropped_chunk_of_fingerprints_is_named(world: World) -> None:
    fill(world)
    commit = world.ledger.commit(LANE, 2)
    bucket = SECOND // 300
    assert bucket in commit.fingerprints
    world.delete(("chunk", LANE, bucket, 2), keys.bucket(LANE, bucket), keys.chunk(2))
    result = world.audit()
    assert kinds(result) == {Kind.NO_FINGERPRINT}
    assert result.differences[0].found == str(len(commit.fingerprints[bucket]) // 8)


def test_a_missing_commit_is_named(world: World) -> None:
    fill(world)
    world.delete(("commit", LANE, 3), keys.lane(LANE), keys.commit(3))
    assert Kind.COMMIT_MISSING in kinds(world.audit())


def test_counts_that_do_not_add_up_are_named(world: World) -> None:
    fill(world)
    counts = world.ledger.commit(LANE, 1).counts
    world.change_commit(1, counts=counts + Counts(received=1))
    result = world.audit()
    assert (kinds(result), result.difference_count) == ({Kind.COUNTS}, 1)


def test_a_commit_nobody_finished_is_named(world: World) -> None:
    fill(world)
    commit = world.ledger.commit(LANE, 7)
    long_ago = commit.decided_at - WRITTEN_WITHIN_SECONDS - 1
    late = msgspec.structs.replace(commit, n=8, decided_at=long_ago)
    world.ledger.put_commit(late)
    world.ledger.put_index([late])
    assert Kind.UNFINISHED in kinds(world.audit())


def test_differences_are_bounded_but_all_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.domain.metering.ledger.audit.MAX_LISTED", 3)
    fill(world)
    world.archive.objects.clear()
    result = world.audit()
    assert len(result.differences) == 3 * len(kinds(result))
    assert result.difference_count > len(result.differences)


def test_only_days_that_may_have_history_can_be_audited(world: World) -> None:
    for days in (3 * 366 + 1, -1):
        with pytest.raises(InvalidInput, match="1098 days later"):
            world.auditor().audit(LANE, TODAY - timedelta(days=days))


def _raise_cell(world: World, owner: str | None) -> None:
    page = next(iter(world.ledger.pages(TENANT, LANE, owner, SECOND // PAGE_SECONDS, SECOND // PAGE_SECONDS)))
    name = next(name for name, cell in page.cells.items() if type(cell) is int)
    _write(world, page.key, {name: page.cells[name] + 1})


def _write(world: World, key: Any, cells: dict[str, Any]) -> None:
    (page,) = world.ledger.read_pages([key])
    assert world.ledger.write_pages([PageWrite(page.stamp + 1, page, cells)]) == [True]


def test_an_audit_without_time_goes_on_where_it_was_and_says_the_same(world: World) -> None:
    for hours in range(0, 12, 2):
        world.deliver(world.pack(event(f"e{hours}", hours * 3_600, n=hours + 1, model="a")))
    world.change_commit(2, counts=Counts(7, received=7))
    assert world.auditor().audit(LANE, TODAY, lambda: False).going_on is None, "a day that is not over is audited whole"
    world.clock.time += timedelta(days=1)
    whole = world.audit()
    assert whole.difference_count > 0
    calls = 0
    while (result := world.auditor().audit(LANE, TODAY, lambda: False)).going_on:
        calls += 1
        assert result.going_on.parts == calls
    assert calls == 4, "four parts, each of a call of its own, and the commits with the fifth"
    assert msgspec.structs.replace(result, audited_at=0) == msgspec.structs.replace(whole, audited_at=0)
    assert [each.going_on for each in world.results.of_day(TODAY.isoformat())] == [None]
    assert world.audit() == whole, "it has ended, so that the next one begins anew"
