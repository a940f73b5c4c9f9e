"""Migrations of whole plans, each with what became of every subscription; all of it is forgotten after a while."""

from collections.abc import Sequence
from datetime import timedelta

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import Table
from functions.application.ports.stored import Stale
from functions.domain.subscriptions.plan_migration import MigratedSubscription, PlanMigration
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

# A report of what was done; what is true of a subscription stands in the subscription.
KEPT = timedelta(days=90)


class DynamoPlanMigrations:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, migration_id: str) -> PlanMigration | None:
        item = self._table.get(keys.records(tenant, keys.PLAN_MIGRATION), migration_id)
        return _migration(item) if item else None

    def latest(self, tenant: str) -> tuple[PlanMigration | None, int]:
        item = self._table.get(*keys.latest_migration(tenant))
        return (self.get(tenant, item["id"]), item[VERSION]) if item else (None, 0)

    def begin(self, tenant: str, migration: PlanMigration, after: int) -> PlanMigration:
        pk, sk = keys.latest_migration(tenant)
        latest = self._table.putting_version({PARTITION_KEY: pk, SORT_KEY: sk, "id": migration.id}, after)
        return self._write(tenant, migration, [latest])

    def save(
        self, tenant: str, migration: PlanMigration, results: Sequence[MigratedSubscription] = ()
    ) -> PlanMigration:
        expires_at = _expires_at(migration)
        return self._write(
            tenant,
            migration,
            [self._table.putting(_result_item(tenant, migration, each, expires_at)) for each in results],
        )

    def results(
        self, tenant: str, migration_id: str, *, after: str | None, most: int
    ) -> Sequence[MigratedSubscription]:
        part = self.listing(tenant, migration_id).read_slice(after=after, descending=False, most=most)
        return [entry.read() for entry in part.entries]

    def listing(self, tenant: str, migration_id: str) -> DynamoListing[MigratedSubscription]:
        partition = keys.records(tenant, keys.PLAN_MIGRATION_SUBSCRIPTION)
        return DynamoListing(self._table, partition, _result, prefix=f"{migration_id}#")

    def _write(self, tenant: str, migration: PlanMigration, more: Sequence[dict[str, object]]) -> PlanMigration:
        item = {
            PARTITION_KEY: keys.records(tenant, keys.PLAN_MIGRATION),
            SORT_KEY: migration.id,
            "body": migration.model_dump_json(exclude={"version"}),
            EXPIRES_AT: _expires_at(migration),
        }
        try:
            self._table.transact([self._table.putting_version(item, migration.version), *more])
        except (TransactionRefused, Contended) as error:
            raise Stale from error
        return migration.model_copy(update={"version": migration.version + 1})


def _expires_at(migration: PlanMigration) -> int:
    return int((migration.started_at + KEPT).timestamp())


def _migration(item: Item) -> PlanMigration:
    return PlanMigration.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})


def _result_item(tenant: str, migration: PlanMigration, result: MigratedSubscription, expires_at: int) -> Item:
    return {
        PARTITION_KEY: keys.records(tenant, keys.PLAN_MIGRATION_SUBSCRIPTION),
        SORT_KEY: keys.joined(migration.id, result.subscription_id),
        "body": result.model_dump_json(exclude_none=True),
        EXPIRES_AT: expires_at,
    }


def _result(item: Item) -> MigratedSubscription:
    return MigratedSubscription.model_validate_json(item["body"])
