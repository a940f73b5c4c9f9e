"""Create, find and archive coupons; what a coupon does never changes."""

from functions.application.ports.clock import Clock
from functions.application.ports.coupons import Coupons
from functions.application.ports.stored import NewId, Taken
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.coupon import Coupon, CouponCreate, Until
from functions.domain.errors import Conflict, FieldError, InvalidInput, NotFound
from functions.domain.period import rfc3339


def create_coupon(
    tenant: str, create: CouponCreate, *, by: str, coupons: Coupons, clock: Clock, new_id: NewId
) -> Coupon:
    """Raises Conflict when a coupon has the key, InvalidInput for one that nobody could ever use."""
    now = clock.now().replace(microsecond=0)
    ends = [("redeemBy", create.redeem_by)]
    if isinstance(create.duration, Until):
        ends.append(("duration.until", create.duration.until))
    past = [
        FieldError(field, "in_the_past", f"must be later than now, {rfc3339(now)}")
        for field, at in ends
        if at is not None and at <= now
    ]
    if past:
        detail = "; ".join(f"{each.field} {each.message}" for each in past)
        raise InvalidInput(f"The coupon is not valid: {detail}.", code="invalid_coupon", fields=past)
    asked = {name: getattr(create, name) for name in CouponCreate.model_fields}
    coupon = Coupon(**asked, id=new_id(), created_at=now, created_by=by)
    try:
        coupons.add(tenant, coupon)
    except Taken as taken:
        message = f"There is a coupon with the key {create.key!r} already; archive it first or choose another key."
        fields = [FieldError("key", "already_exists", message)]
        raise Conflict(message, code="coupon_already_exists", fields=fields) from taken
    return coupon


def find_coupon(tenant: str, id_or_key: str, *, coupons: Coupons) -> Coupon:
    """By id also when archived, by key only when not; raises NotFound."""
    found = coupons.get(tenant, id_or_key) or coupons.by_key(tenant, id_or_key)
    if found is None:
        raise NotFound(f"There is no coupon {id_or_key[:100]!r}.", code="coupon_not_found")
    return found


def archive_coupon(tenant: str, id_or_key: str, *, by: str, coupons: Coupons, clock: Clock) -> Coupon:
    """Nobody gets it any more, and its key is free; its holders keep it. Raises Conflict when it is archived."""

    def archive() -> Coupon:
        archived = find_coupon(tenant, id_or_key, coupons=coupons).archived(by, clock.now().replace(microsecond=0))
        coupons.archive(tenant, archived)
        return archived

    return decide_again_when_stale(archive)
