"""Routes of coupons: create, look, archive; give one to a customer or a subscription and take it away."""

from collections.abc import Callable
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field

from functions.application.catalog.manage_coupon import archive_coupon, create_coupon, find_coupon
from functions.application.held_listing import HeldListing
from functions.application.subscriptions.apply_coupon import CouponHolder
from functions.domain.catalog.coupon import AppliedCoupon, Coupon, CouponWish
from functions.domain.wire import WireModel
from functions.handlers.catalog.coupon_json import applied_shown, coupon_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

ORDERS: dict[str, Callable[[Coupon], Any]] = {
    "id": lambda coupon: coupon.id,
    "key": lambda coupon: coupon.key,
    "name": lambda coupon: coupon.name,
    "createdAt": lambda coupon: coupon.created_at,
}

FindHolder = Callable[[str, str], CouponHolder]


class CouponChoice(WireModel):
    """The id or the key of a coupon."""

    coupon: Annotated[str, Field(min_length=1, max_length=64)]


@router.post("/api/v1/coupons")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    coupon = create_coupon(
        request.tenant,
        request.body(CouponWish),
        by=request.caller.key_id,
        coupons=subscriptions.coupons(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(coupon_shown(coupon))


@router.get("/api/v1/coupons")
def list_all() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    with_archived = request.query.flag("includeArchived")
    request.query.choice("orderBy", tuple(ORDERS), "id")
    listed = Listed(
        subscriptions.coupons().listing(request.tenant, with_archived=with_archived),
        coupon_shown,
        order=order_of(request, ORDERS, AS_CREATED),
        descending=request.query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/coupons/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(
        coupon_shown(find_coupon(request.tenant, http.path_value(id_or_key), coupons=subscriptions.coupons()))
    )


@router.post("/api/v1/coupons/<id_or_key>/archive")
def archive(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    coupon = archive_coupon(
        request.tenant,
        http.path_value(id_or_key),
        by=request.caller.key_id,
        coupons=subscriptions.coupons(),
        clock=base.clock(),
    )
    return http.ok(coupon_shown(coupon))


@router.post("/api/v1/customers/<id_or_key>/coupons")
def give_customer(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _give(request, subscriptions.applied_coupons().of_customer, id_or_key)


@router.get("/api/v1/customers/<id_or_key>/coupons")
def list_of_customer(id_or_key: str) -> Answer:
    """Those of the customer's subscriptions are listed with each of these."""
    request = http.Request(router.current_event, SCOPE_READ)
    return _list(request, subscriptions.applied_coupons().of_customer, id_or_key)


@router.delete("/api/v1/customers/<id_or_key>/coupons/<applied_id>")
def take_from_customer(id_or_key: str, applied_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _take(request, subscriptions.applied_coupons().of_customer, id_or_key, applied_id)


@router.post("/api/v1/subscriptions/<subscription_id>/coupons")
def give_subscription(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _give(request, subscriptions.applied_coupons().of_subscription, subscription_id)


@router.get("/api/v1/subscriptions/<subscription_id>/coupons")
def list_of_subscription(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return _list(request, subscriptions.applied_coupons().of_subscription, subscription_id)


@router.delete("/api/v1/subscriptions/<subscription_id>/coupons/<applied_id>")
def take_from_subscription(subscription_id: str, applied_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    return _take(request, subscriptions.applied_coupons().of_subscription, subscription_id, applied_id)


def _give(request: http.Request, find: FindHolder, in_path: str) -> Answer:
    choice = request.body(CouponChoice)
    holder = find(request.tenant, http.path_value(in_path))
    applied = subscriptions.applied_coupons().apply(request.tenant, holder, choice.coupon, by=request.caller.key_id)
    return http.created(_shown(applied))


def _list(request: http.Request, find: FindHolder, in_path: str) -> Answer:
    holder = find(request.tenant, http.path_value(in_path))
    with_removed = request.query.flag("includeRemoved")
    every = subscriptions.applied_coupons().list_all(request.tenant, holder)
    found = [each for each in every if with_removed or each.removed_at is None]
    return http.ok(by_cursor_or_number(request, Listed(HeldListing(found, lambda each: each.id), _shown)))


def _take(request: http.Request, find: FindHolder, in_path: str, applied_id: str) -> Answer:
    subscriptions.applied_coupons().remove(
        request.tenant,
        find(request.tenant, http.path_value(in_path)),
        http.path_value(applied_id),
        by=request.caller.key_id,
    )
    return http.no_content()


def _shown(applied: AppliedCoupon) -> dict[str, Any]:
    return applied_shown(applied, base.clock().now())
