"""The first step of a plan's migration, called again until all subscriptions of the tenant were looked at."""

from collections.abc import Mapping
from typing import Any

from functions.handlers import wiring_billing
from functions.handlers.migration_step import step_of
from functions.handlers.step import step


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done}."""
    return {"is_done": step_of(payload).look(wiring_billing.subscriptions().listing(str(payload["tenant"]))).is_done}
