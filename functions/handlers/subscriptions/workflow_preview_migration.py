"""A worker of a dry run, called again until every subscription has its preview; it may write nothing but the report."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.handlers.edge.step import step
from functions.handlers.subscriptions.migration_step import worked
from functions.handlers.wiring import billing

if TYPE_CHECKING:
    from functions.application.subscriptions.work_migration import One
    from functions.domain.subscriptions.plan_migration import PlanMigration


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done, is_waiting}."""
    return worked(payload, _previewing)


def _previewing(tenant: str, migration: "PlanMigration") -> "One":
    return partial(billing.migrating(tenant, migration).preview, ports=billing.billing_ports())
