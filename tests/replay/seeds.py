"""What must be there before a payload is replayed, written with the production code under fixed ids and times.

A seed takes the world and the payload; it answers the payload to deliver, which only signing changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions import names
from functions.adapters.dynamo import usage_keys
from functions.domain.metering.aggregation import Aggregation
from functions.domain.metering.lanes import Lanes, key_check
from functions.domain.metering.meter import Meter, MeterSet
from infra.local.stripe_standin.server import Server
from tests.conftest import DynamoDb

# Fingerprints in committed stream payloads are keyed with it.
LEDGER_KEY = "replayed-events-only-0123456789abcdef"
TENANT = "acme"
METER = "tokens"


@dataclass(frozen=True)
class World:
    """Where a replayed function finds AWS, DynamoDB and Stripe."""

    database: DynamoDb
    environment: dict[str, str]
    stripe: Server

    @property
    def lanes(self) -> Lanes:
        return Lanes(int(self.environment[names.ENV_LANES]), LEDGER_KEY.encode())


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


SEEDS: dict[str, Seed] = {"ledger": ledger, "meter": meter}
