"""Package price: whole packages only; the first unit of a package pays for all of it."""

from decimal import Decimal
from typing import Literal

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import ZERO, Amount, Charge, LineUsage, Positive


class PackagePrice(CommittedPrice):
    type: Literal["package"]
    amount: Amount
    quantity_per_package: Positive

    def _charges(self, usage: LineUsage) -> list[Charge]:
        bought = ZERO if usage.is_first else self._packages(usage.before)
        packages = self._packages(usage.total) - bought
        return [Charge("usage", "Packages", packages, self.amount)] if packages else []

    def _packages(self, quantity: Decimal) -> Decimal:
        whole, opened = divmod(quantity, self.quantity_per_package)
        return whole + 1 if opened else whole
