"""/api/v1/billing/settings: what a tenant decides for all its billing."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.domain.subscriptions.billing_settings import BillingSettings
from functions.handlers import http, settings, wiring_billing
from functions.handlers.http import Answer
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


@router.get("/api/v1/billing/settings")
def get() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(_shown(wiring_billing.billing_settings().get(request.tenant)))


@router.put("/api/v1/billing/settings")
def replace() -> Answer:
    """What is left out is as it was at the beginning."""
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wanted = request.body(BillingSettings)
    wiring_billing.billing_settings().put(request.tenant, wanted)
    return http.ok(_shown(wanted))


def _shown(kept: BillingSettings) -> dict[str, Any]:
    """As it is in effect."""
    idle = settings.invoices_idle() if kept.invoices_idle is None else kept.invoices_idle
    return {"timeZone": kept.time_zone, "invoicesIdle": idle}
