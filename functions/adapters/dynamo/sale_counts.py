"""Counts by which an offer or a sale of something and a withdrawal of it notice each other.

A plan may sell more features than a transaction has writes, so that the features themselves cannot tell. One item a
tenant counts what plans and add-ons offer. What subscriptions sell is counted in parts, by customer: many customers may
subscribe in the same second, and one item would be in the way of all of them. A withdrawal builds on every part,
and says so in every part.
"""

from typing import Any
from zlib import crc32

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.condition import Condition
from functions.adapters.dynamo.table import Table
from functions.application.ports.catalog import SaleCounts
from functions.names import SORT_KEY

# Never fewer: what was counted in a part that nobody looks at any more would be overlooked.
PARTS = 8

OFFERED, WITHDRAWN = "offered", "withdrawn"
Key = tuple[str, str]


def sale_counts(table: Table, tenant: str) -> SaleCounts:
    catalogue, parts = keys.sale_counts(tenant), _parts(tenant)
    stored = {item[SORT_KEY]: item for item in table.batch_get([catalogue, *parts])}
    whole = stored.get(catalogue[1], {})
    subscribed = tuple(stored.get(sk, {}).get(OFFERED, 0) for _, sk in parts)
    return SaleCounts(whole.get(OFFERED, 0), whole.get(WITHDRAWN, 0), subscribed)


def withdrawn_for(table: Table, tenant: str, customer_id: str) -> int:
    """As often as what this customer subscribes to can have been withdrawn, for `subscribing`."""
    item = table.get(*_part_of(tenant, customer_id)) or {}
    return int(item.get(WITHDRAWN, 0))


def offering(table: Table, tenant: str, seen: SaleCounts) -> dict[str, Any]:
    """The write that says so, for a transaction; refused when something was withdrawn since `seen` was read."""
    return _counting(table, keys.sale_counts(tenant), OFFERED, WITHDRAWN, seen.withdrawn)


def subscribing(table: Table, tenant: str, customer_id: str, seen: int) -> dict[str, Any]:
    """The same for what a subscription begins to sell; `seen` is what had been withdrawn."""
    return _counting(table, _part_of(tenant, customer_id), OFFERED, WITHDRAWN, seen)


def withdrawing(table: Table, tenant: str, seen: SaleCounts) -> list[dict[str, Any]]:
    """The writes for what can be sold no more; refused when something was offered or subscribed to since."""
    parts = zip(_parts(tenant), seen.subscribed, strict=True)
    return [
        _counting(table, keys.sale_counts(tenant), WITHDRAWN, OFFERED, seen.offered),
        *(_counting(table, part, WITHDRAWN, OFFERED, subscribed) for part, subscribed in parts),
    ]


def _parts(tenant: str) -> list[Key]:
    return [keys.subscribed_counts(tenant, part) for part in range(PARTS)]


def _part_of(tenant: str, customer_id: str) -> Key:
    return keys.subscribed_counts(tenant, crc32(customer_id.encode()) % PARTS)


def _counting(table: Table, key: Key, counted: str, unchanged: str, seen: int) -> dict[str, Any]:
    is_unchanged = Condition(f"{unchanged} = :seen", {":seen": seen})
    if seen == 0:
        is_unchanged = Condition(f"attribute_not_exists({unchanged})")
    return table.updating(*key, f"ADD {counted} :one", {":one": 1}, is_unchanged)
