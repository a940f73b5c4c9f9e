"""Entitlements of customers: create, get, list, override, delete, and what is left of them."""

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import RootModel

from functions.application.entitlements.create_entitlement import (
    create_entitlement,
    delete_entitlement,
    override_entitlement,
)
from functions.application.entitlements.find_entitlement import (
    EntitlementPorts,
    Found,
    customer_of_key,
    find_entitlement,
)
from functions.application.entitlements.grant_usage import reset_usage
from functions.application.ports.entitlements import EntitledCustomer
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.entitlements.entitlement_create import EntitlementCreateV2, UsageReset
from functions.domain.errors import NotFound
from functions.domain.identity import is_ulid
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey
from functions.handlers.edge.routes import Routes
from functions.handlers.entitlements.entitlement_json import (
    entitlement_shown,
    history_shown,
    period_shown,
    value_shown,
)
from functions.handlers.entitlements.entitlement_query import (
    ENTITLEMENT_ORDERS,
    CustomerEntitlementsQuery,
    EntitlementFilter,
    EntitlementsQuery,
    HistoryQuery,
    ValueQuery,
    held,
    order_listed,
    paged,
)
from functions.handlers.wiring import entitlements
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

EntitlementKey = Annotated[str, "The id of an entitlement, or the key of its feature for the one that is active now."]
EntitlementId = Annotated[str, "The id of an entitlement."]
FeatureKeyOfCustomer = Annotated[str, "The key of a feature."]


# Beyond what every route may answer: a customer who was deleted uses nothing.
GONE = (HTTPStatus.PRECONDITION_FAILED,)


class EntitlementV2CreateInputs(RootModel[EntitlementCreateV2]):
    """By its type."""


@routes.post(
    "/api/v2/customers/<customer>/entitlements",
    "Entitle a customer to a feature",
    scope=SCOPE_ADMIN,
    fails=GONE,
    answers="EntitlementV2",
    status=201,
)
def create(request: Request, customer: CustomerKey, body: EntitlementV2CreateInputs) -> Answer:
    ports, found = _asked(request, customer)
    made = create_entitlement(request.tenant, found, body.root, ports=ports)
    return http.created(entitlement_shown(made, found.key, ports.now()))


@routes.get(
    "/api/v2/customers/<customer>/entitlements",
    "List the entitlements of a customer",
    scope=SCOPE_READ,
    answers="Paged[EntitlementV2]",
)
def list_of_customer(request: Request[CustomerEntitlementsQuery], customer: CustomerKey) -> Answer:
    ports, found = _asked(request, customer)
    now = ports.now()
    wanted = EntitlementFilter(now, with_deleted=request.query.include_deleted)
    every = ports.entitlements.of_customer(request.tenant, found.id)
    listing = held([each for entitled in every for each in entitled.entitlements])
    listed = order_listed(
        request, listing, lambda each: entitlement_shown(each, found.key, now), wanted.takes, ENTITLEMENT_ORDERS
    )
    return http.ok(paged(request, listed))


@routes.get(
    "/api/v2/customers/<customer>/entitlements/<entitlement>",
    "Get an entitlement of a customer",
    scope=SCOPE_READ,
    answers="EntitlementV2",
)
def get_of_customer(request: Request, customer: CustomerKey, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, customer)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    return http.ok(entitlement_shown(one.entitlement, found.key, ports.now()))


@routes.delete(
    "/api/v2/customers/<customer>/entitlements/<entitlement>", "Delete an entitlement of a customer", scope=SCOPE_ADMIN
)
def delete(request: Request, customer: CustomerKey, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, customer)
    delete_entitlement(request.tenant, found, entitlement, ports=ports)
    return http.no_content()


@routes.put(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/override",
    "Override an entitlement of a customer",
    scope=SCOPE_ADMIN,
    fails=GONE,
    answers="EntitlementV2",
    status=201,
)
def override(
    request: Request, customer: CustomerKey, entitlement: EntitlementKey, body: EntitlementV2CreateInputs
) -> Answer:
    ports, found = _asked(request, customer)
    made = override_entitlement(request.tenant, found, entitlement, body.root, ports=ports)
    return http.created(entitlement_shown(made, found.key, ports.now()))


@routes.post(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/reset",
    "Reset the usage of a customer",
    scope=SCOPE_ADMIN,
    fails=GONE,
    status=204,
)
def reset(request: Request, customer: CustomerKey, entitlement: EntitlementKey, body: UsageReset) -> Answer:
    ports, found = _asked(request, customer)
    reset_usage(request.tenant, found, entitlement, body, ports=ports)
    return http.no_content()


@routes.get(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/value",
    "Get what a customer may use",
    scope=SCOPE_READ,
    fails=GONE,
    answers="EntitlementValueV2",
)
def value(request: Request[ValueQuery], customer: CustomerKey, entitlement: EntitlementKey) -> Answer:
    return _value(request, customer, entitlement, with_grants=True)


@routes.get(
    "/api/v1/customers/<customer>/entitlements/<feature>/value",
    "Get what a customer may use of a feature",
    scope=SCOPE_READ,
    fails=GONE,
    answers="EntitlementValue",
)
def value_of_feature(request: Request[ValueQuery], customer: CustomerKey, feature: FeatureKeyOfCustomer) -> Answer:
    return _value(request, customer, feature, with_grants=False)


@routes.get(
    "/api/v1/customers/<customer>/access",
    "Get all that a customer may use",
    scope=SCOPE_READ,
    fails=GONE,
    answers="CustomerAccess",
)
def access(request: Request, customer: CustomerKey) -> Answer:
    _, found = _asked(request, customer)
    every = entitlements.access_checker(request.tenant, found).of_all()
    return http.ok({"entitlements": {key: value_shown(each, with_grants=False) for key, each in every.items()}})


@routes.get(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/history",
    "Get the balance history of a customer",
    scope=SCOPE_READ,
    fails=GONE,
    costs="question",
    answers="WindowedBalanceHistory",
)
def history(request: Request[HistoryQuery], customer: CustomerKey, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, customer)
    query = request.query
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    checker = entitlements.access_checker(request.tenant, found)
    return http.ok(history_shown(checker.history(one, *query.range, query.size, query.zone)))


@routes.get(
    "/api/v2/customers/<customer>/entitlements/<entitlement>/late-events",
    "List what came after a usage period was closed",
    scope=SCOPE_READ,
    fails=GONE,
    costs="question",
    answers="LateUsageList",
)
def late_events(request: Request, customer: CustomerKey, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, customer)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    late = entitlements.access_checker(request.tenant, found).late(one)
    items = [{"period": period_shown(each.period), "usage": each.usage, "late": each.late} for each in late]
    return http.ok({"items": items})


@routes.get("/api/v2/entitlements", "List entitlements", scope=SCOPE_READ, answers="Paged[EntitlementV2]")
def list_all(request: Request[EntitlementsQuery]) -> Answer:
    query, tenant = request.query, request.tenant
    ports = entitlements.entitlement_ports()
    now = ports.now()
    wanted = EntitlementFilter(now, query.feature, query.entitlement_type, True, query.exclude_inactive)
    listing = ports.entitlements.listing(tenant)
    if query.customer_ids or query.customer_keys:
        customers = _named(tenant, [*query.customer_ids, *query.customer_keys], ports)
        every = [each for customer in customers for each in ports.entitlements.of_customer(tenant, customer.id)]
        listing = held([each for entitled in every for each in entitled.entitlements])
    shown = _with_customer_keys(tenant, ports)
    return http.ok(paged(request, order_listed(request, listing, shown, wanted.takes, ENTITLEMENT_ORDERS)))


@routes.get("/api/v2/entitlements/<entitlement>", "Get an entitlement", scope=SCOPE_READ, answers="EntitlementV2")
def get(request: Request, entitlement: EntitlementId) -> Answer:
    ports = entitlements.entitlement_ports()
    found = find_one(request.tenant, entitlement, ports)
    return http.ok(_with_customer_keys(request.tenant, ports)(found))


def find_one(tenant: str, entitlement_id: str, ports: EntitlementPorts) -> Entitlement:
    found = ports.entitlements.get(tenant, entitlement_id)
    if found is None:
        raise NotFound(f"There is no entitlement {entitlement_id[:100]!r}.", code="entitlement_not_found")
    return found


def _asked(request: Request[Any], customer: str) -> tuple[EntitlementPorts, EntitledCustomer]:
    ports = entitlements.entitlement_ports()
    return ports, customer_of_key(request.tenant, customer, ports.customers)


def _value(request: Request[ValueQuery], customer: str, key: str, *, with_grants: bool) -> Answer:
    """Of a feature that there is no entitlement to, it is that there is no access."""
    ports, found = _asked(request, customer)
    checker, at = entitlements.access_checker(request.tenant, found), request.query.time
    if is_ulid(key) and with_grants:
        one: Found = find_entitlement(request.tenant, found, key, ports=ports)
        return http.ok(value_shown(checker.of_one(one, at), with_grants=True))
    return http.ok(value_shown(checker.of_feature(key, at), with_grants=with_grants))


def _named(tenant: str, ids_or_keys: list[str], ports: EntitlementPorts) -> list[EntitledCustomer]:
    found = (ports.customers.entitled(tenant, each) for each in dict.fromkeys(ids_or_keys))
    return list({each.id: each for each in found if each is not None}.values())


def _with_customer_keys(tenant: str, ports: EntitlementPorts) -> Any:
    """Shows entitlements of several customers, each of whom is looked up once."""
    known: dict[str, str | None] = {}
    now = ports.now()

    def shown(entitlement: Entitlement) -> dict[str, Any]:
        customer = entitlement.customer_id
        if customer not in known:
            known.update(ports.customers.keys_of(tenant, [customer]))
        return entitlement_shown(entitlement, known.get(customer), now)

    return shown
