"""The two indexes a billing run starts from, periods that have ended and invoices to push, and the plan it makes."""

from collections.abc import Callable, Sequence
from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import Due, DuePage
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY


class DynamoDueIndex:
    def __init__(self, table: Table) -> None:
        self._table = table

    def due(self, until: datetime, *, after: str | None, limit: int) -> DuePage:
        return self._page(keys.DUE, until, after, limit, lambda tenant, customer_id, _: Due(tenant, customer_id))

    def unpushed(self, until: datetime, *, after: str | None, limit: int) -> DuePage:
        return self._page(
            keys.UNPUSHED,
            until,
            after,
            limit,
            lambda tenant, customer_id, invoice_id: Due(tenant, customer_id, (invoice_id,)),
        )

    def _page(
        self, index: str, until: datetime, after: str | None, limit: int, entry: Callable[[str, str, str], Due]
    ) -> DuePage:
        found = list(self._table.query(index, last=keys.upto(until), after=after, limit=limit))
        items = [entry(*item[SORT_KEY].split("#")[1:]) for item in found]
        return DuePage(items, found[-1][SORT_KEY] if len(found) == limit else None)


class DynamoDuePlans:
    def __init__(self, table: Table) -> None:
        self._table = table

    def keep(self, run_id: str, phase: str, number: int, items: Sequence[Due], expires_at: datetime) -> None:
        self._table.put(
            {
                PARTITION_KEY: keys.DUE_PLAN,
                SORT_KEY: _page_key(run_id, phase, number),
                "items": [[due.tenant, due.customer_id, *due.invoice_ids] for due in items],
                EXPIRES_AT: int(expires_at.timestamp()),
            }
        )

    def page(self, run_id: str, phase: str, number: int) -> list[Due]:
        item = self._table.get(keys.DUE_PLAN, _page_key(run_id, phase, number))
        if item is None:
            raise RuntimeError(f"The plan of run {run_id} has no page {number} of {phase!r}.")
        return [Due(tenant, customer_id, tuple(invoices)) for tenant, customer_id, *invoices in item["items"]]


def _page_key(run_id: str, phase: str, number: int) -> str:
    return keys.joined(run_id, phase.rstrip(":"), f"{number:05d}")
