"""Package price: whole packages only; the first unit of a package pays for all of it."""

from decimal import Decimal
from typing import ClassVar, Literal

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import ZERO, Amount, Charge, LineUsage, Positive
from functions.domain.money import EXACT


class PackagePrice(CommittedPrice):
    title: ClassVar[str] = "Packages"
    type: Literal["package"]
    amount: Amount
    quantity_per_package: Positive

    def counted_in(self, _reference: str, unit: str | None) -> str:
        size = f"{self.quantity_per_package.normalize(EXACT):,f}"
        return f"packages of {size} {unit}" if unit else f"packages of {size}"

    def _charges(self, usage: LineUsage) -> list[Charge]:
        bought = ZERO if usage.is_first else self._packages(usage.before)
        packages = self._packages(usage.total) - bought
        return [Charge("usage", "Packages", packages, self.amount)] if packages else []

    def _packages(self, quantity: Decimal) -> Decimal:
        whole, opened = divmod(quantity, self.quantity_per_package)
        return whole + 1 if opened else whole
