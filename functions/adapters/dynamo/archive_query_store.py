"""Who asked the archive what, in the billing table; forgotten with the answer."""

from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.condition import NOT_YET_STORED
from functions.adapters.dynamo.table import Table
from functions.domain.metering.archive_query import AskedQuery, Kind
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY


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
            EXPIRES_AT: int(expires_at.timestamp()),
        }
        self._table.put(item, NOT_YET_STORED)

    def get(self, tenant: str, query_id: str) -> AskedQuery | None:
        item = self._table.get(keys.records(tenant, keys.ARCHIVE_QUERY), query_id)
        if item is None:
            return None
        asked_at = datetime.fromisoformat(item["asked_at"])
        return AskedQuery(query_id, tenant, Kind(item["kind"]), item["execution_id"], asked_at, item["columns"])

    def count_since(self, tenant: str, first_id: str, limit: int) -> int:
        return sum(1 for _ in self._table.query(keys.records(tenant, keys.ARCHIVE_QUERY), first=first_id, limit=limit))
