"""Versioned plans and add-ons with their families, and which add-on is assigned to which plan."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Generic

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION, version_is
from functions.adapters.dynamo.listing import DynamoListing, Unlisted
from functions.adapters.dynamo.sale_counts import offering, sale_counts
from functions.adapters.dynamo.table import Table
from functions.application.ports.catalog import Family, Premises, Record, SaleCounts
from functions.application.ports.stored import Stale
from functions.domain.catalog.addon import Addon
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.plan_addon import PlanAddon
from functions.names import PARTITION_KEY, SORT_KEY


class _DynamoVersions(Generic[Record]):
    kind: ClassVar[str]
    family_kind: ClassVar[str]
    model: type[Record]

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, version_id: str) -> Record | None:
        item = self._table.get(keys.records(tenant, self.kind), version_id)
        return self._read(item) if item else None

    def family(self, tenant: str, key: str) -> Family | None:
        item = self._table.get(keys.records(tenant, self.family_kind), key)
        if item is None:
            return None
        return Family(key, tuple(item["ids"]), item.get("draft"), item.get("active"), item["version"])

    def all(self, tenant: str) -> Iterator[Record]:
        return map(self._read, self._table.query(keys.records(tenant, self.kind)))

    def listing(self, tenant: str, *, with_deleted: bool = False) -> DynamoListing[Record]:
        unlisted: Unlisted[Record] = Unlisted('"deleted_at":"', lambda version: version.deleted_at is not None)
        partition = keys.records(tenant, self.kind)
        return DynamoListing(self._table, partition, self._read, unlisted=None if with_deleted else unlisted)

    def many(self, tenant: str, version_ids: Sequence[str]) -> Sequence[Record]:
        partition = keys.records(tenant, self.kind)
        return [self._read(item) for item in self._table.batch_get([(partition, each) for each in version_ids])]

    def sale_counts(self, tenant: str) -> SaleCounts:
        return sale_counts(self._table, tenant)

    def save(
        self, tenant: str, versions: Sequence[Record], family: Family, *, offered_after: SaleCounts | None = None
    ) -> None:
        family_item = {
            PARTITION_KEY: keys.records(tenant, self.family_kind),
            SORT_KEY: family.key,
            "ids": list(family.ids),
            "draft": family.draft,
            "active": family.active,
        }
        writes = [self._table.putting_version(family_item, family.version)]
        for each in versions:
            item = {PARTITION_KEY: keys.records(tenant, self.kind), SORT_KEY: each.id, "body": each.model_dump_json()}
            writes.append(self._table.putting(item))
        if offered_after is not None:
            writes.append(offering(self._table, tenant, offered_after))
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error

    def _read(self, item: Item) -> Record:
        return self.model.model_validate_json(item["body"])


class DynamoPlans(_DynamoVersions[Plan]):
    kind, family_kind, model = keys.PLAN, keys.PLAN_FAMILY, Plan


class DynamoAddons(_DynamoVersions[Addon]):
    kind, family_kind, model = keys.ADDON, keys.ADDON_FAMILY, Addon


class DynamoPlanAddons:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of_plan(self, tenant: str, plan_id: str) -> Sequence[PlanAddon]:
        found = self._table.query(keys.records(tenant, keys.PLAN_ADDON), prefix=f"{plan_id}#")
        return [PlanAddon.model_validate_json(item["body"]) for item in found]

    def get(self, tenant: str, plan_id: str, addon_id: str) -> PlanAddon | None:
        item = self._table.get(keys.records(tenant, keys.PLAN_ADDON), keys.joined(plan_id, addon_id))
        return PlanAddon.model_validate_json(item["body"]) if item else None

    def save(self, tenant: str, assigned: PlanAddon, premises: Premises) -> None:
        family = premises.plan
        assert family is not None
        pk = keys.records(tenant, keys.PLAN_FAMILY)
        # What is assigned to a plan is part of its family: a writer that builds on either must see the other.
        raised = self._table.updating(
            pk,
            family.key,
            "SET #version = :next",
            {":next": family.version + 1},
            version_is(family.version),
            {"#version": VERSION},
        )
        writes = [self._table.putting(_assigned_item(tenant, assigned)), raised]
        writes += unchanged(self._table, tenant, Premises(addon=premises.addon))
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error

    def copy(self, tenant: str, assignments: Sequence[PlanAddon]) -> None:
        for each in assignments:
            self._table.put(_assigned_item(tenant, each))


def unchanged(table: Table, tenant: str, premises: Premises) -> list[dict[str, Any]]:
    """The checks, for a transaction, that nobody has changed these families since they were read."""
    read = ((keys.PLAN_FAMILY, premises.plan), (keys.ADDON_FAMILY, premises.addon))
    return [
        table.checking(keys.records(tenant, kind), family.key, version_is(family.version))
        for kind, family in read
        if family is not None
    ]


def _assigned_item(tenant: str, assigned: PlanAddon) -> Item:
    key = keys.joined(assigned.plan_id, assigned.addon_id)
    item = {PARTITION_KEY: keys.records(tenant, keys.PLAN_ADDON), SORT_KEY: key}
    return item | {"body": assigned.model_dump_json()}
