"""Routes of subscriptions: subscribe, look, edit, change, cancel."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.cancel_subscription import (
    cancel_subscription,
    delete_subscription,
    restore_subscription,
    unschedule_cancellation,
)
from functions.application.subscriptions.change_subscription import Changed
from functions.application.subscriptions.create_subscription import SubscriptionWish, create_subscription
from functions.application.subscriptions.find_subscriptions import SubscriptionFilter
from functions.application.subscriptions.write_subscriptions import subscription_not_found
from functions.domain.errors import NotFound
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, Order, by_cursor_or_number, order_of
from functions.handlers.edge.query_string import refused
from functions.handlers.subscriptions.subscription_body import (
    SubscriptionCancel,
    SubscriptionCreate,
)
from functions.handlers.subscriptions.subscription_json import expanded, shown
from functions.handlers.subscriptions.subscription_verbs import change_of, changed, migration_of, replace_in
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

VERSION = re.compile(r"[1-9][0-9]{0,8}")

router = Router()  # type: ignore[no-untyped-call]


@router.post("/api/v1/subscriptions")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(SubscriptionCreate)
    subscription = create_subscription(
        request.tenant,
        SubscriptionWish(plan=body.choice, customer=body.customer, timing=body.timing, terms=body.terms),
        accept_past=timedelta(days=settings.accept_past_days()),
        catalogue=subscriptions.catalogue(),
        subscriptions=subscriptions.subscriptions(),
        customers=subscriptions.billed_customers(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(shown(subscription, base.clock().now()))


@router.get("/api/v1/subscriptions")
def list_all() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    query, now = request.query, base.clock().now()
    wanted = SubscriptionFilter(
        plan_key=query.text("planKey"),
        plan_version=_version(query.text("planVersion")),
        statuses=_statuses(request),
        customer_id=_customer_id(request.tenant, query.text("customerId")),
        phase=query.text("phase"),
    )
    store, customer_id = subscriptions.subscriptions(), wanted.customer_id
    query.choice("orderBy", ("id", *ORDERS), "id")
    listed = Listed(
        store.listing(request.tenant)
        if customer_id is None
        else HeldListing(store.of_customer(request.tenant, customer_id), lambda each: each.id),
        lambda each: shown(each, now),
        (lambda each: wanted.matches(each, now)) if wanted.asks else None,
        order_of(request, ORDERS, AS_CREATED),
        query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


def _version(text: str | None) -> int | None:
    if text is not None and not VERSION.fullmatch(text):
        raise refused("planVersion", "is a whole number from 1 on.")
    return None if text is None else int(text)


def _statuses(request: http.Request) -> frozenset[str]:
    statuses = frozenset(request.query.texts("status"))
    if statuses - {status.value for status in SubscriptionStatus}:
        raise refused("status", f"is one of {', '.join(SubscriptionStatus)}.")
    return statuses


@router.get("/api/v1/subscriptions/<subscription_id>")
def get(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    found = subscriptions.subscriptions().get(request.tenant, http.path_value(subscription_id))
    if found is None:
        raise subscription_not_found(subscription_id)
    return http.ok(expanded(found, request.query.instant("at") or base.clock().now()))


@router.delete("/api/v1/subscriptions/<subscription_id>")
def delete(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    delete_subscription(
        request.tenant,
        http.path_value(subscription_id),
        subscriptions=subscriptions.subscriptions(),
        clock=base.clock(),
    )
    return http.no_content()


@router.post("/api/v1/subscriptions/<subscription_id>/cancel")
def cancel(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    timing = request.body(SubscriptionCancel).timing if request.has_body else "immediate"
    return changed(request, subscription_id, cancel_subscription, timing)


@router.post("/api/v1/subscriptions/<subscription_id>/unschedule-cancelation")
def unschedule(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return changed(request, subscription_id, unschedule_cancellation)


@router.post("/api/v1/subscriptions/<subscription_id>/restore")
def restore(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return changed(request, subscription_id, restore_subscription)


@router.post("/api/v1/subscriptions/<subscription_id>/change")
def change(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _replaced(request, subscription_id, *change_of(request))


@router.post("/api/v1/subscriptions/<subscription_id>/migrate")
def migrate(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _replaced(request, subscription_id, *migration_of(request))


def _customer_id(tenant: str, id_or_key: str | None) -> str | None:
    """Of a deleted one too, by id; raises NotFound."""
    if id_or_key is None:
        return None
    customers = subscriptions.billed_customers()
    found = customers.billed(tenant, id_or_key) or customers.find(tenant, id_or_key)
    if found is None:
        raise NotFound(f"There is no customer {id_or_key[:100]!r}.", code="customer_not_found")
    return found.id


def _replaced(request: http.Request, subscription_id: str, verb: Callable[..., Changed], *asked: Any) -> Answer:
    """The answer of one verb that puts another subscription in the place of one."""
    replaced = replace_in(subscriptions.subscriptions(), request, subscription_id, verb, asked)
    now = base.clock().now()
    return http.ok({"current": shown(replaced.current, now), "next": expanded(replaced.following, now)})


@router.get("/api/v1/customers/<id_or_key>/subscriptions")
def list_of_customer(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    now = base.clock().now()
    customer = subscriptions.billed_customers().find(request.tenant, http.path_value(id_or_key))
    if customer is None:
        raise NotFound(f"There is no customer {id_or_key!r}.", code="customer_not_found")
    statuses = _statuses(request)
    by = request.query.choice("orderBy", ("activeFrom", "activeTo"), "activeFrom")
    listed = Listed(
        HeldListing(subscriptions.subscriptions().of_customer(request.tenant, customer.id), lambda each: each.id),
        lambda each: shown(each, now),
        (lambda each: each.status(now) in statuses) if statuses else None,
        Order(ORDERS[by], request.query.text("orderBy")),
        request.query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


def _by_start(subscription: Subscription) -> tuple[datetime, str]:
    return subscription.active_from, subscription.id


def _by_end(subscription: Subscription) -> tuple[bool, datetime, str]:
    """Those without an end come last."""
    return subscription.active_to is None, subscription.active_to or subscription.active_from, subscription.id


ORDERS: dict[str, Callable[[Subscription], Any]] = {"activeFrom": _by_start, "activeTo": _by_end}
