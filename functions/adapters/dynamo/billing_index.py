"""The two indexes a billing run starts from: periods that have ended, and invoices the gateway does not have."""

from collections.abc import Callable
from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import Due, DuePage
from functions.names import SORT_KEY


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
