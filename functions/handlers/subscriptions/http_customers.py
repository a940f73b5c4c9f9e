"""/api/v1/customers: create, get, list, replace and delete customers."""

from datetime import UTC, datetime
from typing import Any

from functions.application.held_listing import HeldListing
from functions.application.ports.listing import Listing
from functions.application.subscriptions.find_customer import (
    CUSTOMER_ORDERS,
    CustomerFilter,
    customers_named,
    find_customer,
)
from functions.application.subscriptions.manage_customer import create_customer, delete_customer, replace_customer
from functions.domain.metering.values.holding import Holding
from functions.domain.subscriptions.customer import Customer, CustomerCreate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.in_path import CustomerKey
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.edge.query_model import (
    Kind,
    Paged,
    Parameter,
    RouteQuery,
    Sorted,
    flag,
    sorted_by,
    text,
    texts,
    unused,
)
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()


EVER = datetime.fromtimestamp(0, UTC)
MAX_LOOKED_UP = 100  # by one read of the store


@routes.post("/api/v1/customers", "Create a customer", scope=SCOPE_ADMIN, answers="Customer", status=201)
def create(request: Request, body: CustomerCreate) -> Answer:
    customer = create_customer(
        request.tenant,
        body,
        customers=subscriptions.customers(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(customer.wire())


def _part(field: str) -> Parameter[str | None]:
    return text(f"Only customers whose {field} contains this text, in any case.")


class CustomerQuery(Sorted, Paged):
    order_by = sorted_by(CUSTOMER_ORDERS, "id")
    include_deleted = flag("List deleted ones too.")
    key = _part("key")
    name = _part("name")
    primary_email = _part("e-mail address")
    subject = text("Only customers one of whose subjects contains this text, in any case.")
    keys = texts(
        f"Only the customer with exactly this key, looked up; said again for up to {MAX_LOOKED_UP}.", MAX_LOOKED_UP
    )
    subjects = texts(
        f"Only the customer who has exactly this subject now, looked up; said again for up to {MAX_LOOKED_UP}.",
        MAX_LOOKED_UP,
    )
    plan_key = text("Not supported yet: a value is refused.")
    expand = unused(Kind.LIST)


@routes.get("/api/v1/customers", "List customers", scope=SCOPE_READ, answers="Paged[Customer]")
def list_all(request: Request[CustomerQuery]) -> Answer:
    query = request.query
    if query.plan_key is not None:
        raise refused("planKey", "is not supported yet; filter the subscriptions instead.")
    wanted = CustomerFilter(
        key=query.key,
        name=query.name,
        primary_email=query.primary_email,
        subject=query.subject,
    )
    listed = Listed(
        _listing(request, wanted),
        Customer.wire,
        wanted.matches if wanted.asks else None,
        order_of(request, CUSTOMER_ORDERS, AS_CREATED),
        query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


def _listing(request: Request[CustomerQuery], wanted: CustomerFilter) -> Listing[Customer]:
    query, customers = request.query, subscriptions.customers()
    if not query.keys and not query.subjects:
        return customers.listing(request.tenant, with_deleted=query.include_deleted, saying=wanted.parts)
    if query.include_deleted:
        raise refused("includeDeleted", "does not go with keys and subjects: a deleted customer has none any more.")
    found = customers_named(request.tenant, query.keys, query.subjects, customers=customers)
    return HeldListing(found, lambda customer: customer.id)


class OneCustomerQuery(RouteQuery):
    expand = unused(Kind.LIST)


@routes.get("/api/v1/customers/<id_or_key>", "Get a customer", scope=SCOPE_READ, answers="Customer")
def get(request: Request[OneCustomerQuery], id_or_key: CustomerKey) -> Answer:
    customer = find_customer(request.tenant, id_or_key, customers=subscriptions.customers()).record
    return http.ok(_with_subscription(request.tenant, customer))


@routes.get(
    "/api/v1/customers/<id_or_key>/attribution",
    "List the subjects a customer has had",
    scope=SCOPE_READ,
    answers="Paged[CustomerAttribution]",
)
def list_attribution(request: Request[Paged], id_or_key: CustomerKey) -> Answer:
    customers = subscriptions.customers()
    customer = find_customer(request.tenant, id_or_key, customers=customers).record
    held = customers.holdings(request.tenant, [customer.id])[customer.id]
    listing = HeldListing(held, lambda each: f"{each.seconds[0]:012}{each.subject}")
    return http.ok(by_cursor_or_number(request, Listed(listing, _holding)))


@routes.put("/api/v1/customers/<id_or_key>", "Replace a customer", scope=SCOPE_ADMIN, answers="Customer")
def replace(request: Request, id_or_key: CustomerKey, body: Replacement[CustomerCreate]) -> Answer:
    def shown() -> dict[str, Any]:
        found = find_customer(request.tenant, id_or_key, customers=subscriptions.customers()).record
        return _with_subscription(request.tenant, found)

    customer = replace_customer(
        request.tenant,
        id_or_key,
        body.over(Customer, shown),
        customers=subscriptions.customers(),
        clock=base.clock(),
    )
    return http.ok(_with_subscription(request.tenant, customer))


@routes.delete("/api/v1/customers/<id_or_key>", "Delete a customer", scope=SCOPE_ADMIN)
def delete(request: Request, id_or_key: CustomerKey) -> Answer:
    delete_customer(
        request.tenant,
        id_or_key,
        customers=subscriptions.customers(),
        subscriptions=subscriptions.subscriptions(),
        clock=base.clock(),
    )
    return http.no_content()


def _holding(holding: Holding) -> dict[str, Any]:
    """What was never another's is held since the beginning of time."""
    since = holding.held_from or EVER
    return http.without_none({"subject": holding.subject, "from": since, "to": holding.held_to})


def _with_subscription(tenant: str, customer: Customer) -> dict[str, Any]:
    subscription_id = _subscription_id(tenant, customer.id, base.clock().now())
    return http.without_none({**customer.wire(), "currentSubscriptionId": subscription_id})


def _subscription_id(tenant: str, customer_id: str, now: datetime) -> str | None:
    """The first of a customer's subscriptions that is running, or else the first that will."""
    known = subscriptions.subscriptions().tenures(tenant, customer_id).tenures
    left = [each for each in known if not each.is_over(now)]
    first = min(left, key=lambda each: (not each.is_on(now), each.starts_at, each.subscription_id), default=None)
    return first.subscription_id if first else None
