"""What the aggregator refused, as it is stored in the usage table by event day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.table import Table
from functions.names import SORT_KEY


class DynamoRefusals:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of_day(self, tenant: str, day: date, *, after: str | None, limit: int) -> Sequence[dict[str, Any]]:
        partition = keys.refusals(tenant, int(datetime.combine(day, time(), UTC).timestamp()))
        found = self._table.query(partition, after=after, descending=True, limit=limit)
        return [
            {
                "id": item[SORT_KEY],
                "code": item["code"],
                "reason": item["reason"],
                "received_at": item["received_at"],
                "is_counted_elsewhere": item["counted"],
                "object_key": item.get("object_key"),
                "event": msgspec.Raw(item["event"].encode()) if "event" in item else None,
            }
            for item in found
        ]
