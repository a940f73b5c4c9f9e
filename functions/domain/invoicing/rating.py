"""Rating: usage x rate card -> a line with its charges; exact up to the line, integer minor units from there on."""

from dataclasses import dataclass, replace
from decimal import Decimal

from functions.domain.catalog.pricing import Charge, LineUsage
from functions.domain.money import Money
from functions.domain.period import Period
from functions.domain.subscriptions.proration import prorated
from functions.domain.subscriptions.subscription import Service


@dataclass(frozen=True)
class RatedCharge:
    """A charge with the only rounding it ever gets."""

    charge: Charge
    amount: Money


@dataclass(frozen=True)
class RatedService:
    """What one service costs: its quantity (None when nothing is measured) and the charges that explain the total."""

    service: Service
    quantity: Decimal | None
    charges: tuple[RatedCharge, ...]
    total: Money

    @property
    def is_worth_a_line(self) -> bool:
        """A measured service always shows its quantity, a flat fee only when something is owed."""
        return self.quantity is not None or self.total.minor != 0


def rate(service: Service, quantity: Decimal | None, currency: str, *, prorate: bool) -> RatedService:
    """The whole pipeline for one service; `quantity` is what its meter measured in `service.period`."""
    price = service.item.card.price
    assert price is not None, "a free rate card is no service that is owed"
    assert (quantity is None) == price.is_flat, "a usage price needs a quantity, a flat price has none"
    charges = price.charges(LineUsage(quantity or Decimal(0)))
    if price.is_flat and prorate:
        charges = _prorated(charges, service.period, service.full, currency)
    rated = tuple(RatedCharge(charge, Money.rounded(charge.amount, currency)) for charge in charges)
    total = sum((each.amount for each in rated), Money.zero(currency))
    return RatedService(service, quantity, rated, total)


def _prorated(charges: list[Charge], period: Period, full: Period, currency: str) -> list[Charge]:
    """Part of a fee is rounded as it is cut, so that quantity times amount is what the line says."""
    return [
        replace(charge, unit_amount=Money.rounded(prorated(charge.unit_amount, period, full), currency).major)
        for charge in charges
    ]
