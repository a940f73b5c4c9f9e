"""What must be there before a payload is replayed, written with the production code under fixed ids and times.

A seed takes the world and the payload; it answers the payload to deliver, which only signing changes.
"""

from collections.abc import Callable
from typing import Any

import boto3

from functions import names
from functions.adapters.clock import SystemClock
from functions.adapters.dynamo.metering.genesis_store import DynamoGenesis
from functions.adapters.dynamo.metering.heartbeat_store import DynamoHeartbeats
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.metering.meter_store import DynamoMeters
from functions.application.metering.ledger.record_genesis import record_genesis
from functions.application.metering.meters.create_meter import create_meter
from functions.domain.metering.ledger.ledger import Reject
from functions.domain.metering.meters.meter_record import MeterCreate
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.lanes import Lanes
from tests.replay import billing_seeds, entitlement_seeds, history_seeds, key_seeds, migration_seeds, usage_seeds
from tests.replay.make_scenario import AT
from tests.replay.make_stream_events import packs
from tests.replay.world import TENANT, World

Seed = Callable[[World, Any], Any]


def ledger(world: World, event: Any) -> Any:
    """What the first deployment leaves: the lane count and the check of the hash key."""
    record_genesis(world.lanes, genesis=DynamoGenesis(world.usage_table))
    return event


def ledger_of_64_lanes(world: World, event: Any) -> Any:
    record_genesis(Lanes(64, world.lanes.key), genesis=DynamoGenesis(world.usage_table))
    return event


def meter(world: World, event: Any) -> Any:
    """One meter that sums tokens."""
    create = MeterCreate.model_validate(
        {
            "slug": "tokens",
            "eventType": "prompt",
            "aggregation": "SUM",
            "valueProperty": "$.tokens",
            "groupBy": {"model": "$.model"},
        }
    )
    meters = DynamoMeters(world.billing_table, world.usage_table)
    create_meter(TENANT, create, meters=meters, clock=SystemClock(), new_id=lambda: "01JBXR00000000000000METER0")
    return event


def reject(world: World, event: Any) -> Any:
    """One event that came too late to be counted; the replays' acceptance window has room for it."""
    late = packs()[0].events[0]
    reject = Reject(TENANT, f"{late.fingerprint:016x}", "outside_acceptance_window", "Too old.", AT, late)
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    ledger.put_rejects([reject])
    return event


def heartbeat(world: World, event: Any) -> Any:
    """One was counted in every lane."""
    noted = dict.fromkeys(range(world.lanes.count), AT)
    DynamoHeartbeats(world.database.client, world.database.usage_table).note(noted)
    return event


def failed_batch(world: World, event: Any) -> Any:
    """A batch that Lambda has kept, under a key as it chooses them."""
    key = f"{names.FAILED_BATCHES}a1b2c3d4/shardId-000000000000/2026/11/02/2026-11-02T12.00.00-0000"
    boto3.client("s3").put_object(Bucket=world.environment[names.ENV_ARCHIVE_BUCKET], Key=key, Body=b"{}")
    return event


def cloudformation(world: World, event: Any) -> Any:
    """Somebody listens at the ResponseURL."""
    return event | {"ResponseURL": world.cloudformation.response_url}


SEEDS: dict[str, Seed] = {
    "ledger": ledger,
    "ledger_of_64_lanes": ledger_of_64_lanes,
    "meter": meter,
    "reject": reject,
    "heartbeat": heartbeat,
    "failed_batch": failed_batch,
    "history": history_seeds.history,
    "counted": usage_seeds.counted,
    "unfinished": usage_seeds.unfinished,
    "late": usage_seeds.late,
    "unreadable": usage_seeds.unreadable,
    "key": key_seeds.key,
    "cloudformation": cloudformation,
    "subscription": billing_seeds.subscription,
    "subscription_in_shillings": billing_seeds.subscription_in_shillings,
    "migration": migration_seeds.migration,
    "migration_listed": migration_seeds.migration_listed,
    "migration_worked": migration_seeds.migration_worked,
    "dry_run_listed": migration_seeds.dry_run_listed,
    "settled": entitlement_seeds.settled,
    "many_due": billing_seeds.many_due,
    "planned": billing_seeds.planned,
    "turn_taken": billing_seeds.turn_taken,
    "invoice": billing_seeds.invoice,
    "pushed": billing_seeds.pushed,
    "paid": billing_seeds.paid,
    "signed": billing_seeds.signed,
}
