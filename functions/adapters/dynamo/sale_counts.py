"""One item a tenant by which offering something and withdrawing something that could be sold see one another.

A plan may sell more features than a transaction has writes, so that the features themselves cannot tell.
"""

from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.condition import Condition
from functions.adapters.dynamo.table import Table
from functions.application.ports.catalogue import SaleCounts


def sale_counts(table: Table, tenant: str) -> SaleCounts:
    item = table.get(*keys.sale_counts(tenant)) or {}
    return SaleCounts(item.get("offered", 0), item.get("withdrawn", 0))


def offering(table: Table, tenant: str, seen: SaleCounts) -> dict[str, Any]:
    """The write that says so, for a transaction; refused when something was withdrawn since `seen` was read."""
    return _counting(table, tenant, "offered", "withdrawn", seen.withdrawn)


def withdrawing(table: Table, tenant: str, seen: SaleCounts) -> dict[str, Any]:
    """The same for what can be sold no more; refused when something was offered since."""
    return _counting(table, tenant, "withdrawn", "offered", seen.offered)


def _counting(table: Table, tenant: str, counted: str, unchanged: str, seen: int) -> dict[str, Any]:
    is_unchanged = Condition(f"{unchanged} = :seen", {":seen": seen})
    if seen == 0:
        is_unchanged = Condition(f"attribute_not_exists({unchanged})")
    return table.updating(*keys.sale_counts(tenant), f"ADD {counted} :one", {":one": 1}, is_unchanged)
