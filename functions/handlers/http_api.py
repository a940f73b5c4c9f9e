"""Every HTTP route but event ingestion and webhooks, in one function that answers unknown routes too."""

from functions.handlers import http_openapi
from functions.handlers.access import http_api_keys
from functions.handlers.analytics import http_archive
from functions.handlers.billing import (
    http_backtest,
    http_billing,
    http_billing_settings,
    http_rating,
    http_reconciliation,
    http_subscription_previews,
)
from functions.handlers.catalog import http_addons, http_coupons, http_features, http_plans
from functions.handlers.edge import http
from functions.handlers.metering import (
    http_audit,
    http_backfill,
    http_corrections,
    http_events,
    http_health,
    http_meters,
    http_rejects,
    http_usage,
)
from functions.handlers.subscriptions import (
    http_customers,
    http_plan_migrations,
    http_subscription_addons,
    http_subscriptions,
)

ROUTERS = (
    http_meters.router,
    http_usage.router,
    http_backfill.router,
    http_customers.router,
    http_features.router,
    http_plans.router,
    http_plan_migrations.router,
    http_addons.router,
    http_subscriptions.router,
    http_subscription_previews.router,
    http_subscription_addons.router,
    http_coupons.router,
    http_billing.router,
    http_billing_settings.router,
    http_reconciliation.router,
    http_rating.router,
    http_backtest.router,
    http_api_keys.router,
    http_rejects.router,
    http_events.router,
    http_corrections.router,
    http_archive.router,
    http_audit.router,
    http_health.router,
    http_openapi.router,
)

handler = http.resolver(ROUTERS)
