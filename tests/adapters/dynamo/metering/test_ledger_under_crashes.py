"""The simulation's crashes, zombies and redeliveries on DynamoDB Local: every request to it is a place to die at."""

from typing import Any

import boto3
import pytest

from functions import names
from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow
from tests.conftest import DynamoDb
from tests.simulation.world import ALL_METERS, SUM_METERS, World, make_cells_small, play, pre_empt

SCHEDULES = 12  # `tests.simulation` plays thousands on the memory ledger


@pytest.mark.parametrize("meters", [SUM_METERS, ALL_METERS], ids=["sum", "all"])
def test_counters_are_exact_after_any_crash(
    dynamodb: DynamoDb, meters: MeterSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cells_small(monkeypatch)
    client = _pre_empted_client(dynamodb)
    wrong = {}
    for seed in range(SCHEDULES):
        tenant = f"tenant{seed}"
        _put_meters(dynamodb, tenant, meters)
        world = World(seed, meters, new_ledger=lambda: _ledger(client, dynamodb), tenant=tenant, lane=2 * seed)
        if problems := play(world, can_expire=False):
            wrong[seed] = problems
    assert not wrong


def _ledger(client: Any, dynamodb: DynamoDb) -> DynamoLedger:
    return DynamoLedger(client, dynamodb.usage_table, AcceptanceWindow())


def _put_meters(dynamodb: DynamoDb, tenant: str, meters: MeterSet) -> None:
    key = {names.PARTITION_KEY: {"S": keys.meters(tenant)}, names.SORT_KEY: {"S": keys.METER_SET}}
    item: Any = {**key, "body": {"B": meters.encode()}}
    dynamodb.client.put_item(TableName=dynamodb.usage_table, Item=item)


def _pre_empted_client(dynamodb: DynamoDb) -> Any:
    client = boto3.client("dynamodb", endpoint_url=dynamodb.endpoint)
    client.meta.events.register("before-call.dynamodb", lambda **_: pre_empt())
    return client
