"""What is noted of heartbeats in one item, by deliveries that hold other lanes or come late."""

import boto3
import pytest

from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
from functions.domain.metering.values.lanes import MAX_LANES
from tests.conftest import DynamoDb


@pytest.fixture
def heartbeats(dynamodb: DynamoDb) -> DynamoHeartbeats:
    return DynamoHeartbeats(dynamodb.client, dynamodb.usage_table)


def test_nothing_was_counted_yet(heartbeats: DynamoHeartbeats) -> None:
    assert heartbeats.counted() == {}


def test_each_delivery_changes_its_own_lanes(heartbeats: DynamoHeartbeats) -> None:
    heartbeats.note({0: 100, 1: 100})
    heartbeats.note({1: 160, 7: 160})
    assert heartbeats.counted() == {0: 100, 1: 160, 7: 160}


def test_the_last_writer_is_right(heartbeats: DynamoHeartbeats) -> None:
    heartbeats.note({0: 9_999_999_999})
    heartbeats.note({0: 160})
    assert heartbeats.counted() == {0: 160}


def test_there_is_room_for_every_lane(heartbeats: DynamoHeartbeats) -> None:
    heartbeats.note(dict.fromkeys(range(MAX_LANES), 1_796_000_000))
    assert len(heartbeats.counted()) == MAX_LANES


def test_a_usual_note_is_one_write_unit(dynamodb: DynamoDb) -> None:
    client, spent = boto3.client("dynamodb"), []
    on = client.meta.events.register
    on("provide-client-params.dynamodb.UpdateItem", lambda params, **_: params | {"ReturnConsumedCapacity": "TOTAL"})
    on("after-call.dynamodb.UpdateItem", lambda parsed, **_: spent.append(parsed["ConsumedCapacity"]["CapacityUnits"]))
    for at in (1_796_000_000, 1_796_000_060):
        DynamoHeartbeats(client, dynamodb.usage_table).note(dict.fromkeys(range(8), at))
    assert spent == [1.0, 1.0]
