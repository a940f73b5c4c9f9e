"""Give a coupon to a customer or a subscription, list what they have, take it away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.application.catalog.manage_coupon import find_coupon
from functions.application.ports.clock import Clock
from functions.application.ports.coupons import Coupons
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import BilledCustomers, Subscriptions
from functions.application.retry import decide_again_when_stale
from functions.application.subscriptions.find_customer import customer_not_found
from functions.application.subscriptions.write_subscriptions import subscription_not_found
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.catalog.coupon import MAX_LIVE, AmountOff, AppliedCoupon, Coupon, CouponTerms
from functions.domain.errors import Conflict, FieldError, InvalidInput, NotFound

# All there ever were are read for every invoice.
MAX_EVER = 1_000


@dataclass(frozen=True)
class CouponHolder:
    """Who gets a coupon: a customer, or one of their subscriptions; `currency` is None when any may be billed."""

    customer_id: str
    subscription_id: str | None
    currency: str | None

    def holds(self, applied: AppliedCoupon) -> bool:
        return applied.subscription_id == self.subscription_id

    @property
    def label(self) -> str:
        if self.subscription_id is not None:
            return f"Subscription {self.subscription_id}"
        return f"Customer {self.customer_id}"


@dataclass(frozen=True)
class AppliedCoupons:
    """The coupons of customers and subscriptions."""

    coupons: Coupons
    customers: BilledCustomers
    subscriptions: Subscriptions
    clock: Clock
    new_id: NewId

    def of_customer(self, tenant: str, id_or_key: str) -> CouponHolder:
        customer = self._customer(tenant, id_or_key)
        return CouponHolder(customer.id, None, customer.currency)

    def of_subscription(self, tenant: str, subscription_id: str) -> CouponHolder:
        found = self.subscriptions.get(tenant, subscription_id)
        if found is None:
            raise subscription_not_found(subscription_id)
        return CouponHolder(found.customer_id, found.id, found.currency)

    def apply(self, tenant: str, holder: CouponHolder, id_or_key: str, *, by: str) -> AppliedCoupon:
        """Counts as one redemption; it is deducted from the invoices that are issued from now on.

        Raises NotFound for the coupon, InvalidInput for another currency, and Conflict when the coupon is not to be had
        any more, when the holder has it already or has as many as can be, and when the subscription is over.
        """
        return decide_again_when_stale(lambda: self._apply(tenant, holder, id_or_key, by))

    def list_all(self, tenant: str, holder: CouponHolder) -> list[AppliedCoupon]:
        """Removed and used-up ones too, in the order they were applied."""
        return list(filter(holder.holds, self.coupons.of_customer(tenant, holder.customer_id)))

    def remove(self, tenant: str, holder: CouponHolder, applied_id: str, *, by: str) -> AppliedCoupon:
        """What it was deducted from stays as it is. Raises NotFound, and Conflict when it was removed before."""

        def remove() -> AppliedCoupon:
            removed = self._find(tenant, holder, applied_id).removed(by, self._now())
            self.coupons.change(tenant, removed)
            return removed

        return decide_again_when_stale(remove)

    def _apply(self, tenant: str, holder: CouponHolder, id_or_key: str, by: str) -> AppliedCoupon:
        now = self._now()
        # First, so that a caller who deletes the customer or the subscription, or gives another coupon, is noticed.
        tenures = self.subscriptions.tenures(tenant, holder.customer_id)
        coupon = find_coupon(tenant, id_or_key, coupons=self.coupons)
        redeemed = coupon.redeemed(now)
        _require_currency(coupon, holder)
        self._require_holder(tenant, holder, now)
        _require_room(coupon, holder, self.coupons.of_customer(tenant, holder.customer_id), now)
        applied = AppliedCoupon(
            id=self.new_id(),
            customer_id=holder.customer_id,
            subscription_id=holder.subscription_id,
            coupon_id=coupon.id,
            terms=CouponTerms(**{name: getattr(coupon, name) for name in CouponTerms.model_fields}),
            applied_at=now,
            applied_by=by,
        )
        self.coupons.redeem(tenant, redeemed, applied, tenures)
        return applied

    def _require_holder(self, tenant: str, holder: CouponHolder, now: datetime) -> None:
        if holder.subscription_id is None:
            self._customer(tenant, holder.customer_id)
            return
        found = self.subscriptions.get(tenant, holder.subscription_id)
        if found is None:
            raise subscription_not_found(holder.subscription_id)
        if found.is_over(now) and found.next_due_at() is None:
            message = f"{holder.label} is over and billed; give the coupon to the customer or another subscription."
            raise Conflict(message, code="subscription_over")

    def _find(self, tenant: str, holder: CouponHolder, applied_id: str) -> AppliedCoupon:
        found = next((each for each in self.list_all(tenant, holder) if each.id == applied_id), None)
        if found is None:
            message = f"{holder.label} has no coupon {applied_id[:100]!r}; the list shows the ids of those there are."
            raise NotFound(message, code="applied_coupon_not_found")
        return found

    def _customer(self, tenant: str, id_or_key: str) -> BilledCustomer:
        found = self.customers.find(tenant, id_or_key)
        if found is None:
            raise customer_not_found(id_or_key)
        return found

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)


def _require_currency(coupon: Coupon, holder: CouponHolder) -> None:
    off = coupon.off
    if isinstance(off, AmountOff) and holder.currency not in (None, off.currency):
        message = (
            f"Coupon {coupon.key!r} deducts {off.currency}, {holder.label} is billed in {holder.currency}; "
            f"use a coupon in {holder.currency} or a percentage."
        )
        raise InvalidInput(
            message, code="currency_mismatch", fields=[FieldError("coupon", "currency_mismatch", message)]
        )


def _require_room(coupon: Coupon, holder: CouponHolder, present: Sequence[AppliedCoupon], now: datetime) -> None:
    live = [each for each in present if each.is_live(now)]
    same = next((each for each in live if each.coupon_id == coupon.id and holder.holds(each)), None)
    if same is not None:
        message = f"{holder.label} has coupon {coupon.key!r} already, as {same.id}; remove that to give it anew."
        raise Conflict(message, code="coupon_already_applied")
    if len(live) >= MAX_LIVE:
        message = f"Customer {holder.customer_id} has {MAX_LIVE} coupons at work, the most there can be; remove one."
        raise Conflict(message, code="too_many_coupons")
    if len(present) >= MAX_EVER:
        message = f"Customer {holder.customer_id} has had {MAX_EVER} coupons, the most there can be."
        raise Conflict(message, code="too_many_coupons")
