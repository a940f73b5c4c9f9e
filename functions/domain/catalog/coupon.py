"""A coupon: money or a percentage off invoices, once, so many times, until a day or for ever; and who has it."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from functions.domain.catalog.discount import Percentage
from functions.domain.catalog.pricing.price import Positive
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.catalog.versioned import iso_currency
from functions.domain.errors import Conflict
from functions.domain.money import EXACT, minor_digits
from functions.domain.period import rfc3339
from functions.domain.wire import CurrencyCode, Description, Instant, Key, Metadata, Name, WireModel

MAX_TIMES = 1_000
# Coupons of one customer that can still be deducted: they are written with an invoice, in one transaction.
MAX_LIVE = 10
MAX_REDEMPTIONS = 1_000_000_000


class PercentageOff(WireModel):
    type: Literal["percentage"]
    percentage: Annotated[Percentage, Field(gt=0)]


class AmountOff(WireModel):
    """An amount off each invoice of this currency; what one invoice does not use is not kept for the next."""

    type: Literal["amount"]
    amount: Positive
    currency: Annotated[CurrencyCode, AfterValidator(iso_currency)]

    @model_validator(mode="after")
    def _is_money(self) -> Self:
        digits = minor_digits(self.currency)
        if self.amount.scaleb(digits, EXACT) % 1:
            message = f"must not have more digits than {self.currency} has: {digits}"
            refuse([wrong("amount", code="too_many_digits", message=message, value=self.amount)])
        return self


class Once(WireModel):
    type: Literal["once"]


class Times(WireModel):
    """`times` is from how many invoices it is deducted."""

    type: Literal["times"]
    times: Annotated[int, Field(ge=1, le=MAX_TIMES)]


class Until(WireModel):
    """`until` is the first instant at which it is not deducted any more."""

    type: Literal["until"]
    until: Instant


class Forever(WireModel):
    type: Literal["forever"]


Off = Annotated[PercentageOff | AmountOff, Field(discriminator="type")]
CouponDuration = Annotated[Once | Times | Until | Forever, Field(discriminator="type")]


class CouponTerms(WireModel):
    """What a coupon does; copied to where it is put to work, so that nothing changes behind a customer's back."""

    key: Key
    name: Name
    off: Off
    duration: CouponDuration


class CouponCreate(CouponTerms):
    """`max_redemptions` is how many customers and subscriptions may get it; from `redeem_by` on none does."""

    description: Description | None = None
    metadata: Metadata = None
    max_redemptions: Annotated[int, Field(ge=1, le=MAX_REDEMPTIONS)] | None = None
    redeem_by: Instant | None = None


class Coupon(CouponCreate):
    """`created_by` and `archived_by` are API keys; `version` counts the stored writes."""

    id: str
    created_at: Instant
    created_by: str
    archived_at: Instant | None = None
    archived_by: str | None = None
    redemption_count: int = 0
    version: Annotated[int, Field(exclude=True)] = 0

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def archived(self, by: str, now: datetime) -> "Coupon":
        if self.is_archived:
            raise Conflict(f"Coupon {self.key!r} is archived already.", code="coupon_archived")
        return self.model_copy(update={"archived_at": now, "archived_by": by})

    def redeemed(self, now: datetime) -> "Coupon":
        """The coupon with one redemption more; raises Conflict when it is not to be had any more."""
        if self.is_archived:
            message = f"Coupon {self.key!r} is archived; create another one to give it to more customers."
            raise Conflict(message, code="coupon_archived")
        if self.redeem_by is not None and now >= self.redeem_by:
            message = f"Coupon {self.key!r} could be redeemed before {rfc3339(self.redeem_by)}; create another one."
            raise Conflict(message, code="coupon_expired")
        if isinstance(self.duration, Until) and now >= self.duration.until:
            message = f"Coupon {self.key!r} was good until {rfc3339(self.duration.until)}; create another one."
            raise Conflict(message, code="coupon_expired")
        if self.max_redemptions is not None and self.redemption_count >= self.max_redemptions:
            message = f"Coupon {self.key!r} was redeemed {self.redemption_count} times, all it can; create another one."
            raise Conflict(message, code="coupon_used_up")
        return self.model_copy(update={"redemption_count": self.redemption_count + 1})


class AppliedCoupon(WireModel):
    """A coupon of a customer, for everything they are invoiced or for the lines of one subscription.

    `invoice_count` is how many invoices it was deducted from, `last_invoice_id` the latest of them. It is written in
    the transaction of the invoice, under `version`.
    """

    id: str
    customer_id: str
    subscription_id: str | None = None
    coupon_id: str
    terms: CouponTerms
    applied_at: Instant
    applied_by: str
    invoice_count: int = 0
    last_invoice_id: str | None = None
    removed_at: Instant | None = None
    removed_by: str | None = None
    version: Annotated[int, Field(exclude=True)] = 0

    @property
    def times(self) -> int | None:
        """How many invoices it is for; None when nothing counts them."""
        duration = self.terms.duration
        return 1 if isinstance(duration, Once) else duration.times if isinstance(duration, Times) else None

    def is_live(self, at: datetime) -> bool:
        """Whether an invoice that is owed from `at` on can still get it."""
        duration = self.terms.duration
        if self.removed_at is not None or (isinstance(duration, Until) and at >= duration.until):
            return False
        return self.times is None or self.invoice_count < self.times

    def is_good_for(self, invoice_at: datetime, currency: str) -> bool:
        off = self.terms.off
        return self.is_live(invoice_at) and (isinstance(off, PercentageOff) or off.currency == currency)

    def used_on(self, invoice_id: str) -> "AppliedCoupon":
        return self.model_copy(update={"invoice_count": self.invoice_count + 1, "last_invoice_id": invoice_id})

    def removed(self, by: str, now: datetime) -> "AppliedCoupon":
        if self.removed_at is not None:
            raise Conflict(f"Coupon {self.terms.key!r} is removed already.", code="coupon_removed")
        return self.model_copy(update={"removed_at": now, "removed_by": by})
