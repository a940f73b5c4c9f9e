"""Who asked the archive what, and what it may still read today, in the billing table; forgotten with the answer."""

from contextlib import suppress
from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, Condition
from functions.adapters.dynamo.table import Table
from functions.domain.analytics.archive_budget import Requests
from functions.domain.analytics.archive_query import AskedQuery, Kind
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

RESERVED = "reserved_bytes"
OBJECTS, LISTINGS = "objects", "listings"  # absent of questions before 2026-11-30
USED = "used_bytes"


class DynamoArchiveQueries:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, query: AskedQuery, expires_at: datetime) -> None:
        item = {
            PARTITION_KEY: keys.records(query.tenant, keys.ARCHIVE_QUERY),
            SORT_KEY: query.id,
            "kind": query.kind.value,
            "execution_id": query.execution_id,
            "asked_at": query.asked_at.isoformat(),
            "columns": dict(query.columns),
            RESERVED: query.reserved_bytes,
            OBJECTS: query.requests.objects,
            LISTINGS: query.requests.listings,
            EXPIRES_AT: int(expires_at.timestamp()),
        }
        self._table.put(item, NOT_YET_STORED)

    def get(self, tenant: str, query_id: str) -> AskedQuery | None:
        item = self._table.get(keys.records(tenant, keys.ARCHIVE_QUERY), query_id)
        return None if item is None else _query(tenant, item)

    def count_since(self, tenant: str, first_id: str, limit: int) -> int:
        return sum(1 for _ in self._table.query(keys.records(tenant, keys.ARCHIVE_QUERY), first=first_id, limit=limit))

    def unsettled(self, tenant: str, first_id: str) -> list[AskedQuery]:
        found = self._table.query(keys.records(tenant, keys.ARCHIVE_QUERY), first=first_id)
        return [_query(tenant, item) for item in found if item.get(RESERVED)]

    def reserve(self, tenant: str, day: str, size: int, limit: int, expires_at: datetime) -> bool:
        has_room = Condition(f"attribute_not_exists({USED}) OR {USED} <= :most", {":most": limit - size})
        change, values = f"ADD {USED} :size SET #ttl = :ttl", {":size": size, ":ttl": int(expires_at.timestamp())}
        try:
            self._table.update(*_budget(tenant, day), change, values, has_room, {"#ttl": EXPIRES_AT})
        except ConditionFailed:
            return False
        return True

    def release(self, tenant: str, day: str, size: int) -> None:
        self._table.update(*_budget(tenant, day), f"ADD {USED} :size", {":size": -size})

    def settle(self, query: AskedQuery, day: str, size: int) -> None:
        is_reserved = Condition(f"{RESERVED} = :reserved", {":reserved": query.reserved_bytes})
        pk = keys.records(query.tenant, keys.ARCHIVE_QUERY)
        writes = [
            self._table.updating(pk, query.id, f"SET {RESERVED} = :none", {":none": 0}, is_reserved),
            self._table.updating(
                *_budget(query.tenant, day), f"ADD {USED} :size", {":size": size - query.reserved_bytes}
            ),
        ]
        with suppress(TransactionRefused):  # settled by somebody else
            self._table.transact(writes)


def _budget(tenant: str, day: str) -> tuple[str, str]:
    return keys.records(tenant, keys.ARCHIVE_BUDGET), day


def _query(tenant: str, item: Item) -> AskedQuery:
    return AskedQuery(
        id=item[SORT_KEY],
        tenant=tenant,
        kind=Kind(item["kind"]),
        execution_id=item["execution_id"],
        asked_at=datetime.fromisoformat(item["asked_at"]),
        columns=item["columns"],
        reserved_bytes=item.get(RESERVED, 0),
        requests=Requests(item.get(OBJECTS, 0), item.get(LISTINGS, 0)),
    )
