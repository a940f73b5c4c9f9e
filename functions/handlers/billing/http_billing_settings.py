"""/api/v1/billing/settings: what a tenant decides for all its billing."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.domain.subscriptions.billing_settings import BillingSettings, BillingSettingsWish
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.wiring import base, billing
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


@router.get("/api/v1/billing/settings")
def get() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(_shown(billing.billing_settings().get(request.tenant)))


@router.put("/api/v1/billing/settings")
def replace() -> Answer:
    """What is left out is as it was at the beginning."""
    request = http.Request(router.current_event, SCOPE_ADMIN)
    stored = billing.billing_settings()

    def shown() -> dict[str, Any]:
        return _shown(stored.get(request.tenant))

    wanted = request.replacement(BillingSettingsWish, BillingSettings, shown)
    kept = BillingSettings(**wanted.model_dump(), updated_at=base.clock().now())
    stored.put(request.tenant, kept)
    return http.ok(_shown(kept))


def _shown(kept: BillingSettings) -> dict[str, Any]:
    """As it is in effect."""
    idle = billing.invoices_idle(kept)
    return http.without_none({"timeZone": kept.time_zone, "invoicesIdle": idle, "updatedAt": kept.updated_at})
