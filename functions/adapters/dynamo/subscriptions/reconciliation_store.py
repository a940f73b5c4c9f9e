"""What was found when billed periods were looked at again, and which invoices are to be looked at."""

from collections.abc import Iterator
from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.table import Table
from functions.application.ports.reconciliation import Recheck
from functions.domain.billing.difference import BilledDifference
from functions.domain.wire import rfc3339
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoDifferences:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of_customer(self, tenant: str, customer_id: str) -> list[BilledDifference]:
        return list(self._read(tenant, f"{customer_id}#"))

    def all(self, tenant: str) -> Iterator[BilledDifference]:
        return self._read(tenant, None)

    def keep(self, tenant: str, difference: BilledDifference) -> None:
        self._table.put(
            {
                PARTITION_KEY: keys.records(tenant, keys.DIFFERENCE),
                SORT_KEY: _place(difference),
                "body": difference.model_dump_json(),
            }
        )

    def forget(self, tenant: str, difference: BilledDifference) -> None:
        self._table.delete(keys.records(tenant, keys.DIFFERENCE), _place(difference))

    def _read(self, tenant: str, prefix: str | None) -> Iterator[BilledDifference]:
        found = self._table.query(keys.records(tenant, keys.DIFFERENCE), prefix=prefix)
        return (BilledDifference.model_validate_json(item["body"]) for item in found)


class DynamoRechecks:
    def __init__(self, table: Table) -> None:
        self._table = table

    def due(self, until: datetime, most: int, after: Recheck | None = None) -> list[Recheck]:
        behind = _recheck_key(after) if after else None
        found = self._table.query(keys.RECHECK, last=keys.upto(until), after=behind, limit=most)
        return [_recheck(item) for item in found]

    def forget(self, recheck: Recheck) -> None:
        self._table.delete(keys.RECHECK, _recheck_key(recheck))


def recheck_item(recheck: Recheck) -> Item:
    """For the transaction that makes it necessary."""
    return {PARTITION_KEY: keys.RECHECK, SORT_KEY: _recheck_key(recheck), "since": keys.instant(recheck.since)}


def _place(difference: BilledDifference) -> str:
    return keys.joined(difference.customer_id, keys.instant(difference.period_start), difference.item_id)


def _recheck_key(recheck: Recheck) -> str:
    return keys.joined(keys.instant(recheck.due_at), recheck.tenant, recheck.customer_id, recheck.name)


def _recheck(item: Item) -> Recheck:
    at, tenant, customer_id, name = item[SORT_KEY].split("#")
    return Recheck(rfc3339(at), tenant, customer_id, name, rfc3339(item["since"]))
