"""/api/v1/billing/settings: what a tenant decides for all its billing."""

from typing import Any

from functions.domain.subscriptions.billing_settings import BillingSettings, BillingSettingsUpdate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, billing
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()


@routes.get("/api/v1/billing/settings", "Get the billing settings", scope=SCOPE_READ, answers="BillingSettings")
def get(request: Request) -> Answer:
    return http.ok(_shown(billing.billing_settings().get(request.tenant)))


@routes.put("/api/v1/billing/settings", "Replace the billing settings", scope=SCOPE_ADMIN, answers="BillingSettings")
def replace(request: Request, body: Replacement[BillingSettingsUpdate]) -> Answer:
    """A setting that is left out gets its default."""
    stored = billing.billing_settings()

    def shown() -> dict[str, Any]:
        return _shown(stored.get(request.tenant))

    wanted = body.over(BillingSettings, shown)
    kept = BillingSettings(**wanted.model_dump(), updated_at=base.clock().now())
    stored.put(request.tenant, kept)
    return http.ok(_shown(kept))


def _shown(kept: BillingSettings) -> dict[str, Any]:
    """As it is in effect."""
    idle = billing.invoices_idle(kept)
    return http.without_none({"timeZone": kept.time_zone, "invoicesIdle": idle, "updatedAt": kept.updated_at})
