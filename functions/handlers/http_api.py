"""Every HTTP route but event ingestion and webhooks, in one function that answers unknown routes too.

A request loads the modules of its first path segment and no others, so that a cold start costs what is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from functions.handlers.edge.resolver import Handler, resolver
from functions.handlers.edge.routes import Route, Routes
from functions.names import PORTAL_PREFLIGHT


def _addons() -> Sequence[Routes]:
    from functions.handlers.catalog import http_addons

    return (http_addons.routes,)


def _api_keys() -> Sequence[Routes]:
    from functions.handlers.access import http_api_keys

    return (http_api_keys.routes,)


def _archive() -> Sequence[Routes]:
    from functions.handlers.analytics import http_archive

    return (http_archive.routes,)


def _audit() -> Sequence[Routes]:
    from functions.handlers.metering import http_audit

    return (http_audit.routes,)


def _billing() -> Sequence[Routes]:
    from functions.handlers.billing import http_billing, http_billing_settings, http_rating, http_reconciliation

    return (http_billing.routes, http_billing_settings.routes, http_reconciliation.routes, http_rating.routes)


def _coupons() -> Sequence[Routes]:
    from functions.handlers.catalog import http_coupons

    return (http_coupons.routes,)


def _customers() -> Sequence[Routes]:
    from functions.handlers.subscriptions import http_applied_coupons, http_customers, http_subscriptions

    return (http_customers.routes, http_subscriptions.routes, http_applied_coupons.routes)


def _entitlements() -> Sequence[Routes]:
    from functions.handlers.entitlements import http_entitlements, http_grants, http_subject_entitlements
    from functions.handlers.subscriptions import http_entitlement_backfill

    return (
        http_entitlement_backfill.routes,
        http_entitlements.routes,
        http_grants.routes,
        http_subject_entitlements.routes,
    )


def _debug() -> Sequence[Routes]:
    from functions.handlers.metering import http_debug

    return (http_debug.routes,)


def _entitlement_access() -> Sequence[Routes]:
    from functions.handlers.entitlements import http_entitlement_access

    return (http_entitlement_access.routes,)


def _events() -> Sequence[Routes]:
    from functions.handlers.metering import http_corrections, http_events

    return (http_corrections.routes, http_events.routes)


def _features() -> Sequence[Routes]:
    from functions.handlers.catalog import http_features

    return (http_features.routes,)


def _healthz() -> Sequence[Routes]:
    from functions.handlers.metering import http_health

    return (http_health.routes,)


def _info() -> Sequence[Routes]:
    from functions.handlers.analytics import http_progress
    from functions.handlers.catalog import http_currencies

    return (http_currencies.routes, http_progress.routes)


def _meters() -> Sequence[Routes]:
    from functions.handlers.metering import http_backfill, http_meters, http_usage

    return (http_meters.routes, http_usage.routes, http_backfill.routes)


def _openapi() -> Sequence[Routes]:
    from functions.handlers import http_openapi

    return (http_openapi.routes,)


def _plans() -> Sequence[Routes]:
    from functions.handlers.billing import http_backtest
    from functions.handlers.catalog import http_plan_addons, http_plans
    from functions.handlers.subscriptions import http_plan_migrations

    return (http_plans.routes, http_plan_addons.routes, http_plan_migrations.routes, http_backtest.routes)


def _portal() -> Sequence[Routes]:
    from functions.handlers.access import http_portal
    from functions.handlers.entitlements import http_portal_access
    from functions.handlers.metering import http_portal_usage

    return (http_portal.routes, http_portal_usage.routes, http_portal_access.routes)


def _rejects() -> Sequence[Routes]:
    from functions.handlers.metering import http_rejects

    return (http_rejects.routes,)


def _subjects() -> Sequence[Routes]:
    from functions.handlers.subscriptions import http_subjects

    return (http_subjects.routes,)


def _subscriptions() -> Sequence[Routes]:
    from functions.handlers.billing import http_rating, http_subscription_previews
    from functions.handlers.subscriptions import http_applied_coupons, http_subscription_addons, http_subscriptions

    return (
        http_subscriptions.routes,
        http_subscription_previews.routes,
        http_subscription_addons.routes,
        http_applied_coupons.routes,
        http_rating.routes,
    )


# By the first segment behind /api/v1, /api/v2 and /api/v3/openmeter, or of the path.
ROOMS: Mapping[str, Callable[[], Sequence[Routes]]] = {
    "addons": _addons,
    "api-keys": _api_keys,
    "archive": _archive,
    "audit": _audit,
    "billing": _billing,
    "coupons": _coupons,
    "customers": _customers,
    "entitlement-access": _entitlement_access,
    "entitlements": _entitlements,
    "debug": _debug,
    "events": _events,
    "features": _features,
    "grants": _entitlements,
    "healthz": _healthz,
    "info": _info,
    "meters": _meters,
    "openapi.json": _openapi,
    "plans": _plans,
    "portal": _portal,
    "rejects": _rejects,
    "subjects": _subjects,
    "subscriptions": _subscriptions,
}


# What belongs to another room although its path begins like another one's: by the first and the third segment.
ROOMS_WITHIN: Mapping[tuple[str, str], str] = {
    ("customers", "access"): "entitlements",
    ("customers", "entitlement-access"): "entitlement-access",
    ("customers", "entitlements"): "entitlements",
    ("subjects", "entitlements"): "entitlements",
}


# Clients of OpenMeter's hosted service leave out the first segment of its third version.
HOSTED, DECLARED = "/v3/", "/api/v3/"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event.get("routeKey") == PORTAL_PREFLIGHT:  # the gateway puts in who may ask
        return {"statusCode": 204, "headers": {}, "body": ""}
    path = str(event.get("rawPath") or "")
    if path.startswith(HOSTED):
        event = {**event, "rawPath": DECLARED + path.removeprefix(HOSTED)}
    return _resolver(room_of(event))(event, context)


def routes() -> list[Route]:
    """All of them, each once."""
    modules = [module for room in ROOMS.values() for module in room()]
    return list({route.key: route for module in modules for route in module.declared}.values())


def room_of(event: Mapping[str, Any]) -> str:
    """The name of a room, or an empty one, which has no routes."""
    segments = str(event.get("rawPath") or "").removeprefix("/").split("/")
    asked, *others = segments[2:] if segments[0] == "api" and len(segments) > 2 else segments
    if asked == "openmeter" and others:
        asked, *others = others
    within = ROOMS_WITHIN.get((asked, others[1])) if len(others) > 1 else None
    return within or (asked if asked in ROOMS else "")


@cache
def _resolver(room: str) -> Handler:
    return resolver(ROOMS[room]() if room else ())
