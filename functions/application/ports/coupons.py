"""What keeps coupons, and which of them a customer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions.application.ports.subscriptions import Tenures
    from functions.domain.catalog.coupon import AppliedCoupon, Coupon


class CustomerCoupons(Protocol):
    def of_customer(self, tenant: str, customer_id: str) -> Sequence[AppliedCoupon]:
        """The customer's and those of their subscriptions, removed ones too, in the order they were applied."""
        ...


class Coupons(CustomerCoupons, Protocol):
    """What is written builds on the `version` that was read; everything written raises Stale if that has changed."""

    def get(self, tenant: str, coupon_id: str) -> Coupon | None: ...

    def by_key(self, tenant: str, key: str) -> Coupon | None:
        """The one coupon of that key that is not archived."""
        ...

    def all(self, tenant: str) -> Iterable[Coupon]:
        """Archived ones too, in order of creation."""
        ...

    def add(self, tenant: str, coupon: Coupon) -> None:
        """Raises Taken when another coupon has its key."""
        ...

    def archive(self, tenant: str, coupon: Coupon) -> None:
        """Write the archived coupon and free its key."""
        ...

    def redeem(self, tenant: str, coupon: Coupon, applied: AppliedCoupon, tenures: Tenures) -> None:
        """Write the coupon as it is after one redemption more, and what came of it, all or nothing.

        As `tenures` tells, the customer must not have been deleted since nor got another coupon or subscription.
        """
        ...

    def change(self, tenant: str, applied: AppliedCoupon) -> None: ...
