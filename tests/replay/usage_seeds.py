"""Usage that is counted, that a dead writer left behind, or that came late; written by the production verbs."""

from datetime import UTC, datetime
from typing import Any

import boto3

from functions import names
from functions.adapters.archive import S3Archive
from functions.adapters.dynamo.metering.late_store import LateItems
from functions.adapters.dynamo.metering.ledger_store import DynamoLedger
from functions.adapters.dynamo.subscriptions.reconciliation_store import recheck_item
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.ports.reconciliation import Recheck
from functions.domain.metering.ledger.late import LateUsage
from functions.domain.metering.ledger.ledger import Reject
from functions.domain.metering.values.event import AcceptanceWindow
from tests.replay.billing_seeds import CUSTOMER, ENDED, STARTED
from tests.replay.make_scenario import AT
from tests.replay.make_stream_events import large_pack, packs
from tests.replay.world import TENANT, World
from tests.writing import write, write_only

DAY, HOUR = 86_400, 3_600


class At:
    """The moment the events came in."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(AT + 60, UTC)


class Died(Exception):
    pass


class _DiesWhenCommitted(DynamoLedger):
    """Its writer ends at the first thing that is done for a commit."""

    def put_index(self, commits: Any) -> None:
        raise Died


def writer(world: World, ledger: DynamoLedger) -> LaneWriter:
    archive = S3Archive(boto3.client("s3"), world.environment[names.ENV_ARCHIVE_BUCKET])
    return LaneWriter(
        ledger,
        archive,
        At(),
        lambda: "attempt",
        AcceptanceWindow(),
        MemoryLookBacks(),
        world.lanes.value_fingerprint,
        behind_seconds=0,
    )


def counted(world: World, event: Any) -> Any:
    """The events of the payloads, counted and archived."""
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    write(writer(world, ledger), packs())
    return event


def unfinished(world: World, event: Any) -> Any:
    """A commit whose events are staged, and nothing else."""
    ledger = _DiesWhenCommitted(world.database.client, world.database.usage_table, AcceptanceWindow())
    try:
        write_only(writer(world, ledger), [large_pack()])
    except Died:
        return event
    raise AssertionError("the writer has not died")


def late(world: World, event: Any) -> Any:
    """Usage of a billed day came late, and another look at the customer's invoices is due."""
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    usage = LateUsage(int(ENDED.timestamp()) // HOUR, TENANT, int(STARTED.timestamp()) // DAY, "customer-0")
    ledger._table.put_all(LateItems().of([usage]))
    world.billing_table.put(recheck_item(Recheck(ENDED, TENANT, CUSTOMER, "seed", STARTED)))
    return event


def unreadable(world: World, event: Any) -> Any:
    """A record that nobody could read, kept whole and listed."""
    archive = S3Archive(boto3.client("s3"), world.environment[names.ENV_ARCHIVE_BUCKET])
    kept = archive.put_rejected_record("shard-1", b"neither zstandard nor one of ours")
    ledger = DynamoLedger(world.database.client, world.database.usage_table, AcceptanceWindow())
    ledger.put_rejects([Reject(TENANT, "shard-1", "unreadable_record", "Not one of ours.", AT, object_key=kept)])
    return event
