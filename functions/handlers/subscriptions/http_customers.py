"""/api/v1/customers: create, get, list, replace and delete customers."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.find_customer import ORDERS, CustomerFilter, find_customer
from functions.application.subscriptions.manage_customer import create_customer, delete_customer, replace_customer
from functions.domain.metering.values.holding import Holding
from functions.domain.subscriptions.customer import Customer, CustomerWish
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.edge.query_string import refused
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

EVER = datetime.fromtimestamp(0, UTC)


@router.post("/api/v1/customers")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    customer = create_customer(
        request.tenant,
        request.body(CustomerWish),
        customers=subscriptions.customers(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(customer.wire())


@router.get("/api/v1/customers")
def list_all() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    if query.text("planKey") is not None:
        raise refused("planKey", "is not supported yet; filter the subscriptions instead.")
    wanted = CustomerFilter(
        key=query.text("key"),
        name=query.text("name"),
        primary_email=query.text("primaryEmail"),
        subject=query.text("subject"),
    )
    query.choice("orderBy", tuple(ORDERS), "id")
    listed = Listed(
        subscriptions.customers().listing(request.tenant, with_deleted=query.flag("includeDeleted")),
        Customer.wire,
        wanted.matches if wanted.asks else None,
        order_of(request, ORDERS, AS_CREATED),
        query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/customers/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    customer = find_customer(request.tenant, http.path_value(id_or_key), customers=subscriptions.customers()).record
    return http.ok(_with_subscription(request.tenant, customer))


@router.get("/api/v1/customers/<id_or_key>/attribution")
def list_attribution(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    customers = subscriptions.customers()
    customer = find_customer(request.tenant, http.path_value(id_or_key), customers=customers).record
    held = customers.holdings(request.tenant, [customer.id])[customer.id]
    listing = HeldListing(held, lambda each: f"{each.seconds[0]:012}{each.subject}")
    return http.ok(by_cursor_or_number(request, Listed(listing, _holding)))


@router.put("/api/v1/customers/<id_or_key>")
def replace(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wanted = http.path_value(id_or_key)

    def shown() -> dict[str, Any]:
        found = find_customer(request.tenant, wanted, customers=subscriptions.customers()).record
        return _with_subscription(request.tenant, found)

    customer = replace_customer(
        request.tenant,
        wanted,
        request.replacement(CustomerWish, Customer, shown),
        customers=subscriptions.customers(),
        clock=base.clock(),
    )
    return http.ok(_with_subscription(request.tenant, customer))


@router.delete("/api/v1/customers/<id_or_key>")
def delete(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    delete_customer(
        request.tenant,
        http.path_value(id_or_key),
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
