"""How far a task of a tenant is that takes longer than its request: a question to the archive."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.analytics.ask_archive import look_how_far
from functions.application.ports.archive_query import ArchiveEngine, AskedQueries
from functions.application.ports.clock import Clock
from functions.domain.analytics.archive_query import Progress
from functions.domain.errors import NotFound


@dataclass(frozen=True)
class TaskProgress:
    """`total` items, of which some have succeeded or failed; a question is one item."""

    success: int
    failed: int
    total: int
    updated_at: datetime


def tell_progress(
    tenant: str, task_id: str, *, engine: ArchiveEngine, asked: AskedQueries, clock: Clock
) -> TaskProgress:
    """Raises NotFound, which says what is answered at once."""
    try:
        found = look_how_far(tenant, task_id.upper(), engine=engine, asked=asked, clock=clock)
    except NotFound:
        raise NotFound(
            f"There is no task {task_id[:40]!r}. Usage is answered at once, so a clientId has no progress; ask with "
            "the id of a question to the archive (POST /api/v1/archive/queries)."
        ) from None
    has_succeeded = found.look.progress is Progress.SUCCEEDED
    has_failed = found.look.progress.is_over and not has_succeeded
    return TaskProgress(int(has_succeeded), int(has_failed), 1, clock.now())
