"""A worker of a plan's migration, called again until every subscription has been migrated or refused."""

from collections.abc import Mapping
from typing import Any

from functions.handlers.edge.step import step
from functions.handlers.subscriptions.migration_step import worked
from functions.handlers.wiring import billing


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done, is_waiting}."""
    return worked(payload, lambda tenant, migration: billing.migrating(tenant, migration).migrate)
