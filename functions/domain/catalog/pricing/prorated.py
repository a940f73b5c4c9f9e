"""Prorated tiers: full units decide the tier, and the time for which they were there decides the amount."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import Field

from functions.domain.catalog.pricing.price import Charge, LineUsage, Needs
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.wire import Flag

# An average that has no end is shown to so many digits behind the point; the amount does not come from it.
SHOWN = Decimal("1e-9")
# What a period has come to is kept to so many, more than any rounding to money can tell: an amount per unit and a level
# have 18 each, a conversion as many, and a century has 10 digits of seconds.
KEPT = Decimal("1e-80")

# Stored and shown where it is true alone: to OpenMeter's clients a price without it is one of theirs.
Prorated = Annotated[Flag, Field(exclude_if=lambda value: not value)]

OF_LEVELS = Needs(levels=True)


def levels_of(usage: LineUsage) -> tuple[LevelTimes, LevelTimes]:
    """Those before the line and its own."""
    assert usage.levels is not None and usage.full_seconds > 0, "a prorated price needs to know the time at each level"
    return usage.levels_before, usage.levels


def averaged(
    reference: str, name: str, before: Decimal, own: Decimal, unit: Decimal, tier: int, full_seconds: int
) -> Charge:
    """Of `own` value-seconds after those `before`, at `unit` for each unit that was there for the full period.

    Its exact amount is what the period has come to with them less what it had come to without: so the lines of a period
    add up to its one line, however little of it each of them is.
    """

    def come_to(value_seconds: Decimal) -> Decimal:
        return (value_seconds * unit / full_seconds).quantize(KEPT)

    shown = (own / full_seconds).quantize(SHOWN, ROUND_HALF_UP).normalize() + 0
    return Charge(reference, name, shown, unit, tier, exact=come_to(before + own) - come_to(before))
