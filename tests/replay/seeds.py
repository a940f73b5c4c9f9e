"""What must be there before a payload is replayed, written with the production code under fixed ids and times.

A seed takes the world and the payload; it answers the payload to deliver, which only signing changes.
"""

from collections.abc import Callable
from typing import Any

from functions import names
from functions.adapters.dynamo import usage_keys
from functions.domain.metering.aggregation import Aggregation
from functions.domain.metering.lanes import key_check
from functions.domain.metering.meter import Meter, MeterSet
from tests.replay import billing_seeds
from tests.replay.world import TENANT, World

METER = "tokens"

Seed = Callable[[World, Any], Any]


def ledger(world: World, event: Any) -> Any:
    """What the first deployment leaves: the lane count and the check of the hash key."""
    partition, sort = usage_keys.GENESIS
    item = {"lanes": {"N": str(world.lanes.count)}, "key_check": {"S": key_check(world.lanes.key)}}
    _put(world, partition, sort, item)
    return event


def meter(world: World, event: Any) -> Any:
    """One meter that sums tokens."""
    tokens = Meter("meter-1", METER, "prompt", Aggregation.SUM, "$.tokens", {"model": "$.model"}, since=1)
    body = MeterSet(1, (tokens,)).encode()
    _put(world, usage_keys.meters(TENANT), usage_keys.METER_SET, {"body": {"B": body}})
    return event


def _put(world: World, partition: str, sort: str, item: dict[str, Any]) -> None:
    keys = {names.PARTITION_KEY: {"S": partition}, names.SORT_KEY: {"S": sort}}
    world.database.client.put_item(TableName=world.database.usage_table, Item=keys | item)


SEEDS: dict[str, Seed] = {
    "ledger": ledger,
    "meter": meter,
    "subscription": billing_seeds.subscription,
    "subscription_in_shillings": billing_seeds.subscription_in_shillings,
    "invoice": billing_seeds.invoice,
    "pushed": billing_seeds.pushed,
    "paid": billing_seeds.paid,
    "signed": billing_seeds.signed,
}
