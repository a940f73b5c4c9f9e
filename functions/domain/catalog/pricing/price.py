"""What every way of charging has in common: a quantity becomes charges, each one exact reason for money."""

from dataclasses import dataclass
from decimal import Decimal

from functions.domain.money import EXACT
from functions.domain.wire import WireModel


@dataclass(frozen=True)
class Charge:
    """`quantity` of something at `unit_amount` in major units, exact; `reference` names it within its line."""

    reference: str
    name: str
    quantity: Decimal
    unit_amount: Decimal

    @property
    def amount(self) -> Decimal:
        return EXACT.multiply(self.quantity, self.unit_amount)


class Price(WireModel):
    """One way of charging; the model is also its shape in the API."""

    @property
    def is_flat(self) -> bool:
        """A flat price is owed for a stretch of time, whatever was used, and so can be prorated."""
        return False

    def charges(self, quantity: Decimal) -> list[Charge]:
        """The exact reasons for money that a quantity (not negative) gives in one period."""
        raise NotImplementedError
