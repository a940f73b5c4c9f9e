"""GET /api/v1/info/progress/{id}: how far a question to the archive is, in OpenMeter's words."""

from typing import Annotated

from functions.application.analytics.tell_progress import tell_progress
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import analytics, base
from functions.names import SCOPE_READ

routes = Routes()

TaskId = Annotated[str, "The `id` of a question to the archive."]


@routes.get("/api/v1/info/progress/<task_id>", "Get progress", scope=SCOPE_READ, answers="Progress")
def get(request: Request, task_id: TaskId) -> Answer:
    """Usage is answered at once: the `clientId` of a query is not known here, and is a 404."""
    found = tell_progress(
        request.tenant,
        task_id,
        engine=analytics.engine(),
        asked=analytics.queries(),
        clock=base.clock(),
    )
    return http.ok(
        {"success": found.success, "failed": found.failed, "total": found.total, "updatedAt": found.updated_at}
    )
