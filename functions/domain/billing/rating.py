"""Rating: usage x rate card -> a line with its charges; exact up to the line, integer minor units from there on.

    unit conversion -> usage discount -> price -> percentage discount -> maximum -> minimum

Coupons and credits come after it: they look at an invoice's lines together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from functions.domain.billing.rating_steps import (
    FreeUnits,
    RatedCharge,
    at_least,
    at_most,
    converted,
    left_over,
    less_percentage,
    reversed_charge,
    rounded,
    summed,
    total,
    without_free_units,
)
from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.pricing import AnyPrice, Group, LineUsage, UnitConversion
from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import NO_LEVELS
from functions.domain.catalog.rate_card import Card, UsageBasedCard
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.money import Money
from functions.domain.period import Period
from functions.domain.subscriptions.lineage import Piece
from functions.domain.subscriptions.proration import prorated
from functions.domain.subscriptions.subscription import BillablePeriod

NO_DISCOUNTS = Discounts()
ONLY_LINE = LineUsage(Decimal(0))


@dataclass(frozen=True)
class Pricing:
    """How a rate card charges: its price and what goes before and after it."""

    price: AnyPrice
    conversion: UnitConversion | None = None
    discounts: Discounts = NO_DISCOUNTS

    @classmethod
    def of(cls, card: Card) -> "Pricing":
        assert card.price is not None, "a free rate card has no billable period that is owed"
        conversion = card.unit_config if isinstance(card, UsageBasedCard) else None
        return cls(card.price, conversion, card.discounts or NO_DISCOUNTS)


@dataclass(frozen=True)
class Committed:
    """How a line takes part in the minimum and maximum of its period.

    They hold for the part `of` the `full` period, None for all of it; `is_settled` says that no line follows that could
    still owe the minimum.
    """

    is_settled: bool = True
    of: Period | None = None
    full: Period | None = None

    def amount(self, of_period: Decimal | None) -> Decimal | None:
        if of_period is None or self.of is None or self.full is None:
            return of_period
        return prorated(of_period, self.of, self.full)


@dataclass(frozen=True)
class RatedLine:
    """What a line costs and how that came about; `metered` and `priced` are None for a flat price.

    `metered` is the usage as it was measured, `priced` what was left of it after conversion and free units. `carried`
    is what earlier periods of the item left over below the smallest amount, `left_over` what this one leaves.
    """

    terms: Pricing
    charges: tuple[RatedCharge, ...]
    total: Money
    metered: LineUsage | None = None
    priced: LineUsage | None = None
    free_units: FreeUnits | None = None
    previously_billed: Money | None = None
    carried: Decimal = Decimal(0)
    left_over: Decimal = Decimal(0)


@dataclass(frozen=True)
class RatedPeriod:
    """A rated line and the billable period of a subscription it is for."""

    billable: BillablePeriod
    line: RatedLine

    @property
    def quantity(self) -> Decimal | None:
        return self.line.metered.quantity if self.line.metered else None

    @property
    def charges(self) -> tuple[RatedCharge, ...]:
        return self.line.charges

    @property
    def total(self) -> Money:
        return self.line.total

    @property
    def is_worth_a_line(self) -> bool:
        """A measured billable period always shows its quantity, a flat fee only when something is owed."""
        return self.line.metered is not None or self.total.minor != 0


def rate(
    billable: BillablePeriod,
    quantity: Decimal | None,
    currency: str,
    *,
    prorate: bool,
    groups: Mapping[Group, Decimal] | None = None,
    before: Decimal | None = None,
    groups_before: Mapping[Group, Decimal] | None = None,
    levels: LevelTimes | None = None,
    levels_before: LevelTimes = NO_LEVELS,
    previously_billed: Money | None = None,
    piece: Piece | None = None,
    carried: Decimal = Decimal(0),
) -> RatedPeriod:
    """The whole pipeline for one billable period; `quantity` is what its meter measured in its `period`,
    None for a fee.

    A price that needs parts of the usage gets them as `groups`; their sum is then the quantity. One that needs to know
    for how long a level was how high gets that as `levels`. `before` is what was
    used earlier in the period, under an item that this one follows or on earlier lines of it: tiers and free units go
    on from there. `previously_billed` is what those lines came to. `piece` says how far commitments hold.
    """
    terms = Pricing.of(billable.item.card)
    assert (quantity is None) == terms.price.is_flat, "a usage price needs a quantity, a flat price has none"
    if quantity is None:
        fee = rate_fee(terms, currency, billable.period, billable.full if prorate else None, carried=carried)
        return RatedPeriod(billable, credited_back(fee) if billable.is_credit else fee)
    if terms.price.needs.are_parts:
        groups = groups or {}
        quantity = summed(groups)
    usage = LineUsage(
        quantity,
        before or Decimal(0),
        is_first=before is None,
        is_last=billable.is_last,
        groups=groups or {},
        groups_before=groups_before or {},
        levels=levels,
        levels_before=levels_before,
        full_seconds=int(billable.full.length.total_seconds()),
    )
    committed = Committed(billable.is_last)
    if piece is not None:
        committed = Committed(piece.closes_deal, piece.deal if prorate else None, billable.full)
    return RatedPeriod(billable, rate_usage(terms, usage, currency, previously_billed, committed, carried))


def rate_usage(
    terms: Pricing,
    usage: LineUsage,
    currency: str,
    previously_billed: Money | None = None,
    committed: Committed | None = None,
    carried: Decimal = Decimal(0),
) -> RatedLine:
    """A line of a usage price; `previously_billed` is what earlier lines of the same period came to."""
    price, billed = terms.price, previously_billed or Money.zero(currency)
    committed = committed or Committed(usage.is_last)
    least = most = None
    if isinstance(price, CommittedPrice):
        least, most = committed.amount(price.minimum_amount), committed.amount(price.maximum_amount)
    in_units = converted(usage, terms.conversion)
    priced, free_units = without_free_units(in_units, terms.discounts.usage)
    exact = price.charges(priced)
    charges = rounded(exact, currency, price.charges(_earlier(priced)) if priced.before else (), carried)
    charges = less_percentage(charges, terms.discounts.percentage)
    left = left_over(exact, terms.discounts.percentage, carried, total(charges, currency))
    charges = at_most(charges, most, billed)
    charges = at_least(charges, least if committed.is_settled else None, billed)
    return RatedLine(
        terms, tuple(charges), total(charges, currency), usage, priced, free_units, previously_billed, carried, left
    )


def _earlier(usage: LineUsage) -> LineUsage:
    """The usage before a line, as if it were one line."""
    return LineUsage(
        usage.before,
        is_last=False,
        groups=usage.groups_before,
        levels=usage.levels_before,
        full_seconds=usage.full_seconds,
    )


def rate_fee(
    terms: Pricing,
    currency: str,
    period: Period,
    full: Period | None = None,
    line: LineUsage = ONLY_LINE,
    carried: Decimal = Decimal(0),
) -> RatedLine:
    """A line of a flat price, prorated to its part of the `full` period; None for the whole price of any part."""
    charges = terms.price.charges(line)
    if full is not None:
        charges = [replace(each, unit_amount=prorated(each.unit_amount, period, full)) for each in charges]
    rated = less_percentage(rounded(charges, currency, carried=carried), terms.discounts.percentage)
    came_to = total(rated, currency)
    left = left_over(charges, terms.discounts.percentage, carried, came_to)
    return RatedLine(terms, tuple(rated), came_to, carried=carried, left_over=left)


def credited_back(line: RatedLine) -> RatedLine:
    """The same line with every amount reversed: what was paid for time that was not served after all."""
    charges = tuple(reversed_charge(each) for each in line.charges)
    return replace(line, charges=charges, total=-line.total)
