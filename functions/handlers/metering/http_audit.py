"""/api/v1/audit/metering: what the audits of a day found; for the operator only, because a lane holds all tenants."""

from datetime import UTC, datetime

from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import RouteQuery, text
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.metering.audit_json import shown_audit
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_OPERATOR

routes = Routes()


class AuditQuery(RouteQuery):
    day = text("A day in UTC such as 2026-11-23; today unless given.")


@routes.get(
    "/api/v1/audit/metering", "List audits of a day", scope=SCOPE_OPERATOR, answers="MeteringAudit", costs="question"
)
def list_day(request: Request[AuditQuery]) -> Answer:
    """`differenceCount` is 0 only when every lane is audited. Until then it is null, unless a lane differs."""
    day = _day(request.query.day) or base.clock().now().date().isoformat()
    items = [
        shown_audit(result) | {"auditedAt": datetime.fromtimestamp(result.audited_at, UTC)}
        for result in metering.audit_results().of_day(day)
    ]
    lanes, differences = settings.lanes(), sum(item["differenceCount"] for item in items)
    known = differences if differences or len(items) >= lanes else None
    shown = {"day": day, "lanes": lanes, "auditedLanes": len(items), "differenceCount": known, "items": items}
    return http.ok(shown)


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
    except ValueError:
        raise refused("day", "is a date such as 2026-11-23.") from None
