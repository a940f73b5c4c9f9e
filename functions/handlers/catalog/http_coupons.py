"""Routes of coupons: create, look, archive."""

from collections.abc import Callable
from typing import Annotated, Any

from functions.application.catalog.manage_coupon import archive_coupon, create_coupon, find_coupon
from functions.domain.catalog.coupon import Coupon, CouponCreate
from functions.handlers.catalog.coupon_json import coupon_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.edge.query_model import Paged, Sorted, flag, sorted_by
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

CouponKey = Annotated[str, "The id of a coupon, or the key of one that is not archived."]

COUPON_ORDERS: dict[str, Callable[[Coupon], Any]] = {
    "id": lambda coupon: coupon.id,
    "key": lambda coupon: coupon.key,
    "name": lambda coupon: coupon.name,
    "createdAt": lambda coupon: coupon.created_at,
}


@routes.post("/api/v1/coupons", "Create a coupon", scope=SCOPE_ADMIN, answers="Coupon", status=201)
def create(request: Request, body: CouponCreate) -> Answer:
    coupon = create_coupon(
        request.tenant,
        body,
        by=request.caller.key_id,
        coupons=subscriptions.coupons(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(coupon_shown(coupon))


class CouponQuery(Sorted, Paged):
    order_by = sorted_by(COUPON_ORDERS, "id")
    include_archived = flag("List archived ones too.")


@routes.get("/api/v1/coupons", "List coupons", scope=SCOPE_READ, answers="Paged[Coupon]")
def list_all(request: Request[CouponQuery]) -> Answer:
    with_archived = request.query.include_archived
    listed = Listed(
        subscriptions.coupons().listing(request.tenant, with_archived=with_archived),
        coupon_shown,
        order=order_of(request, COUPON_ORDERS, AS_CREATED),
        descending=request.query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


@routes.get("/api/v1/coupons/<id_or_key>", "Get a coupon", scope=SCOPE_READ, answers="Coupon")
def get(request: Request, id_or_key: CouponKey) -> Answer:
    return http.ok(coupon_shown(find_coupon(request.tenant, id_or_key, coupons=subscriptions.coupons())))


@routes.post("/api/v1/coupons/<id_or_key>/archive", "Archive a coupon", scope=SCOPE_ADMIN, answers="Coupon")
def archive(request: Request, id_or_key: CouponKey) -> Answer:
    coupon = archive_coupon(
        request.tenant,
        id_or_key,
        by=request.caller.key_id,
        coupons=subscriptions.coupons(),
        clock=base.clock(),
    )
    return http.ok(coupon_shown(coupon))
