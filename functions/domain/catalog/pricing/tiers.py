"""Tiers: the ranges (from, to] of a quantity that are priced differently, and which of them a line's usage touches."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Literal, Protocol

from pydantic import Field
from pydantic_core import InitErrorDetails

from functions.domain.catalog.pricing.price import ZERO, Amount, LineUsage
from functions.domain.catalog.pricing.problems import wrong
from functions.domain.wire import Numeric, WireModel

# Nobody can read a price of more tiers, and each one can become a line of the invoice.
MAX_TIERS = 100
# How the reference of a tier's flat price ends.
FLAT = "flat-price"


UpTo = Annotated[Numeric | None, Field(exclude_if=lambda value: value is None)]


class TierFlat(WireModel):
    type: Literal["flat"] = "flat"
    amount: Amount


class TierUnit(WireModel):
    type: Literal["unit"] = "unit"
    amount: Amount


class Tier(WireModel):
    """A tier holds quantities up to and including `up_to_amount`; the last one is open (null)."""

    up_to_amount: UpTo = None
    flat_price: TierFlat | None = None
    unit_price: TierUnit | None = None


class Bounded(Protocol):
    @property
    def up_to_amount(self) -> Decimal | None: ...


def tier_problems(tiers: Sequence[Bounded]) -> list[InitErrorDetails]:
    """Tiers must climb from above zero, and only the last one is open."""
    problems = []
    below, last = ZERO, len(tiers) - 1
    for i, tier in enumerate(tiers):
        bound = tier.up_to_amount
        if i == last and bound is not None:
            message = "must be left out of the last tier, so that every quantity has a tier"
        elif i < last and bound is None:
            message = f"is required in every tier but the last; it must be greater than {below:f}"
        elif bound is not None and bound <= below:
            message = f"must be greater than {below:f}, where the tier begins; tiers climb in the order given"
        else:
            below = bound or below
            continue
        problems.append(wrong("tiers", i, "upToAmount", code="tiers_must_climb", message=message, value=bound))
    return problems


def component_problems(tiers: Sequence[Tier]) -> list[InitErrorDetails]:
    message = "needs a flatPrice, a unitPrice or both; a free tier has a unitPrice of 0"
    return [
        wrong("tiers", i, code="tier_without_price", message=message)
        for i, tier in enumerate(tiers)
        if tier.flat_price is None and tier.unit_price is None
    ]


def touched(tiers: Sequence[Bounded], usage: LineUsage) -> Iterator[tuple[int, Decimal, bool]]:
    """(index, quantity in the tier, whether the line enters it) of each tier that the line's usage touches.

    The first tier is entered by the first line of the period, even when nothing was used.
    """
    begins = ZERO
    for i, tier in enumerate(tiers):
        ends = usage.total if tier.up_to_amount is None else min(tier.up_to_amount, usage.total)
        quantity = max(ends - max(begins, usage.before), ZERO)
        is_entered = usage.is_first if i == 0 else usage.before <= begins < usage.total
        if quantity or is_entered:
            yield i, quantity, is_entered
        if ends == usage.total:
            return
        begins = ends
