"""Routes of subscriptions: subscribe, look, edit, change, cancel."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.cancel_subscription import (
    cancel_subscription,
    delete_subscription,
    restore_subscription,
    unschedule_cancellation,
)
from functions.application.subscriptions.change_subscription import Changed
from functions.application.subscriptions.create_subscription import NewSubscription, create_subscription
from functions.application.subscriptions.find_customer import customer_not_found, find_billed_customer
from functions.application.subscriptions.find_subscriptions import SubscriptionFilter
from functions.application.subscriptions.write_subscriptions import subscription_not_found
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey, SubscriptionId
from functions.handlers.edge.listing import AS_CREATED, Listed, Order, by_cursor_or_number, order_of
from functions.handlers.edge.query_model import (
    ANY,
    Paged,
    Parameter,
    RouteQuery,
    Sorted,
    instant,
    named,
    sorted_by,
    text,
    texts,
)
from functions.handlers.edge.query_string import Query, refused
from functions.handlers.edge.routes import Routes
from functions.handlers.subscriptions.subscription_body import (
    SubscriptionCancel,
    SubscriptionChange,
    SubscriptionCreate,
    SubscriptionMigrate,
)
from functions.handlers.subscriptions.subscription_json import expanded, shown
from functions.handlers.subscriptions.subscription_verbs import change_of, changed, migration_of, replace_in
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

VERSION = re.compile(r"[1-9][0-9]{0,8}")


@routes.post("/api/v1/subscriptions", "Create a subscription", scope=SCOPE_ADMIN, answers="Subscription", status=201)
def create(request: Request, body: SubscriptionCreate) -> Answer:
    subscription = create_subscription(
        request.tenant,
        NewSubscription(plan=body.choice, customer=body.customer, timing=body.timing, terms=body.terms),
        accept_past=timedelta(days=settings.accept_past_days()),
        catalogue=subscriptions.catalogue(),
        subscriptions=subscriptions.subscriptions(),
        customers=subscriptions.billed_customers(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(shown(subscription, base.clock().now()))


def _by_start(subscription: Subscription) -> tuple[datetime, str]:
    return subscription.active_from, subscription.id


def _by_end(subscription: Subscription) -> tuple[bool, datetime, str]:
    """Those without an end come last."""
    return subscription.active_to is None, subscription.active_to or subscription.active_from, subscription.id


SUBSCRIPTION_ORDERS: dict[str, Callable[[Subscription], Any]] = {"activeFrom": _by_start, "activeTo": _by_end}


def version(says: str) -> Parameter[int | None]:
    def read(query: Query, name: str) -> int | None:
        found = query.text(name)
        if found is not None and not VERSION.fullmatch(found):
            raise refused(name, "is a whole number from 1 on.")
        return None if found is None else int(found)

    return Parameter(says, read, {"type": "integer", "minimum": 1})


class SubscriptionQuery(Sorted, Paged):
    order_by = sorted_by(
        ("id", *SUBSCRIPTION_ORDERS), "id", "What the list is sorted by: `id` is the order in which they were made."
    )
    plan_key = text("Only subscriptions to versions of the plan with this key.")
    plan_version = version("Only subscriptions to this version of their plan.")
    status = texts(f"Only subscriptions with this status; {ANY}.", among=SubscriptionStatus)
    customer_id = text("Only subscriptions of the customer with this id or key.")
    phase = text("Only subscriptions whose phase now has this key.")


@routes.get("/api/v1/subscriptions", "List subscriptions", scope=SCOPE_READ, answers="Paged[Subscription]")
def list_all(request: Request[SubscriptionQuery]) -> Answer:
    query, now = request.query, base.clock().now()
    wanted = SubscriptionFilter(
        plan_key=query.plan_key,
        plan_version=query.plan_version,
        statuses=frozenset(query.status),
        customer_id=_customer_id(request.tenant, query.customer_id),
        phase=query.phase,
    )
    store, customer_id = subscriptions.subscriptions(), wanted.customer_id
    listed = Listed(
        store.listing(request.tenant)
        if customer_id is None
        else HeldListing(store.of_customer(request.tenant, customer_id), lambda each: each.id),
        lambda each: shown(each, now),
        (lambda each: wanted.matches(each, now)) if wanted.asks else None,
        order_of(request, SUBSCRIPTION_ORDERS, AS_CREATED),
        query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


class OneSubscriptionQuery(RouteQuery):
    at = instant("The instant for which status, items and billing period are shown; now unless given.")


@routes.get(
    "/api/v1/subscriptions/<subscription_id>", "Get a subscription", scope=SCOPE_READ, answers="SubscriptionExpanded"
)
def get(request: Request[OneSubscriptionQuery], subscription_id: SubscriptionId) -> Answer:
    found = subscriptions.subscriptions().get(request.tenant, subscription_id)
    if found is None:
        raise subscription_not_found(subscription_id)
    return http.ok(expanded(found, request.query.at or base.clock().now()))


@routes.delete("/api/v1/subscriptions/<subscription_id>", "Delete a scheduled subscription", scope=SCOPE_ADMIN)
def delete(request: Request, subscription_id: SubscriptionId) -> Answer:
    delete_subscription(
        request.tenant,
        subscription_id,
        subscriptions=subscriptions.subscriptions(),
        clock=base.clock(),
    )
    return http.no_content()


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/cancel", "Cancel a subscription", scope=SCOPE_ADMIN, answers="Subscription"
)
def cancel(request: Request, subscription_id: SubscriptionId, body: SubscriptionCancel | None) -> Answer:
    return changed(request, subscription_id, cancel_subscription, body.timing if body else "immediate")


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/unschedule-cancelation",
    "Take back a cancellation",
    scope=SCOPE_ADMIN,
    answers="Subscription",
)
def unschedule(request: Request, subscription_id: SubscriptionId) -> Answer:
    return changed(request, subscription_id, unschedule_cancellation)


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/restore",
    "Restore a subscription",
    scope=SCOPE_ADMIN,
    answers="Subscription",
)
def restore(request: Request, subscription_id: SubscriptionId) -> Answer:
    return changed(request, subscription_id, restore_subscription)


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/change",
    "Change the plan of a subscription",
    scope=SCOPE_ADMIN,
    answers="SubscriptionChangeResponseBody",
)
def change(request: Request, subscription_id: SubscriptionId, body: SubscriptionChange) -> Answer:
    return _replaced(request, subscription_id, *change_of(body))


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/migrate",
    "Migrate a subscription to another version",
    scope=SCOPE_ADMIN,
    answers="SubscriptionChangeResponseBody",
)
def migrate(request: Request, subscription_id: SubscriptionId, body: SubscriptionMigrate | None) -> Answer:
    return _replaced(request, subscription_id, *migration_of(body))


def _customer_id(tenant: str, id_or_key: str | None) -> str | None:
    """Of a deleted one too, by id; raises NotFound."""
    if id_or_key is None:
        return None
    return find_billed_customer(tenant, id_or_key, customers=subscriptions.billed_customers()).id


def _replaced(request: Request, subscription_id: str, verb: Callable[..., Changed], *asked: Any) -> Answer:
    """The answer of one verb that puts another subscription in the place of one."""
    replaced = replace_in(subscriptions.subscriptions(), request, subscription_id, verb, asked)
    now = base.clock().now()
    return http.ok({"current": shown(replaced.current, now), "next": expanded(replaced.following, now)})


class CustomerSubscriptionQuery(Sorted, Paged):
    order_by = sorted_by(
        SUBSCRIPTION_ORDERS,
        "activeFrom",
        "Sorted by beginning or by end; subscriptions without an end come after all others.",
    )
    status = texts(f"Only subscriptions that now are {named(SubscriptionStatus)}; {ANY}.", among=SubscriptionStatus)


@routes.get(
    "/api/v1/customers/<id_or_key>/subscriptions",
    "List a customer's subscriptions",
    scope=SCOPE_READ,
    answers="Paged[Subscription]",
)
def list_of_customer(request: Request[CustomerSubscriptionQuery], id_or_key: CustomerKey) -> Answer:
    now = base.clock().now()
    customer = subscriptions.billed_customers().find(request.tenant, id_or_key)
    if customer is None:
        raise customer_not_found(id_or_key)
    statuses, by = frozenset(request.query.status), request.query.order_by
    listed = Listed(
        HeldListing(subscriptions.subscriptions().of_customer(request.tenant, customer.id), lambda each: each.id),
        lambda each: shown(each, now),
        (lambda each: each.status(now) in statuses) if statuses else None,
        Order(SUBSCRIPTION_ORDERS[by], request.query.text("orderBy")),
        request.query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))
