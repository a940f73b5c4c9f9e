"""Flat price: one amount for a period, owed at its start or at its end."""

from typing import ClassVar, Literal

from functions.domain.catalog.pricing.price import Amount, Charge, LineUsage, Price, lump

PaymentTerm = Literal["in_advance", "in_arrears"]


class FlatPrice(Price):
    title: ClassVar[str] = "Flat fee"
    type: Literal["flat"]
    amount: Amount
    payment_term: PaymentTerm = "in_advance"

    @property
    def is_splittable(self) -> bool:
        return False

    @property
    def is_flat(self) -> bool:
        return True

    def _charges(self, usage: LineUsage) -> list[Charge]:
        is_owed = usage.is_first if self.payment_term == "in_advance" else usage.is_last
        return [lump("flat-price", "Flat price", self.amount)] if is_owed else []
