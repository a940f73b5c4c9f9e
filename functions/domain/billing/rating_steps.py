"""The steps of rating, each one rule: units, free units, rounding, and what is deducted or added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from typing import Literal

from functions.domain.catalog.discount import PercentageDiscount, UsageDiscount
from functions.domain.catalog.pricing import Charge, Group, LineUsage, UnitConversion
from functions.domain.catalog.pricing.price import ZERO, lump
from functions.domain.money import EXACT, Money, smallest

Reason = Literal["ratecard_percentage", "maximum_spend"]
Category = Literal["regular", "commitment"]


@dataclass(frozen=True)
class AmountDiscount:
    """Money deducted from one charge, and why."""

    reason: Reason
    amount: Money


@dataclass(frozen=True)
class FreeUnits:
    """Units of a usage discount: those this line used up, and those its period had used up before."""

    quantity: Decimal
    before: Decimal


@dataclass(frozen=True)
class RatedCharge:
    """A charge with the only rounding it ever gets, and what is deducted from it.

    `earlier` is what the same charge comes to for the usage before the line: lines of a period are differences of what
    the whole so far comes to, so that they add up to it.
    """

    charge: Charge
    amount: Money
    discounts: tuple[AmountDiscount, ...] = ()
    category: Category = "regular"
    earlier: Money | None = None

    @property
    def discount(self) -> Money:
        return sum((each.amount for each in self.discounts), Money.zero(self.amount.currency))

    @property
    def total(self) -> Money:
        return self.amount - self.discount if self.discounts else self.amount

    def less(self, reason: Reason, amount: Money) -> "RatedCharge":
        if not amount.minor:
            return self
        discounts = (*self.discounts, AmountDiscount(reason, amount))
        return replace(self, discounts=discounts)


def reversed_charge(rated: RatedCharge) -> RatedCharge:
    """The charge that takes this one back."""
    charge = replace(rated.charge, unit_amount=-rated.charge.unit_amount)
    discounts = tuple(replace(each, amount=-each.amount) for each in rated.discounts)
    return replace(rated, charge=charge, amount=-rated.amount, discounts=discounts)


def converted(usage: LineUsage, conversion: UnitConversion | None) -> LineUsage:
    """The usage in priced units. What the period has used so far is converted, so that its lines add up.

    Of a level it is the level that is converted, at every moment.
    """
    if conversion is None:
        return usage
    if usage.levels is not None:
        levels, earlier = (each.converted(conversion.convert) for each in (usage.levels, usage.levels_before))
        before = earlier.value_hours
        return replace(usage, quantity=levels.value_hours, before=before, levels=levels, levels_before=earlier)
    before = conversion.convert(usage.before)
    if not usage.groups:
        return replace(usage, quantity=EXACT.subtract(conversion.convert(usage.total), before), before=before)
    groups_before = {group: conversion.convert(quantity) for group, quantity in usage.groups_before.items()}
    groups = {
        group: _growth(conversion, usage.groups_before.get(group, ZERO), quantity)
        for group, quantity in usage.groups.items()
    }
    return replace(
        usage, quantity=summed(groups), before=summed(groups_before), groups=groups, groups_before=groups_before
    )


def _growth(conversion: UnitConversion, before: Decimal, quantity: Decimal) -> Decimal:
    return EXACT.subtract(conversion.convert(EXACT.add(before, quantity)), conversion.convert(before))


def summed(groups: Mapping[Group, Decimal]) -> Decimal:
    with localcontext(EXACT):
        return sum(groups.values(), ZERO)


def without_free_units(usage: LineUsage, discount: UsageDiscount | None) -> tuple[LineUsage, FreeUnits | None]:
    """The usage that is priced; earlier lines of the period use the free units up first."""
    if discount is None:
        return usage, None
    before = min(discount.quantity, usage.before)
    free = min(EXACT.subtract(discount.quantity, before), usage.quantity)
    left = replace(usage, quantity=EXACT.subtract(usage.quantity, free), before=EXACT.subtract(usage.before, before))
    return left, FreeUnits(free, before)


def rounded(
    charges: Sequence[Charge], currency: str, before: Sequence[Charge] = (), carried: Decimal = ZERO
) -> list[RatedCharge]:
    """From here on all is money. A lump is shown as it is rounded, so that quantity times amount is what it costs.

    `before` are the charges of the usage before the line; `carried` is what earlier periods left over, for the first
    charge to round with.
    """
    exact_before = {charge.reference: charge.amount for charge in before}
    rated = []
    for charge in charges:
        exact, earlier = charge.amount, None
        if already := exact_before.get(charge.reference):
            exact, earlier = EXACT.add(already, exact), Money.rounded(already, currency)
        amount = Money.rounded(exact, currency)
        if carried and charge.amount:
            amount = max(Money.rounded(EXACT.add(exact, carried), currency), earlier or Money.zero(currency))
            carried = ZERO
        if earlier is not None:
            amount -= earlier
        shown = replace(charge, unit_amount=amount.major) if charge.is_lump else charge
        rated.append(RatedCharge(shown, amount, earlier=earlier))
    return rated


def left_over(
    charges: Sequence[Charge], discount: PercentageDiscount | None, carried: Decimal, billed: Money
) -> Decimal:
    """What is carried into the next period: of a line below the smallest amount, which would vanish for ever."""
    least = smallest(billed.currency)
    if billed.minor > (len(charges) + 1) * least.minor:  # however each of them was rounded
        return ZERO
    kept = Decimal(1) if discount is None else EXACT.subtract(Decimal(1), discount.percentage.scaleb(-2, EXACT))
    with localcontext(EXACT):
        exact = sum((charge.amount for charge in charges), ZERO) * kept
        if exact >= least.major:
            return ZERO
        return carried + exact - billed.major


def less_percentage(charges: Sequence[RatedCharge], discount: PercentageDiscount | None) -> list[RatedCharge]:
    if discount is None:
        return list(charges)
    part = discount.percentage.scaleb(-2, EXACT)

    def of(amount: Money) -> Money:
        return Money.rounded(EXACT.multiply(amount.major, part), amount.currency)

    less = []
    for each in charges:
        off = of(each.total) if each.earlier is None else of(each.earlier + each.total) - of(each.earlier)
        less.append(each.less("ratecard_percentage", off))
    return less


def at_most(charges: Sequence[RatedCharge], maximum: Decimal | None, billed: Money) -> list[RatedCharge]:
    """The amount beyond the maximum, counting what earlier lines of the period billed, is deducted in order."""
    if maximum is None:
        return list(charges)
    most, limited = Money.rounded(maximum, billed.currency), []
    for each in charges:
        excess = max(billed + each.total - most, Money.zero(billed.currency))
        limited.append(each.less("maximum_spend", min(excess, each.total)))
        billed += limited[-1].total
    return limited


def at_least(charges: Sequence[RatedCharge], minimum: Decimal | None, billed: Money) -> list[RatedCharge]:
    """What the line that closes the period lacks of the minimum becomes a charge of its own."""
    if minimum is None:
        return list(charges)
    lacking = Money.rounded(minimum, billed.currency) - total(charges, billed.currency) - billed
    if lacking.minor <= 0:
        return list(charges)
    charge = lump("min-spend", "Minimum spend", lacking.major)
    return [*charges, RatedCharge(charge, lacking, category="commitment")]


def total(charges: Sequence[RatedCharge], currency: str) -> Money:
    return sum((each.total for each in charges), Money.zero(currency))
