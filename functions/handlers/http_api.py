"""Every HTTP route but event ingestion and webhooks, in one function that answers unknown routes too."""

from functions.handlers import (
    http,
    http_addons,
    http_api_keys,
    http_archive,
    http_audit,
    http_backfill,
    http_billing,
    http_corrections,
    http_coupons,
    http_customers,
    http_events,
    http_features,
    http_meters,
    http_openapi,
    http_plans,
    http_rating,
    http_rejects,
    http_subscription_addons,
    http_subscriptions,
    http_usage,
)

ROUTERS = (
    http_meters.router,
    http_usage.router,
    http_backfill.router,
    http_customers.router,
    http_features.router,
    http_plans.router,
    http_addons.router,
    http_subscriptions.router,
    http_subscription_addons.router,
    http_coupons.router,
    http_billing.router,
    http_rating.router,
    http_api_keys.router,
    http_rejects.router,
    http_events.router,
    http_corrections.router,
    http_archive.router,
    http_audit.router,
    http_openapi.router,
)

handler = http.resolver(ROUTERS)
