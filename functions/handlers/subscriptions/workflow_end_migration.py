"""The last step of a plan's migration: store how it ended, well or not, for callers that ask."""

from collections.abc import Mapping
from typing import Any

from functions.domain.subscriptions.plan_migration import MigrationStatus
from functions.handlers import log
from functions.handlers.edge.step import step
from functions.handlers.subscriptions.migration_step import step_of


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, migration_id, attempt, error?} -> {status, is_done}; an earlier attempt leaves the migration alone."""
    tenant, migration_id, attempt = str(payload["tenant"]), str(payload["migration_id"]), int(payload["attempt"])
    ended = step_of(payload).end(payload.get("error"))
    status = str(ended.status) if ended else "unknown"
    is_done = ended is not None and (ended.attempt != attempt or ended.status is MigrationStatus.DONE)
    level = "INFO" if is_done else "ERROR"
    log.write(level, "migration ended", tenant=tenant, migration_id=migration_id, attempt=attempt, status=status)
    return {"status": status, "is_done": is_done}
