"""Late usage in the usage table: put with a commit's other traces, deleted once the bills it touches were looked at."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import UsageTable, item_key
from functions.domain.metering.ledger.late import LateUsage
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEPT_SECONDS = 40 * 86_400
# Names that this process has put; a subject whose usage always comes late is put once an hour. What is put for an hour
# that is over is put again: it may have been looked at, and forgotten, since.
MAX_PUT = 20_000


class LateItems:
    """Their items, each once an hour."""

    def __init__(self) -> None:
        self._put: set[tuple[str, str]] = set()

    def of(self, found: Iterable[LateUsage]) -> list[dict[str, Any]]:
        items, now = {}, int(time.time()) // HOUR_SECONDS
        for each in found:
            expires = {EXPIRES_AT: {"N": str(each.slot * HOUR_SECONDS + KEPT_SECONDS)}}
            for place in ((keys.LATE, keys.late_tenant(each.slot, each.tenant)), _place(each)):
                if place not in self._put or each.slot != now:
                    items[place] = {**item_key(*place), **expires}
        return list(items.values())

    def were_put(self, items: Iterable[dict[str, Any]]) -> None:
        if len(self._put) > MAX_PUT:
            self._put.clear()
        self._put.update((item[PARTITION_KEY]["S"], item[SORT_KEY]["S"]) for item in items)


class DynamoLateIndex:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._table = UsageTable(client, table)

    def tenants(self, before_slot: int, most: int, after: tuple[int, str] | None = None) -> list[tuple[int, str]]:
        # No tenant sorts behind another and before it with the lowest character.
        start = f"{keys.late_tenant(*after)}\0" if after else keys.late_tenant(0, "")
        found = self._table.query(keys.LATE, between=(start, keys.late_tenant(before_slot, "")), limit=most)
        places = (item[SORT_KEY]["S"].split("#", 1) for item in found)
        return [(int(slot), tenant) for slot, tenant in places]

    def late(self, slot: int, tenant: str, most: int, after: LateUsage | None = None) -> list[LateUsage]:
        # No subject sorts behind another and before it with the lowest character.
        start = f"{_place(after)[1]}\0" if after else ""
        found = self._table.query(keys.late_of(slot, tenant), between=(start or "0", "~"), limit=most)
        places = (item[SORT_KEY]["S"].split("#", 1) for item in found)
        return [LateUsage(slot, tenant, int(day), subject) for day, subject in places]

    def forget(self, done: Sequence[LateUsage]) -> None:
        self._table.delete_all(item_key(*_place(each)) for each in done)

    def forget_tenant(self, slot: int, tenant: str) -> None:
        self._table.delete_all([item_key(keys.LATE, keys.late_tenant(slot, tenant))])


def _place(late: LateUsage) -> tuple[str, str]:
    return keys.late_of(late.slot, late.tenant), keys.late_subject(late.day, late.subject)
