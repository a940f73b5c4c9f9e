"""Dynamic price: a mark-up on what the usage cost, which the meter measures in major units of the currency."""

from typing import ClassVar, Literal

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import ONE, Amount, Charge, LineUsage, lump


class DynamicPrice(CommittedPrice):
    title: ClassVar[str] = "Mark-up on cost"
    type: Literal["dynamic"]
    multiplier: Amount = ONE

    @property
    def is_share_of_value(self) -> bool:
        return True

    def _charges(self, usage: LineUsage) -> list[Charge]:
        if not usage.quantity:
            return []
        return [lump("usage", f"Cost x {self.multiplier:f}", usage.quantity * self.multiplier)]
