"""Grants of metered entitlements: create, list, void."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from functions.application.entitlements.find_entitlement import (
    Found,
    customer_of_key,
    find_entitlement,
)
from functions.application.entitlements.grant_usage import create_grant, void_grant
from functions.application.ports.entitlements import GrantOf
from functions.domain.entitlements.course import Course
from functions.domain.entitlements.entitlement_create import GrantCreateV2
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey
from functions.handlers.edge.query_model import RouteQuery, instant
from functions.handlers.edge.routes import Routes
from functions.handlers.entitlements.entitlement_json import grant_shown, subject_grant_shown
from functions.handlers.entitlements.entitlement_query import (
    GRANT_ORDERS,
    EntitlementGrantsQuery,
    GrantsQuery,
    SubjectGrantsQuery,
    bare_or_paged,
    held_grants,
    order_listed,
    paged,
)
from functions.handlers.entitlements.http_entitlements import GONE, EntitlementKey
from functions.handlers.wiring import entitlements
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

GrantId = Annotated[str, "The id of a grant."]
Takes = Callable[[GrantOf], bool]


@routes.post(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/grants",
    "Grant a customer more",
    scope=SCOPE_ADMIN,
    fails=GONE,
    answers="EntitlementGrantV2",
    status=201,
)
def create(request: Request, customer: CustomerKey, entitlement: EntitlementKey, body: GrantCreateV2) -> Answer:
    ports = entitlements.entitlement_ports()
    found = customer_of_key(request.tenant, customer, ports.customers)
    holder, grant = create_grant(request.tenant, found, entitlement, body, ports=ports)
    return http.created(grant_shown(grant, holder.id, ports.now()))


@routes.get(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/grants",
    "List the grants of a customer's entitlement",
    scope=SCOPE_READ,
    answers="Paged[EntitlementGrantV2]",
)
def list_of_entitlement(
    request: Request[EntitlementGrantsQuery], customer: CustomerKey, entitlement: EntitlementKey
) -> Answer:
    """Also the top-ups that came along from an entitlement before it."""
    ports = entitlements.entitlement_ports()
    found = customer_of_key(request.tenant, customer, ports.customers)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    listing = held_grants(grants_of(one))
    takes = None if request.query.include_deleted else _is_not_voided
    return http.ok(paged(request, order_listed(request, listing, _shown_at(ports.now()), takes, GRANT_ORDERS)))


@routes.get("/api/v2/grants", "List grants", scope=SCOPE_READ, answers="Paged[EntitlementGrantV2]")
def list_all(request: Request[GrantsQuery]) -> Answer:
    ports = entitlements.entitlement_ports()
    query = request.query
    named = [ports.customers.entitled(request.tenant, each) for each in query.customer]
    customers = {each.id for each in named if each is not None} if query.customer else None
    takes = _takes(query.feature, customers, with_voided=query.include_deleted)
    listing = ports.entitlements.grants(request.tenant)
    return http.ok(paged(request, order_listed(request, listing, _shown_at(ports.now()), takes, GRANT_ORDERS)))


@routes.get("/api/v1/grants", "List grants by subject", scope=SCOPE_READ, answers="EachOrPaged[EntitlementGrant]")
def list_first_version(request: Request[SubjectGrantsQuery]) -> Answer:
    ports = entitlements.entitlement_ports()
    query = request.query
    named = [ports.customers.entitled_by_subject(request.tenant, each) for each in query.subject]
    customers = {each.id for each in named if each is not None} if query.subject else None
    takes = _takes(query.feature, customers, with_voided=query.include_deleted)
    listing, now = ports.entitlements.grants(request.tenant), ports.now()

    def shown(each: GrantOf) -> dict[str, Any]:
        return subject_grant_shown(each.grant, each.entitlement_id, now)

    return http.ok(bare_or_paged(request, order_listed(request, listing, shown, takes, GRANT_ORDERS)))


class VoidQuery(RouteQuery):
    at = instant("The minute of the current usage period from which on it is void; now unless given.")


@routes.delete("/api/v1/grants/<grant>", "Void a grant", scope=SCOPE_ADMIN)
def void(request: Request[VoidQuery], grant: GrantId) -> Answer:
    void_grant(request.tenant, grant, request.query.at, ports=entitlements.entitlement_ports())
    return http.no_content()


def grants_of(found: Found) -> Sequence[GrantOf]:
    entitlement = found.entitlement
    if not entitlement.is_metered:
        return []
    grants = Course.of(found.entitled, entitlement).grants
    return [GrantOf(each, entitlement.id, entitlement.customer_id, entitlement.feature.key) for each in grants]


def _shown_at(now: datetime) -> Callable[[GrantOf], dict[str, Any]]:
    return lambda each: grant_shown(each.grant, each.entitlement_id, now)


def _takes(features: Sequence[str], customers: set[str] | None, *, with_voided: bool) -> Takes:
    def takes(each: GrantOf) -> bool:
        return (
            (not features or each.feature_key in features)
            and (customers is None or each.customer_id in customers)
            and (with_voided or _is_not_voided(each))
        )

    return takes


def _is_not_voided(each: GrantOf) -> bool:
    return each.grant.voided_at is None
