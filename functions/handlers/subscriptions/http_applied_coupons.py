"""Routes of the coupons that customers and subscriptions have: give one, look, take it away."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.apply_coupon import CouponHolder
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.wire import WireModel
from functions.handlers.catalog.coupon_json import applied_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey, SubscriptionId
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.query_model import Paged, flag
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

CustomerCouponId = Annotated[str, "The `id` in the list of the customer's coupons."]
SubscriptionCouponId = Annotated[str, "The `id` in the list of the subscription's coupons."]

FindHolder = Callable[[str, str], CouponHolder]


class AppliedCouponCreate(WireModel):
    """The id or the key of a coupon."""

    coupon: Annotated[str, Field(min_length=1, max_length=64)]


@routes.post(
    "/api/v1/customers/<id_or_key>/coupons",
    "Give a customer a coupon",
    scope=SCOPE_ADMIN,
    answers="AppliedCoupon",
    status=201,
)
def give_customer(request: Request, id_or_key: CustomerKey, body: AppliedCouponCreate) -> Answer:
    return _give(request, body, subscriptions.applied_coupons().of_customer, id_or_key)


class AppliedQuery(Paged):
    include_removed = flag("List coupons that were taken away too.")


@routes.get(
    "/api/v1/customers/<id_or_key>/coupons",
    "List a customer's coupons",
    scope=SCOPE_READ,
    answers="Paged[AppliedCoupon]",
)
def list_of_customer(request: Request[AppliedQuery], id_or_key: CustomerKey) -> Answer:
    """Coupons of the customer's subscriptions are not listed here, but with each subscription."""
    return _list(request, subscriptions.applied_coupons().of_customer, id_or_key)


@routes.delete("/api/v1/customers/<id_or_key>/coupons/<applied_id>", "Take a coupon from a customer", scope=SCOPE_ADMIN)
def take_from_customer(request: Request, id_or_key: CustomerKey, applied_id: CustomerCouponId) -> Answer:
    return _take(request, subscriptions.applied_coupons().of_customer, id_or_key, applied_id)


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/coupons",
    "Give a subscription a coupon",
    scope=SCOPE_ADMIN,
    answers="AppliedCoupon",
    status=201,
)
def give_subscription(request: Request, subscription_id: SubscriptionId, body: AppliedCouponCreate) -> Answer:
    return _give(request, body, subscriptions.applied_coupons().of_subscription, subscription_id)


@routes.get(
    "/api/v1/subscriptions/<subscription_id>/coupons",
    "List a subscription's coupons",
    scope=SCOPE_READ,
    answers="Paged[AppliedCoupon]",
)
def list_of_subscription(request: Request[AppliedQuery], subscription_id: SubscriptionId) -> Answer:
    return _list(request, subscriptions.applied_coupons().of_subscription, subscription_id)


@routes.delete(
    "/api/v1/subscriptions/<subscription_id>/coupons/<applied_id>",
    "Take a coupon from a subscription",
    scope=SCOPE_ADMIN,
)
def take_from_subscription(
    request: Request, subscription_id: SubscriptionId, applied_id: SubscriptionCouponId
) -> Answer:
    return _take(request, subscriptions.applied_coupons().of_subscription, subscription_id, applied_id)


def _give(request: Request, choice: AppliedCouponCreate, find: FindHolder, in_path: str) -> Answer:
    holder = find(request.tenant, in_path)
    applied = subscriptions.applied_coupons().apply(request.tenant, holder, choice.coupon, by=request.caller.key_id)
    return http.created(_shown(applied))


def _list(request: Request[AppliedQuery], find: FindHolder, in_path: str) -> Answer:
    holder = find(request.tenant, in_path)
    with_removed = request.query.include_removed
    every = subscriptions.applied_coupons().list_all(request.tenant, holder)
    found = [each for each in every if with_removed or each.removed_at is None]
    return http.ok(by_cursor_or_number(request, Listed(HeldListing(found, lambda each: each.id), _shown)))


def _take(request: Request, find: FindHolder, in_path: str, applied_id: str) -> Answer:
    subscriptions.applied_coupons().remove(
        request.tenant,
        find(request.tenant, in_path),
        applied_id,
        by=request.caller.key_id,
    )
    return http.no_content()


def _shown(applied: AppliedCoupon) -> dict[str, Any]:
    return applied_shown(applied, base.clock().now())
