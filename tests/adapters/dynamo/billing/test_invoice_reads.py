"""How often DynamoDB is asked for the usage of one invoice: hardly more often for many lines than for one."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from functions.adapters.dynamo import usage_keys
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.usage_table import item_key
from functions.adapters.memory.ledger import MemoryArchive
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.billing.rate_billables import Rater
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.usage.query_usage import UsageReader
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack
from functions.domain.metering.values.holding import held_ever
from functions.domain.metering.values.lanes import Lanes
from functions.domain.subscriptions.lineage import Lineages
from functions.domain.subscriptions.subscribe import SubscriptionTerms, subscribe
from functions.domain.subscriptions.subscription import MeteredFeature, Subscription
from tests.adapters.dynamo.metering.test_read_cost import Consumption
from tests.conftest import DynamoDb
from tests.domain.builders import phase, plan, unit
from tests.writing import write

START, END = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
NOW = END + timedelta(hours=1)
LANES = Lanes(1, b"a key of the test")
COUNTED = (Aggregation.SUM, Aggregation.COUNT, Aggregation.MAX, Aggregation.UNIQUE_COUNT)
METERS = tuple(
    Meter(f"m{n}", f"m{n}", "call", each, None if each is Aggregation.COUNT else "$.n", {"model": "$.model"}, since=1)
    for n, each in enumerate(COUNTED)
)
# The set of meters, the head and the commits behind it, codes, pages, and the distinct values beside them.
REQUESTS = 6


class Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def usage(dynamodb: DynamoDb) -> MeasuredUsage:
    """A month of one subject, four hours apart."""
    ledger, numbers = DynamoLedger(dynamodb.client, dynamodb.usage_table, AcceptanceWindow()), count()
    place = item_key(usage_keys.meters("t"), usage_keys.METER_SET)
    dynamodb.client.put_item(
        TableName=dynamodb.usage_table, Item={**place, "body": {"B": MeterSet(1, METERS).encode()}}
    )
    writer = LaneWriter(
        ledger,
        MemoryArchive(),
        Clock(),
        lambda: str(next(numbers)),
        AcceptanceWindow(),
        MemoryLookBacks(),
        LANES.value_fingerprint,
        behind_seconds=0,
    )
    events = [
        Event(second, second, str(second), "s", "call", "ada", b'{"n":%d,"model":"m%d"}' % (second % 97, second % 5))
        for second in range(int(START.timestamp()), int(END.timestamp()), 4 * 3_600)
    ]
    write(writer, [Pack("t", 0, "p", int(NOW.timestamp()), events)])
    return MeasuredUsage(UsageReader(ledger, MemoryArchive(), LANES), ledger, Clock())


def subscribed(items: int) -> Subscription:
    """To so many items, which share the meters."""
    features = {
        f"f{n}": MeteredFeature(id=f"f{n}", key=f"f{n}", name=f"f{n}", meter_slug=METERS[n % len(METERS)].slug)
        for n in range(items)
    }
    ids = (f"01ID{n:022d}" for n in count())
    return subscribe(
        plan(phase(*(unit(key=key) for key in features))),
        new_id=lambda: next(ids),
        customer_id="01C",
        features=features,
        start=START,
        now=START,
        terms=SubscriptionTerms(),
    )


@pytest.mark.parametrize("items", [5, 100])
def test_an_invoice_reads_each_thing_once(items: int, usage: MeasuredUsage, dynamodb: DynamoDb) -> None:
    subscription = subscribed(items)

    def totals(meter: MeasuredUsage) -> list[int]:
        rater = Rater("t", held_ever(["ada"]), meter, Lineages([subscription]))
        return [line.total_minor for line in rater.lines(subscription, subscription.billables_due_at(END), NOW)]

    alone: Any = Consumption(dynamodb.client)
    expected = totals(usage)
    asked_alone = alone.requests
    together: Any = Consumption(dynamodb.client)
    assert totals(usage.reading_once("t")) == expected
    assert len(expected) == items
    assert all(expected)
    assert together.requests <= REQUESTS < asked_alone / items
