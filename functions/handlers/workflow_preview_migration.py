"""A worker of a dry run, called again until every subscription has its preview; it may write nothing but the report."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.handlers import wiring_billing
from functions.handlers.migration_step import worked
from functions.handlers.step import step

if TYPE_CHECKING:
    from functions.application.work_migration import One
    from functions.domain.subscriptions.plan_migration import PlanMigration


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done, is_waiting}."""
    return worked(payload, _previewing)


def _previewing(tenant: str, migration: "PlanMigration") -> "One":
    return partial(wiring_billing.migrating(tenant, migration).preview, ports=wiring_billing.billing_ports())
