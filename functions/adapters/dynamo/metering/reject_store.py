"""What the aggregator refused, as it is stored in the usage table by event day."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import Condition
from functions.adapters.dynamo.metering.reject_item import further_of
from functions.adapters.dynamo.table import Table
from functions.domain.metering.ledger.reject import FurtherRejects, StoredReject, time_of
from functions.names import SORT_KEY


class DynamoRejects:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of_day(
        self, tenant: str, day: date, *, first: int, last: int, before: str | None, page_size: int
    ) -> Iterator[StoredReject]:
        partition = _partition(tenant, day)
        is_of_day = before is not None and keys.rejects(tenant, time_of(before)) == partition
        after = keys.reject_sort_key(before) if before is not None and is_of_day else None
        lowest, highest = keys.reject_range(first, last)
        while True:
            found = list(
                self._table.query(partition, first=lowest, last=highest, after=after, descending=True, limit=page_size)
            )
            yield from map(_reject, found)
            if len(found) < page_size:
                return
            after = found[-1][SORT_KEY]

    def get(self, tenant: str, reject_id: str) -> StoredReject | None:
        item = self._item(tenant, reject_id)
        return _reject(item) if item else None

    def further_of_day(self, tenant: str, day: date, before: str | None) -> Iterator[FurtherRejects]:
        lowest, highest = keys.further_rejects(""), keys.further_rejects("~")
        after = keys.further_rejects(before) if before else None
        partition = _partition(tenant, day)
        return map(further_of, self._table.query(partition, first=lowest, last=highest, after=after, descending=True))

    def further(self, tenant: str, day: date, name: str) -> FurtherRejects | None:
        item = self._table.get(_partition(tenant, day), keys.further_rejects(name))
        return further_of(item) if item else None

    def mark_replayed(self, tenant: str, reject: StoredReject, at: int, by: str) -> StoredReject:
        item = self._item(tenant, reject.id)
        if item and item["received_at"] == reject.received_at:
            is_the_same = Condition("received_at = :seen", {":seen": reject.received_at})
            with suppress(ConditionFailed):
                self._table.put(item | {"replayed_at": at, "replayed_by": by}, is_the_same)
                return replace(reject, replayed_at=at, replayed_by=by)
        return self.get(tenant, reject.id) or reject

    def _item(self, tenant: str, reject_id: str) -> Item | None:
        return self._table.get(keys.rejects(tenant, time_of(reject_id)), keys.reject_sort_key(reject_id))


def _partition(tenant: str, day: date) -> str:
    return keys.rejects(tenant, int(datetime.combine(day, time(), UTC).timestamp()))


def _reject(item: Item) -> StoredReject:
    return StoredReject(
        id=keys.reject_name(item[SORT_KEY]),
        code=item["code"],
        reason=item["reason"],
        received_at=item["received_at"],
        is_counted_elsewhere=item["counted"],
        event=item.get("event", "").encode(),
        object_key=item.get("object_key", ""),
        meter_id=item.get("meter_id", ""),
        replayed_at=item.get("replayed_at", 0),
        replayed_by=item.get("replayed_by", ""),
    )
