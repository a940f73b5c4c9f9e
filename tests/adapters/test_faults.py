"""Throttles, failures, cut and hung connections between us and real engines: nothing is lost, and it is said alike."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from functions.adapters import aws as clients
from functions.adapters import kinesis
from functions.adapters.aws import AT_ONCE, BRISK, HASTY, ONCE, PATIENT, Patience, aws_client, pauses
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.table import Table
from functions.adapters.kinesis import KinesisStream
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.errors import Unavailable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import AcceptanceWindow, CloseMarker, Event, Pack
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.metering import http_ingest
from functions.handlers.wiring import metering
from infra.local import emulator
from tests.conftest import DynamoDb
from tests.faults import CUT, HANG, Faults, between
from tests.handlers.gateway import payload
from tests.writing import write

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
LANES = Lanes(8, b"a key of the test")
TOKENS = Meter("m1", "tokens", "call", Aggregation.SUM, "$.n", {"model": "$.model"}, since=1)
SHORT = Patience(0.3, 0.3, 2)


class Counted(DynamoLedger):
    def meter_set(self, tenant: str) -> MeterSet:
        return MeterSet(1, (TOKENS,))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours take a tenth of their time; botocore's own stay."""
    monkeypatch.setattr("functions.adapters.aws.time.sleep", _hundredth(time.sleep))


def _hundredth(sleep: Callable[[float], None]) -> Callable[[float], None]:
    return lambda seconds: sleep(seconds / 10 if seconds < clients.LONGEST_PAUSE_SECONDS else seconds)


@pytest.fixture
def troubled(dynamodb: DynamoDb) -> Iterator[tuple[str, Faults]]:
    with between(dynamodb.endpoint) as found:
        yield found


def test_nothing_is_lost_while_a_fifth_of_all_statements_is_throttled(
    dynamodb: DynamoDb, troubled: tuple[str, Faults]
) -> None:
    """As a stream would: what is raised is delivered again, and nothing but Unavailable is."""
    endpoint, faults = troubled
    faults.is_throttled = lambda: faults.chance.random() < 0.2
    faults.fault = lambda _: faults.chance.choice(("failure", "throttle")) if faults.chance.random() < 0.02 else None
    ledger = Counted(aws_client("dynamodb", PATIENT, endpoint=endpoint), dynamodb.usage_table, AcceptanceWindow())
    numbers, archive, kept = count(), MemoryArchive(), MemoryLookBacks()
    clock: Any = SimpleNamespace(now=lambda: NOW)
    writer = LaneWriter(
        ledger,
        archive,
        clock,
        lambda: str(next(numbers)),
        AcceptanceWindow(),
        kept,
        LANES.value_fingerprint,
        behind_seconds=0,
    )
    sent = 0
    for batch in range(12):
        packs = []
        for lane in range(8):
            made = [next(numbers) for _ in range(5)]
            sent += len(made)
            data = b'{"n":1,"model":"m"}'
            events = [Event(n + 1, SECOND, str(n), "s", "call", f"{lane}-{n % 3}", data) for n in made]
            packs.append(Pack("t", lane, f"{batch}-{lane}", SECOND, events))
        while True:
            with suppress(Unavailable):
                write(writer, packs)
                break
    assert faults.happened["BatchExecuteStatement"] > 50
    assert faults.happened["failure"] + faults.happened["throttle"] > 2
    faults.is_throttled, faults.fault = lambda: False, lambda _: None
    (row,) = UsageReader(ledger, archive, LANES).rows(UsageQuery("t", TOKENS), NOW)
    assert row.value == sent
    assert sum(1 for lane in range(8) for _ in archived(ledger, archive, lane)) == sent


def archived(ledger: DynamoLedger, archive: MemoryArchive, lane: int) -> Iterator[Any]:
    for commit in ledger.commits_from(lane, 1):
        yield from archive.events(lane, commit.n, commit.decided_at // 3_600)


@pytest.mark.parametrize("fault", ["throttle", "failure", CUT, HANG])
def test_every_kind_of_trouble_has_one_name(dynamodb: DynamoDb, troubled: tuple[str, Faults], fault: str) -> None:
    endpoint, faults = troubled
    faults.fault = lambda _: fault
    client = aws_client("dynamodb", SHORT, endpoint=endpoint)
    table = Table(client, dynamodb.billing_table)
    ledger = DynamoLedger(client, dynamodb.usage_table, AcceptanceWindow())
    calls: list[Callable[[], object]] = [lambda: table.get("a", "b"), lambda: ledger.head(3)]
    for call in calls:
        with pytest.raises(Unavailable, match="The database"):
            call()
    assert faults.happened[fault] == SHORT.tries * len(calls)
    faults.fault = lambda _: None
    assert ledger.head(3) == 0


def test_what_is_throttled_always_is_unavailable_in_the_end(
    dynamodb: DynamoDb, troubled: tuple[str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, faults = troubled
    faults.is_throttled = lambda: True
    slept: list[float] = []
    monkeypatch.setattr("functions.adapters.aws.time.sleep", slept.append)
    ledger = Counted(aws_client("dynamodb", SHORT, endpoint=endpoint), dynamodb.usage_table, AcceptanceWindow())
    with pytest.raises(Unavailable, match="too busy"):
        ledger.advance_heads({1: 5, 2: 6})
    assert len(slept) == len(set(slept)) == 9, "pauses of random length, not one moment"
    with pytest.raises(Unavailable, match="too busy"):
        ledger._table.put_all([{"pk": {"S": "a"}, "sk": {"S": "b"}}])


def test_a_hung_stream_is_a_503_with_a_time_to_come_back(
    aws: int, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    with between(f"http://127.0.0.1:{aws}") as (endpoint, faults):
        faults.fault = lambda _: HANG
        monkeypatch.setattr(kinesis, "LAST_TRY_SECONDS", 0.2)
        stream = KinesisStream(aws_client("kinesis", Patience(0.2, 0.2, 1), endpoint=endpoint), "events", LANES.count)
        monkeypatch.setattr(metering, "event_stream", lambda: stream)
        monkeypatch.setattr(metering, "lanes", lambda: LANES)
        event = {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "subject": "c", "data": {}}
        sent = {"content-type": "application/cloudevents+json"}
        request = payload("POST", "/api/v1/events", body=json.dumps(event), headers=sent)
        answer = http_ingest.handler(request, None)
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == str(kinesis.RETRY_AFTER_SECONDS)
    assert "send them again" in json.loads(answer["body"])["detail"]
    assert faults.happened[HANG] >= 1


def test_ingest_answers_within_ten_seconds_when_any_service_hangs() -> None:
    """Two limits and the stream; a cold start reads the key of the ledger before, and answers if that hangs."""
    assert 2 * AT_ONCE.longest + kinesis.LAST_TRY_SECONDS + ONCE.longest < 10
    assert clients.patience_of(29).longest > ONCE.longest
    assert [each.longest for each in (PATIENT, BRISK, HASTY, ONCE, AT_ONCE)] == [75, 18, 6, 3, 1.5]


def test_records_that_were_not_taken_are_put_again_and_no_others(aws: int, dynamodb: DynamoDb) -> None:
    client = emulator.client("kinesis", aws)
    client.create_stream(StreamName="troubled", ShardCount=1)
    with between(f"http://127.0.0.1:{aws}", seed=3) as (endpoint, faults):
        faults.is_throttled = lambda: faults.chance.random() < 0.4
        KinesisStream(aws_client("kinesis", ONCE, endpoint=endpoint), "troubled", LANES.count).put(
            [CloseMarker(n % 8, f"m{n}", SECOND) for n in range(40)]
        )
    assert faults.happened["PutRecords"] > 5
    (shard,) = client.list_shards(StreamName="troubled")["Shards"]
    start = client.get_shard_iterator(
        StreamName="troubled", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    assert len(client.get_records(ShardIterator=start)["Records"]) == 40


def test_pauses_are_random_and_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[float] = []

    def uniform(_: float, longest: float) -> float:
        bounds.append(longest)
        return 0.0

    monkeypatch.setattr("functions.adapters.aws.random.uniform", uniform)
    assert list(pauses(9, 0.1)) == list(range(9))
    assert bounds == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
