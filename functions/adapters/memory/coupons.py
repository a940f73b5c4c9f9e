"""Coupons in dicts, under the contract of the real store."""

from collections.abc import Iterator, Sequence
from threading import Lock

from functions.application.ports.stored import Stale, Taken
from functions.application.ports.subscriptions import Tenures
from functions.domain.catalog.coupon import AppliedCoupon, Coupon


class MemoryCoupons:
    def __init__(self) -> None:
        self._coupons: dict[tuple[str, str], Coupon] = {}
        self._applied: dict[tuple[str, str, str], AppliedCoupon] = {}
        self._tenures: dict[tuple[str, str], int] = {}
        self._lock = Lock()

    def get(self, tenant: str, coupon_id: str) -> Coupon | None:
        return self._coupons.get((tenant, coupon_id))

    def by_key(self, tenant: str, key: str) -> Coupon | None:
        return next((each for each in self.all(tenant) if each.key == key and not each.is_archived), None)

    def all(self, tenant: str) -> Iterator[Coupon]:
        return iter([each for (of, _), each in sorted(self._coupons.items()) if of == tenant])

    def add(self, tenant: str, coupon: Coupon) -> None:
        with self._lock:
            if self.by_key(tenant, coupon.key) is not None:
                raise Taken("key", coupon.key)
            self._keep(tenant, coupon)

    def archive(self, tenant: str, coupon: Coupon) -> None:
        with self._lock:
            self._keep(tenant, coupon)

    def redeem(self, tenant: str, coupon: Coupon, applied: AppliedCoupon, tenures: Tenures) -> None:
        with self._lock:
            if self._tenures.get((tenant, applied.customer_id), 0) != tenures.version:
                raise Stale
            self._require(applied, self._applied.get((tenant, applied.customer_id, applied.id)))
            self._keep(tenant, coupon)
            self._keep_applied(tenant, applied)
            self._tenures[tenant, applied.customer_id] = tenures.version + 1

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[AppliedCoupon]:
        return [each for key, each in sorted(self._applied.items()) if key[:2] == (tenant, customer_id)]

    def change(self, tenant: str, applied: AppliedCoupon) -> None:
        with self._lock:
            self._keep_applied(tenant, applied)

    def _keep(self, tenant: str, coupon: Coupon) -> None:
        self._require(coupon, self._coupons.get((tenant, coupon.id)))
        self._coupons[tenant, coupon.id] = coupon.model_copy(update={"version": coupon.version + 1})

    def _keep_applied(self, tenant: str, applied: AppliedCoupon) -> None:
        key = (tenant, applied.customer_id, applied.id)
        self._require(applied, self._applied.get(key))
        self._applied[key] = applied.model_copy(update={"version": applied.version + 1})

    @staticmethod
    def _require(new: Coupon | AppliedCoupon, stored: Coupon | AppliedCoupon | None) -> None:
        if (stored.version if stored else 0) != new.version:
            raise Stale
