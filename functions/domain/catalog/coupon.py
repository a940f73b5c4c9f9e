"""A coupon on a customer or a subscription: money or a percentage off its invoices, so many times or until a day."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.discount import Percentage
from functions.domain.catalog.pricing.price import Positive
from functions.domain.catalog.pricing.refusal import refuse, wrong
from functions.domain.wire import CurrencyCode, Instant, Key, Name, WireModel


class PercentageOff(WireModel):
    type: Literal["percentage"]
    percentage: Annotated[Percentage, Field(gt=0)]


class AmountOff(WireModel):
    """So much off each invoice of this currency; what an invoice does not need of it is not saved for the next."""

    type: Literal["amount"]
    amount: Positive
    currency: CurrencyCode


class Coupon(WireModel):
    """`times` counts the invoices it was taken off; `until` is the first instant it is no longer good for."""

    key: Key
    name: Name
    off: Annotated[PercentageOff | AmountOff, Field(discriminator="type")]
    times: Annotated[int | None, Field(ge=1, le=1000)] = None
    until: Instant | None = None
    redeemed: Annotated[int, Field(ge=0)] = 0
    # Only the lines of this subscription; None for everything the customer is invoiced.
    subscription_id: str | None = None

    @model_validator(mode="after")
    def _ends_in_one_way(self) -> Self:
        if self.times is not None and self.until is not None:
            message = "must be left out beside times: a coupon ends after so many invoices or on a day"
            refuse([wrong("until", code="two_ends", message=message, value=self.until)])
        return self

    def is_good_for(self, invoice_at: datetime, currency: str) -> bool:
        if isinstance(self.off, AmountOff) and self.off.currency != currency:
            return False
        if self.until is not None and invoice_at >= self.until:
            return False
        return self.times is None or self.redeemed < self.times

    def taken_once_more(self) -> "Coupon":
        return self.model_copy(update={"redeemed": self.redeemed + 1})
