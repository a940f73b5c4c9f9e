"""Proration: the part of a flat fee that belongs to the part of a period in which it was owed."""

from datetime import timedelta
from decimal import Decimal

from functions.domain.money import EXACT
from functions.domain.period import Period

_MICRO = timedelta(microseconds=1)


def prorated(amount: Decimal, billable: Period, full: Period) -> Decimal:
    """`amount` times the billable period's share of the full period, by time, multiplied before it is divided.

    The whole amount when both are equally long, when it is longer, and when it has no length (a one-time fee).
    """
    if billable.length >= full.length or not billable.length:
        return amount
    part = EXACT.multiply(amount, Decimal(billable.length // _MICRO))
    return EXACT.divide(part, Decimal(full.length // _MICRO))
