"""A worker of a plan's migration, called again until every subscription has been migrated or refused."""

from collections.abc import Mapping
from typing import Any

from functions.handlers import wiring_billing
from functions.handlers.migration_step import worked
from functions.handlers.step import step


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done, is_waiting}."""
    return worked(payload, lambda tenant, migration: wiring_billing.migrating(tenant, migration).migrate)
