"""What the steps of a plan's migration share."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from functions.handlers import log
from functions.handlers.wiring import subscriptions

if TYPE_CHECKING:
    from functions.application.subscriptions.work_migration import MigrationStep, One
    from functions.domain.subscriptions.plan_migration import PlanMigration

# Then another call goes on; the subscription at hand may take its time on top, of the five minutes a function has.
WORK_SECONDS = 120


def step_of(payload: Mapping[str, Any]) -> "MigrationStep":
    names = (str(payload["tenant"]), str(payload["migration_id"]), int(payload["attempt"]))
    return subscriptions.migration_step(*names)


def worked(payload: Mapping[str, Any], begin: Callable[[str, "PlanMigration"], "One"]) -> dict[str, Any]:
    """{tenant, migration_id, attempt} -> {is_done, is_waiting}; `begin` is asked for each page."""
    until = time.monotonic() + WORK_SECONDS
    tenant, migration_id = str(payload["tenant"]), str(payload["migration_id"])

    def note(error: Exception, subscription_id: str) -> None:
        log.unexpected(error, tenant=tenant, migration_id=migration_id, subscription_id=subscription_id)

    done = step_of(payload).work(lambda migration: begin(tenant, migration), lambda: time.monotonic() > until, note)
    return {"is_done": done.is_done, "is_waiting": done.is_waiting}
