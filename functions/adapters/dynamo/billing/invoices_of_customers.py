"""The invoices of some customers by the instant each is owed from, through the index that is written with them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import MAX_STRETCH_ITEMS, Table
from functions.application.ports.listing import Counted, Slice
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.identity import ulid_floor
from functions.names import SORT_KEY

# What is owed from before may have been issued before there was an index.
INDEXED_FROM = ulid_floor(datetime(2026, 12, 1, tzinfo=UTC))
# Index entries read of a customer at once, where others are asked for as well.
LEAST_AT_ONCE = 10


class InvoicesOfCustomers:
    """`early` are the invoices up to INDEXED_FROM, of these customers and maybe of others."""

    def __init__(
        self, table: Table, tenant: str, customer_ids: Sequence[str], early: DynamoListing[InvoiceRecord]
    ) -> None:
        self._table = table
        self._partition = keys.records(tenant, keys.CUSTOMER_INVOICE)
        self._customer_ids = customer_ids
        self._early = early

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[InvoiceRecord]:
        if descending:
            if after is None or after > INDEXED_FROM:
                return _going_on(self._indexed(after, descending=True, most=most))
            return self._early.read_slice(after=after, descending=True, most=most)
        if after is None or after < INDEXED_FROM:
            return _going_on(self._early.read_slice(after=after, descending=False, most=most))
        return self._indexed(after, descending=False, most=most)

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        found = self.read_slice(after=after, descending=descending, most=most)
        return Counted(len(found.entries), found.looked_at, found.end)

    def at(self, positions: Sequence[str]) -> Sequence[InvoiceRecord]:
        return self._early.at(positions)

    def _indexed(self, after: str | None, *, descending: bool, most: int) -> Slice[InvoiceRecord]:
        most = min(most, MAX_STRETCH_ITEMS)
        at_once = min(most, max(LEAST_AT_ONCE, 2 * most // len(self._customer_ids)))
        parts = [self._ids(each, after, descending=descending, most=at_once) for each in self._customer_ids]
        # Beyond the nearest end of those with more, others' invoices may lie between.
        ends = [ids[-1] for ids, is_all in parts if not is_all]
        horizon = (max(ends) if descending else min(ends)) if ends else None
        found = sorted((each for ids, _ in parts for each in ids), reverse=descending)
        within = [each for each in found if horizon is None or each == horizon or (each > horizon) == descending]
        taken = within[:most]
        end = taken[-1] if horizon is not None or len(taken) < len(within) else None
        return Slice(self._early.entries_at(taken), len(taken), end)

    def _ids(self, customer_id: str, after: str | None, *, descending: bool, most: int) -> tuple[list[str], bool]:
        """The next of a customer, in the order asked for, and whether they are all."""
        start = keys.joined(customer_id, after or INDEXED_FROM)
        if descending:
            first, last = keys.joined(customer_id, INDEXED_FROM), f"{customer_id}#~" if after is None else start
        else:
            first, last = start, f"{customer_id}#~"
        items = self._table.query(self._partition, first=first, last=last, descending=descending, limit=most + 1)
        ids = [item[SORT_KEY].removeprefix(f"{customer_id}#") for item in items]
        behind = [each for each in ids if each != after][:most]
        return behind, len(ids) <= most


def _going_on(part: Slice[InvoiceRecord]) -> Slice[InvoiceRecord]:
    """Behind the last of one half begins the other."""
    return part if part.end is not None else Slice(part.entries, part.looked_at, INDEXED_FROM)
