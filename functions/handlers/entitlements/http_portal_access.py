"""/api/v1/portal/access and /balances: what the customer of a portal token may use, and what is left of it."""

from typing import Any

from functions.application.entitlements.check_access import Access
from functions.application.entitlements.find_entitlement import customer_of_key, customer_of_subject
from functions.application.ports.entitlements import EntitledCustomer
from functions.domain.errors import Forbidden
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.entitlements.entitlement_json import value_shown
from functions.handlers.entitlements.http_entitlements import GONE
from functions.handlers.wiring import entitlements
from functions.names import SCOPE_PORTAL

routes = Routes()


@routes.get(
    "/api/v1/portal/access",
    "Get all that the customer of a portal token may use",
    scope=SCOPE_PORTAL,
    fails=GONE,
    answers="CustomerAccess",
)
def access(request: Request) -> Answer:
    every = _shown(request)
    return http.ok({"entitlements": {key: value_shown(each, with_grants=False) for key, each in every.items()}})


@routes.get(
    "/api/v1/portal/balances",
    "Get what is left for the customer of a portal token",
    scope=SCOPE_PORTAL,
    fails=GONE,
    answers="PortalBalances",
)
def balances(request: Request) -> Answer:
    items = [
        {"featureKey": key, **value_shown(each, with_grants=False)}
        for key, each in _shown(request).items()
        if each.value is not None
    ]
    return http.ok({"items": items})


def _shown(request: Request[Any]) -> dict[str, Access]:
    """By feature; of metered ones those alone whose meter the token shows."""
    customer, allowed = _customer(request), request.portal.allowed_meters
    every = entitlements.access_checker(request.tenant, customer).of_all()
    return {key: each for key, each in every.items() if allowed is None or _meter(each) in (None, *allowed)}


def _meter(access: Access) -> str | None:
    return access.entitlement.feature.meter_slug if access.value and access.entitlement else None


def _customer(request: Request[Any]) -> EntitledCustomer:
    """What is left is the whole customer's: a token of one of several subjects does not show it."""
    holder, customers = request.portal, entitlements.entitled_customers()
    if holder.customer_id is not None:
        return customer_of_key(request.tenant, holder.customer_id, customers)
    found = customer_of_subject(request.tenant, holder.subject or "", customers)
    if len(found.subjects) > 1:
        message = (
            "This token is made for one of several subjects of a customer; make one for the customer (customerId)."
        )
        raise Forbidden(message, code="portal_token_of_subject")
    return found
