"""Backfills of entitlements: one of each tenant, those that go on by the time when they do, and who failed and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed, Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import Table
from functions.application.ports.entitlement_backfills import Place, ToDo
from functions.application.ports.stored import Stale
from functions.domain.subscriptions.entitlement_backfill import EntitlementBackfill, Looked, NotEntitled, TenantSearch
from functions.names import PARTITION_KEY, SORT_KEY

# Of a page: the failures of all its customers and the backfill itself fit into one transaction.
POINTERS_AT_ONCE = 50
POINTERS_OF_A_COUNT = 1_000
MAX_COUNTED = 100_000


class DynamoEntitlementBackfills:
    def __init__(self, table: Table) -> None:
        self._table = table

    def to_do(self, until: datetime, most: int) -> ToDo:
        search, tenants = None, []
        for item in self._table.query(keys.ENTITLEMENT_BACKFILL, last=keys.upto(until), limit=most + 1):
            if item[SORT_KEY] == keys.TENANT_SEARCH[1]:
                search = TenantSearch.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})
            else:
                tenants.append(item[SORT_KEY].partition("#")[2])
        return ToDo(search, tenants)

    def save_search(self, search: TenantSearch) -> TenantSearch:
        pk, sk = keys.TENANT_SEARCH
        item = {PARTITION_KEY: pk, SORT_KEY: sk, "body": search.model_dump_json(exclude={"version"})}
        try:
            self._table.put_version(item, search.version)
        except (ConditionFailed, Contended) as error:
            raise Stale from error
        return search.model_copy(update={"version": search.version + 1})

    def subscribing_tenants(self, after: Place | None) -> tuple[Sequence[str], Place | None]:
        partitions, place = self._table.scan_partitions(f"#{keys.CUSTOMER_SUBSCRIPTION}", after)
        return [each.partition("#")[0] for each in partitions], place

    def subscribed_customers(self, tenant: str, after: str | None) -> tuple[Sequence[str], bool]:
        found = self._pointers(tenant, after, POINTERS_AT_ONCE)
        return list(dict.fromkeys(found)), len(found) == POINTERS_AT_ONCE

    def count_customers(self, tenant: str) -> int | None:
        count, last = 0, None
        for _ in range(0, MAX_COUNTED, POINTERS_OF_A_COUNT):
            found = self._pointers(tenant, last, POINTERS_OF_A_COUNT)
            count += len(set(found))
            if len(found) < POINTERS_OF_A_COUNT:
                return count
            last = found[-1]
        return None

    def _pointers(self, tenant: str, after: str | None, most: int) -> list[str]:
        """The customers of so many subscriptions, behind all of one customer's."""
        behind = None if after is None else keys.behind_all_of(after)
        index = self._table.query(keys.records(tenant, keys.CUSTOMER_SUBSCRIPTION), first=behind, limit=most)
        return [item[SORT_KEY].partition("#")[0] for item in index]

    def get(self, tenant: str) -> EntitlementBackfill | None:
        item = self._table.get(*keys.entitlement_backfill(tenant))
        if item is None:
            return None
        return EntitlementBackfill.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})

    def save(
        self,
        tenant: str,
        before: EntitlementBackfill | None,
        after: EntitlementBackfill,
        results: Sequence[Looked] = (),
        known: Sequence[NotEntitled] = (),
    ) -> EntitlementBackfill:
        version = before.version if before else 0
        pk, sk = keys.entitlement_backfill(tenant)
        item = {PARTITION_KEY: pk, SORT_KEY: sk, "body": after.model_dump_json(exclude={"version"})}
        was, is_now = (_turn(tenant, each.due_at) if each else None for each in (before, after))
        writes = [self._table.putting_version(item, version)]
        if was != is_now and was is not None:
            writes.append(self._table.deleting(keys.ENTITLEMENT_BACKFILL, was))
        if was != is_now and is_now is not None:
            writes.append(self._table.putting({PARTITION_KEY: keys.ENTITLEMENT_BACKFILL, SORT_KEY: is_now}))
        writes += self._writing_failures(tenant, results, known)
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error
        return after.model_copy(update={"version": version + 1})

    def failures(self, tenant: str) -> DynamoListing[NotEntitled]:
        return DynamoListing(self._table, keys.records(tenant, keys.ENTITLEMENT_BACKFILL_FAILURE), _failure)

    def failures_of(self, tenant: str, customer_ids: Sequence[str]) -> Sequence[NotEntitled]:
        partition = keys.records(tenant, keys.ENTITLEMENT_BACKFILL_FAILURE)
        return list(map(_failure, self._table.batch_get([(partition, each) for each in customer_ids])))

    def _writing_failures(
        self, tenant: str, results: Sequence[Looked], known: Sequence[NotEntitled]
    ) -> list[dict[str, Any]]:
        failures = [each.failure for each in results if each.failure is not None]
        failed = {each.customer_id for each in failures}
        partition = keys.records(tenant, keys.ENTITLEMENT_BACKFILL_FAILURE)
        puts = [self._table.putting(_failure_item(partition, each)) for each in failures]
        gone = [each.customer_id for each in known if each.customer_id not in failed]
        return puts + [self._table.deleting(partition, each) for each in gone]


def _turn(tenant: str, due_at: datetime | None) -> str | None:
    return None if due_at is None else keys.joined(keys.instant(due_at), tenant)


def _failure_item(partition: str, failure: NotEntitled) -> Item:
    return {PARTITION_KEY: partition, SORT_KEY: failure.customer_id, "body": failure.model_dump_json()}


def _failure(item: Item) -> NotEntitled:
    return NotEntitled.model_validate_json(item["body"])
