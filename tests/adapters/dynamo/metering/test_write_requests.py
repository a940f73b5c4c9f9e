"""How many requests counting takes: an invocation's lanes share them."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, CloseMarker, Event, Pack
from functions.names import PARTITION_KEY, SORT_KEY
from tests.conftest import DynamoDb
from tests.writing import write

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECOND = int(NOW.timestamp())
LANES = range(8)
CALLS = Meter("m1", "calls", "call", Aggregation.COUNT, None, {})


class Counted(DynamoLedger):
    def meter_set(self, tenant: str) -> MeterSet:
        return MeterSet(1, (CALLS,))


class Clock:
    def now(self) -> datetime:
        return NOW


class Invocations:
    def __init__(self, dynamodb: DynamoDb) -> None:
        self.ledger = Counted(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
        numbers = count()
        self.new_id: Callable[[], str] = lambda: str(next(numbers))
        self.writer = LaneWriter(
            self.ledger, MemoryArchive(), Clock(), self.new_id, AcceptanceWindow(), MemoryLookBacks(), len
        )
        self.requests: Counter[str] = Counter()
        dynamodb.client.meta.events.register("before-call.dynamodb", self._count)
        self.events = count(1)

    def _count(self, model: Any, **_: Any) -> None:
        self.requests[model.name] += 1

    def run(self) -> Counter[str]:
        """An event of three subjects of each lane, and a marker in each lane."""
        self.requests.clear()
        records: list[Pack | CloseMarker] = []
        for lane in LANES:
            numbers = [next(self.events) for _ in range(3)]
            events = [Event(n, SECOND, str(n), "s", "call", f"{lane}-{n % 3}") for n in numbers]
            records += Pack("t", lane, self.new_id(), SECOND, events), CloseMarker(lane, "close", SECOND)
        write(self.writer, records)
        return Counter(self.requests)

    def counted(self, lane: int) -> int:
        pages = self.ledger.pages("t", lane, None, 0, 999_999)
        return sum(cell for page in pages for cell in page.cells.values() if isinstance(cell, int))


@pytest.fixture
def invocations(dynamodb: DynamoDb) -> Invocations:
    return Invocations(dynamodb)


def test_eight_lanes_are_applied_with_the_requests_of_one(invocations: Invocations) -> None:
    invocations.run()  # everything is new, and learnt
    assert invocations.run() == {
        "BatchExecuteStatement": 4,  # 8 commits, 32 pages, 8 heads
        "BatchWriteItem": 2,  # 16 items of the index, 8 markers
    }
    assert [invocations.counted(lane) for lane in LANES] == [6] * 8


def test_the_meters_of_a_thousand_tenants_take_ten_requests(dynamodb: DynamoDb) -> None:
    ledger = DynamoLedger(dynamodb.client, dynamodb.usage_table, AcceptanceWindow())
    tenants = [f"tenant-{n}" for n in range(1_000)]
    meters = MeterSet(7, (CALLS,))
    for tenant in tenants[:3]:
        item: Any = {
            PARTITION_KEY: {"S": keys.meters(tenant)},
            SORT_KEY: {"S": keys.METER_SET},
            "body": {"B": meters.encode()},
        }
        dynamodb.client.put_item(TableName=dynamodb.usage_table, Item=item)
    requests = Counter[str]()
    dynamodb.client.meta.events.register("before-call.dynamodb", lambda model, **_: requests.update([model.name]))
    found = ledger.meter_sets(tenants)
    assert requests == {"BatchGetItem": 10}
    assert [found[tenant].version for tenant in tenants] == [7] * 3 + [0] * 997
    assert found["tenant-0"] == meters
