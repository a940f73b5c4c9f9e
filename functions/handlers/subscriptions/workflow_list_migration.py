"""The first step of a plan's migration, called again until all subscriptions of the tenant were looked at."""

from collections.abc import Mapping
from typing import Any

from functions.handlers.edge.step import step
from functions.handlers.subscriptions.migration_step import step_of
from functions.handlers.wiring import subscriptions


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done}."""
    return {"is_done": step_of(payload).look(subscriptions.subscriptions().listing(str(payload["tenant"]))).is_done}
