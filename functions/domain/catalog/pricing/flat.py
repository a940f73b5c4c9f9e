"""Flat price: one amount for a period, owed at its start or at its end."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from functions.domain.catalog.pricing.price import Charge, Price
from functions.domain.wire import Numeric

PaymentTerm = Literal["in_advance", "in_arrears"]


class FlatPrice(Price):
    type: Literal["flat"]
    amount: Annotated[Numeric, Field(ge=0)]
    payment_term: PaymentTerm = "in_advance"

    @property
    def is_flat(self) -> bool:
        return True

    def charges(self, quantity: Decimal) -> list[Charge]:  # noqa: ARG002 - a flat price is owed whatever was used
        return [Charge("flat-price", "Flat price", Decimal(1), self.amount)]
