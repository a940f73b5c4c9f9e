"""The first version of the API for entitlements: by a subject, which stands for the customer who has it."""

from typing import Annotated, Any

from pydantic import RootModel

from functions.application.entitlements.create_entitlement import (
    create_entitlement,
    delete_entitlement,
    override_entitlement,
)
from functions.application.entitlements.find_entitlement import (
    EntitlementPorts,
    customer_of_subject,
    find_entitlement,
    require_present,
)
from functions.application.entitlements.grant_usage import create_grant, reset_usage
from functions.application.ports.entitlements import EntitledCustomer
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.entitlements.entitlement_create import EntitlementCreate, GrantCreate, UsageReset
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import RouteQuery, flag, sorted_by
from functions.handlers.edge.routes import Routes
from functions.handlers.entitlements.entitlement_json import (
    history_shown,
    subject_entitlement_shown,
    subject_grant_shown,
    value_shown,
)
from functions.handlers.entitlements.entitlement_query import (
    ENTITLEMENT_ORDERS,
    GRANT_ORDERS,
    DeletedQuery,
    EntitlementFilter,
    HistoryQuery,
    SubjectEntitlementsQuery,
    ValueQuery,
    bare_or_paged,
    held,
    order_listed,
)
from functions.handlers.entitlements.http_entitlements import GONE, EntitlementId, EntitlementKey, find_one
from functions.handlers.entitlements.http_grants import grants_of
from functions.handlers.wiring import entitlements
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

Subject = Annotated[str, "A subject of a customer."]
OF_SUBJECT = "/api/v1/subjects/<subject>/entitlements"


class EntitlementCreateInputs(RootModel[EntitlementCreate]):
    """By its type."""


@routes.post(
    OF_SUBJECT, "Entitle a subject to a feature", scope=SCOPE_ADMIN, fails=GONE, answers="Entitlement", status=201
)
def create(request: Request, subject: Subject, body: EntitlementCreateInputs) -> Answer:
    ports, found = _asked(request, subject)
    made = create_entitlement(request.tenant, found, body.root, ports=ports)
    return http.created(subject_entitlement_shown(made, subject, ports.now()))


@routes.get(OF_SUBJECT, "List the entitlements of a subject", scope=SCOPE_READ, answers="Each[Entitlement]")
def list_of_subject(request: Request[DeletedQuery], subject: Subject) -> Answer:
    ports, found = _asked(request, subject)
    now = ports.now()
    every = (each for one in ports.entitlements.of_customer(request.tenant, found.id) for each in one.entitlements)
    shown = [each for each in every if request.query.include_deleted or not each.is_deleted]
    return http.ok([subject_entitlement_shown(each, subject, now) for each in sorted(shown, key=_created)])


@routes.get(f"{OF_SUBJECT}/<entitlement>", "Get an entitlement of a subject", scope=SCOPE_READ, answers="Entitlement")
def get(request: Request, subject: Subject, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, subject)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    return http.ok(subject_entitlement_shown(one.entitlement, subject, ports.now()))


@routes.delete(f"{OF_SUBJECT}/<entitlement>", "Delete an entitlement of a subject", scope=SCOPE_ADMIN)
def delete(request: Request, subject: Subject, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, subject)
    delete_entitlement(request.tenant, found, entitlement, ports=ports)
    return http.no_content()


@routes.put(
    f"{OF_SUBJECT}/<entitlement>/override",
    "Override an entitlement of a subject",
    scope=SCOPE_ADMIN,
    fails=GONE,
    answers="Entitlement",
    status=201,
)
def override(request: Request, subject: Subject, entitlement: EntitlementKey, body: EntitlementCreateInputs) -> Answer:
    ports, found = _asked(request, subject)
    made = override_entitlement(request.tenant, found, entitlement, body.root, ports=ports)
    return http.created(subject_entitlement_shown(made, subject, ports.now()))


@routes.get(
    f"{OF_SUBJECT}/<entitlement>/value",
    "Get what a subject may use",
    scope=SCOPE_READ,
    fails=GONE,
    answers="EntitlementValue",
)
def value(request: Request[ValueQuery], subject: Subject, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, subject)
    require_present(found)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    checker = entitlements.access_checker(request.tenant, found)
    return http.ok(value_shown(checker.of_one(one, request.query.time), with_grants=False))


@routes.get(
    f"{OF_SUBJECT}/<entitlement>/history",
    "Get the balance history of a subject",
    scope=SCOPE_READ,
    fails=GONE,
    costs="question",
    answers="WindowedBalanceHistory",
)
def history(request: Request[HistoryQuery], subject: Subject, entitlement: EntitlementKey) -> Answer:
    ports, found = _asked(request, subject)
    query = request.query
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    checker = entitlements.access_checker(request.tenant, found)
    return http.ok(history_shown(checker.history(one, *query.range, query.size, query.zone)))


@routes.post(
    f"{OF_SUBJECT}/<entitlement>/reset", "Reset the usage of a subject", scope=SCOPE_ADMIN, fails=GONE, status=204
)
def reset(request: Request, subject: Subject, entitlement: EntitlementKey, body: UsageReset) -> Answer:
    ports, found = _asked(request, subject)
    reset_usage(request.tenant, found, entitlement, body, ports=ports)
    return http.no_content()


@routes.post(
    f"{OF_SUBJECT}/<entitlement>/grants",
    "Grant a subject more",
    scope=SCOPE_ADMIN,
    fails=GONE,
    answers="EntitlementGrant",
    status=201,
)
def grant(request: Request, subject: Subject, entitlement: EntitlementKey, body: GrantCreate) -> Answer:
    ports, found = _asked(request, subject)
    holder, made = create_grant(request.tenant, found, entitlement, body, ports=ports)
    return http.created(subject_grant_shown(made, holder.id, ports.now()))


class SubjectEntitlementGrantsQuery(RouteQuery):
    include_deleted = flag("List voided ones too.")
    order_by = sorted_by(GRANT_ORDERS, "updatedAt")


@routes.get(
    f"{OF_SUBJECT}/<entitlement>/grants",
    "List the grants of a subject's entitlement",
    scope=SCOPE_READ,
    answers="Each[EntitlementGrant]",
)
def list_grants(
    request: Request[SubjectEntitlementGrantsQuery], subject: Subject, entitlement: EntitlementKey
) -> Answer:
    ports, found = _asked(request, subject)
    one = find_entitlement(request.tenant, found, entitlement, ports=ports)
    grants = sorted(grants_of(one), key=GRANT_ORDERS[request.query.order_by])
    shown = [each for each in grants if request.query.include_deleted or each.grant.voided_at is None]
    return http.ok([subject_grant_shown(each.grant, each.entitlement_id, ports.now()) for each in shown])


@routes.get(
    "/api/v1/entitlements", "List entitlements by subject", scope=SCOPE_READ, answers="EachOrPaged[Entitlement]"
)
def list_all(request: Request[SubjectEntitlementsQuery]) -> Answer:
    query, tenant = request.query, request.tenant
    ports = entitlements.entitlement_ports()
    wanted = EntitlementFilter(ports.now(), query.feature, query.entitlement_type, True, query.exclude_inactive)
    listing = ports.entitlements.listing(tenant)
    if query.subject:
        named = (ports.customers.entitled_by_subject(tenant, each) for each in query.subject)
        customers = {each.id for each in named if each is not None}
        every = [one for each in customers for one in ports.entitlements.of_customer(tenant, each)]
        listing = held([each for one in every for each in one.entitlements])
    shown = _with_subjects(tenant, ports)
    return http.ok(bare_or_paged(request, order_listed(request, listing, shown, wanted.takes, ENTITLEMENT_ORDERS)))


@routes.get("/api/v1/entitlements/<entitlement>", "Get an entitlement by id", scope=SCOPE_READ, answers="Entitlement")
def get_by_id(request: Request, entitlement: EntitlementId) -> Answer:
    ports = entitlements.entitlement_ports()
    return http.ok(_with_subjects(request.tenant, ports)(find_one(request.tenant, entitlement, ports)))


def _asked(request: Request[Any], subject: str) -> tuple[EntitlementPorts, EntitledCustomer]:
    ports = entitlements.entitlement_ports()
    return ports, customer_of_subject(request.tenant, subject, ports.customers)


def _created(entitlement: Entitlement) -> Any:
    return entitlement.created_at, entitlement.id


def _with_subjects(tenant: str, ports: EntitlementPorts) -> Any:
    """Shows entitlements of several customers, each with one subject of theirs."""
    known: dict[str, str] = {}
    now = ports.now()

    def shown(entitlement: Entitlement) -> dict[str, Any]:
        customer = entitlement.customer_id
        if customer not in known:
            found = ports.customers.entitled(tenant, customer)
            known[customer] = next(iter(found.subjects if found else ()), customer)
        return subject_entitlement_shown(entitlement, known[customer], now)

    return shown
