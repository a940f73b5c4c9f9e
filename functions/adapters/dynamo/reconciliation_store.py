"""What was found when billed periods were looked at again, and which invoices are to be looked at."""

from collections.abc import Iterator
from datetime import UTC, datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.table import Table
from functions.application.ports.reconciliation import Recheck
from functions.domain.invoicing.difference import BilledDifference
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

    def due(self, until: datetime, most: int) -> list[Recheck]:
        found = self._table.query(keys.RECHECK, last=keys.upto(until), limit=most)
        return [_recheck(*item[SORT_KEY].split("#")) for item in found]

    def forget(self, recheck: Recheck) -> None:
        at = keys.instant(recheck.due_at)
        key = keys.joined(at, recheck.tenant, recheck.customer_id, recheck.invoice_id)
        self._table.delete(keys.RECHECK, key)


def _place(difference: BilledDifference) -> str:
    return keys.joined(difference.customer_id, keys.instant(difference.period_start), difference.item_id)


def _recheck(at: str, tenant: str, customer_id: str, invoice_id: str) -> Recheck:
    return Recheck(datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC), tenant, customer_id, invoice_id)
