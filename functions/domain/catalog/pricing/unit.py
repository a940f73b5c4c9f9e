"""Unit price: every unit costs the same."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from functions.domain.catalog.pricing.price import Charge, Price
from functions.domain.wire import NotYet, Numeric


class UnitPrice(Price):
    type: Literal["unit"]
    amount: Annotated[Numeric, Field(ge=0)]
    minimum_amount: NotYet = None
    maximum_amount: NotYet = None

    def charges(self, quantity: Decimal) -> list[Charge]:
        return [Charge("unit-price-usage", "Usage", quantity, self.amount)] if quantity > 0 else []
