"""/api/v1/entitlements/backfill: entitlements for subscriptions of earlier versions, how far that is, and once more."""

from typing import Any

from functions.application.subscriptions.restart_entitlement_backfill import (
    find_entitlement_backfill,
    restart_entitlement_backfill,
)
from functions.domain.subscriptions.entitlement_backfill import (
    EntitlementBackfill,
    EntitlementBackfillStatus,
    NotEntitled,
)
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import Listed, by_cursor
from functions.handlers.edge.query_model import ByCursor
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

PATH = "/api/v1/entitlements/backfill"


@routes.get(
    PATH, "Get the progress of the entitlements' backfill", scope=SCOPE_READ, answers="EntitlementBackfillReport"
)
def get(request: Request[ByCursor]) -> Answer:
    backfills = subscriptions.entitlement_backfills()
    found, is_to_begin = find_entitlement_backfill(request.tenant, backfills=backfills, clock=base.clock())
    failures = by_cursor(request, Listed(backfills.failures(request.tenant), _failure))
    return http.ok(http.without_none(_shown(found, is_to_begin=is_to_begin)) | failures)


@routes.post(
    PATH,
    "Begin the entitlements' backfill again",
    scope=SCOPE_ADMIN,
    answers="EntitlementBackfill",
    status=202,
    costs="question",
)
def restart(request: Request) -> Answer:
    backfills = subscriptions.entitlement_backfills()
    begun = restart_entitlement_backfill(request.tenant, backfills=backfills, clock=base.clock())
    return http.accepted(http.without_none(_shown(begun, is_to_begin=False)), PATH)


def _shown(found: EntitlementBackfill | None, *, is_to_begin: bool) -> dict[str, Any]:
    """A tenant that had no subscriptions when the search came by has nothing to wait for."""
    if found is None:
        status = EntitlementBackfillStatus.RUNNING if is_to_begin else EntitlementBackfillStatus.DONE
        return {"status": status, "done": 0, "entitled": 0, "failed": 0}
    return {
        "status": EntitlementBackfillStatus.RUNNING if is_to_begin else found.status,
        "total": found.total,
        "done": found.looked_at,
        "entitled": found.entitled,
        "failed": found.failed,
        "startedAt": found.started_at,
        "endedAt": found.ended_at,
    }


def _failure(each: NotEntitled) -> dict[str, Any]:
    return {"customerId": each.customer_id, "code": each.code, "reason": each.reason, "failedAt": each.failed_at}
