"""How a meter turns values into one number, as mergeable cells: what is added, and what keeps the extreme."""

from decimal import Context, Decimal, Inexact, Overflow
from enum import StrEnum

Number = int | Decimal

# Sums of 31-digit values stay exact up to 10^7 of the largest; anything inexact is a bug and raises.
EXACT_SUMS = Context(prec=60, traps=[Inexact, Overflow])


class Aggregation(StrEnum):
    SUM = "SUM"
    COUNT = "COUNT"
    MAX = "MAX"
    MIN = "MIN"

    @property
    def needs_value(self) -> bool:
        return self is not Aggregation.COUNT

    @property
    def is_additive(self) -> bool:
        return self in (Aggregation.SUM, Aggregation.COUNT)

    def merge(self, left: Number, right: Number) -> Number:
        if self is Aggregation.MAX:
            return max(left, right)
        if self is Aggregation.MIN:
            return min(left, right)
        if type(left) is int and type(right) is int:
            return left + right
        return EXACT_SUMS.add(left, right)
