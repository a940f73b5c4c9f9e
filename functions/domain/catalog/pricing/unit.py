"""Unit price: every unit costs the same."""

from typing import ClassVar, Literal

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import Amount, Charge, LineUsage


class UnitPrice(CommittedPrice):
    title: ClassVar[str] = "Per unit"
    type: Literal["unit"]
    amount: Amount

    def _charges(self, usage: LineUsage) -> list[Charge]:
        return [Charge("unit-price-usage", "Usage", usage.quantity, self.amount)] if usage.quantity else []
