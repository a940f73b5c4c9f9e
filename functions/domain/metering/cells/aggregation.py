"""How a meter turns values into one number: mergeable parts per window and group, and the answer they give."""

from array import array
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, Overflow
from enum import StrEnum

from functions.domain.metering.cells import sketch

Number = int | Decimal
Latest = tuple[Number, ...]  # the second of the event, its microsecond, its value
Cell = Number | Latest | bytes
Moment = int | tuple[int, int]  # a second; where the order within it matters with the microsecond

# From 10^31 down to 10^-18 a sum of values spans 49 digits, times the seconds since 1970 (of levels) 59; the others are
# for how many values there are, which are not as many as that. Anything inexact is a bug and raises.
EXACT_SUMS = Context(prec=100, traps=[Inexact, Overflow])
# A quotient may have no end: it keeps 34 digits, and never fewer behind the point than a value has.
QUOTIENTS, FRACTION_DIGITS = Context(prec=34, rounding=ROUND_HALF_EVEN), 18

LARGEST_INT = 2**63  # MessagePack ends there, so whole numbers from here on are taken, and stored, as decimals

WINDOW_SECONDS = 1_800  # of counters: day boundaries of nearly all time zones are whole windows

DIRTY = b""  # in place of any cell: an event of it was voided, and only the log can tell what is left


class Keep(StrEnum):
    """How the contributions to a cell merge."""

    SUM = "sum"
    HIGHEST = "highest"
    LOWEST = "lowest"
    LATEST = "latest"
    VALUES = "values"
    SKETCH = "sketch"


class Aggregation(StrEnum):
    SUM = "SUM"
    COUNT = "COUNT"
    UNIQUE_COUNT = "UNIQUE_COUNT"
    AVG = "AVG"
    MIN = "MIN"
    MAX = "MAX"
    LATEST = "LATEST"
    PERCENTILE = "PERCENTILE"
    TIME_WEIGHTED_SUM = "TIME_WEIGHTED_SUM"

    @property
    def parts(self) -> tuple[Keep, ...]:
        return PARTS[self]

    @property
    def needs_value(self) -> bool:
        return self is not Aggregation.COUNT

    @property
    def is_additive(self) -> bool:
        """Is one sum all there is, as the hot loop counts it?"""
        return self in (Aggregation.SUM, Aggregation.COUNT)

    @property
    def is_divisible(self) -> bool:
        """Do the answers of hours and groups add up to the answer of all?"""
        return self.is_additive or self.is_level

    @property
    def only_grows(self) -> bool:
        """Does a longer range answer what a shorter one did and more, so that a period can be billed in parts?"""
        return self.is_additive or self in (Aggregation.MAX, Aggregation.UNIQUE_COUNT)

    @property
    def is_level(self) -> bool:
        """Do events change a level that lasts, so that what was before a range matters in it?"""
        return self is Aggregation.TIME_WEIGHTED_SUM

    @property
    def orders_microseconds(self) -> bool:
        """Does it matter which of the events of one second was the later?"""
        return self is Aggregation.LATEST

    @property
    def is_zero_when_empty(self) -> bool:
        """Nothing counted is a zero, not an absence."""
        return self in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT)


PARTS = {
    Aggregation.SUM: (Keep.SUM,),
    Aggregation.COUNT: (Keep.SUM,),
    Aggregation.UNIQUE_COUNT: (Keep.VALUES,),
    Aggregation.AVG: (Keep.SUM, Keep.SUM),
    Aggregation.MIN: (Keep.LOWEST,),
    Aggregation.MAX: (Keep.HIGHEST,),
    Aggregation.LATEST: (Keep.LATEST,),
    Aggregation.PERCENTILE: (Keep.SKETCH,),
    Aggregation.TIME_WEIGHTED_SUM: (Keep.SUM, Keep.SUM),  # changes; changes times seconds since the window began
}


def contribution(
    aggregation: Aggregation, value: Number, second: int, fingerprint: int, micros: int = 0
) -> tuple[Cell, ...]:
    """What one event adds, part by part. `fingerprint` is the value's, for UNIQUE_COUNT only."""
    if aggregation is Aggregation.AVG:
        return value, 1
    if aggregation is Aggregation.LATEST:
        return ((second, micros, value),)
    if aggregation is Aggregation.UNIQUE_COUNT:
        return (pack_values((fingerprint,)),)
    if aggregation is Aggregation.PERCENTILE:
        return (sketch.of(value),)
    if aggregation is Aggregation.TIME_WEIGHTED_SUM:
        return value, times(value, second % WINDOW_SECONDS)
    return (value,)


def moment(aggregation: Aggregation, second: int, micros: int) -> Moment:
    """When an event happened, for the functions that add it to cells."""
    return (second, micros) if aggregation.orders_microseconds else second


def with_micros(latest: Latest) -> Latest:
    """Stored before 2026-11-28, it has no microsecond."""
    if len(latest) == 2:
        return latest[0], 0, latest[1]
    second, micros, value = latest
    return second, micros, value


def merge(keep: Keep, left: Cell, right: Cell) -> Cell:
    """One cell from two of the same kind; associative, commutative."""
    if keep is Keep.SUM:
        return add(left, right)  # type: ignore[arg-type]
    if keep is Keep.VALUES:
        return pack_values({*unpack_values(left), *unpack_values(right)})  # type: ignore[arg-type]
    if keep is Keep.SKETCH:
        return sketch.merge(left, right)  # type: ignore[arg-type]
    if keep is Keep.LOWEST:
        return min(left, right)
    return max(left, right)


def add(left: Number, right: Number) -> Number:
    if type(left) is int and type(right) is int:
        return left + right
    return EXACT_SUMS.add(left, right)


def times(value: Number, seconds: int) -> Number:
    return value * seconds if type(value) is int else EXACT_SUMS.multiply(value, seconds)


def quotient(dividend: Number, divisor: Number) -> Decimal:
    found = QUOTIENTS.divide(Decimal(dividend), Decimal(divisor))
    digits = found.adjusted() + 1 + FRACTION_DIGITS
    if digits <= QUOTIENTS.prec:
        return found
    return Context(prec=digits, rounding=ROUND_HALF_EVEN).divide(Decimal(dividend), Decimal(divisor))


def negative(value: Number) -> Number:
    """No digit is rounded away."""
    return -value if isinstance(value, int) else value.copy_negate()


def answer(aggregation: Aggregation, parts: Sequence[Cell], percentile: Decimal | None = None) -> Decimal:
    """The number a user sees for merged parts; `percentile` (0 to 100) only for PERCENTILE.

    A level has no answer of its parts alone: see `level`.
    """
    assert not aggregation.is_level
    first = parts[0]
    if aggregation is Aggregation.AVG:
        return quotient(first, parts[1])  # type: ignore[arg-type]
    if aggregation is Aggregation.LATEST:
        return Decimal(first[2])  # type: ignore[index]
    if aggregation is Aggregation.UNIQUE_COUNT:
        return Decimal(len(first) // VALUE_BYTES)  # type: ignore[arg-type]
    if aggregation is Aggregation.PERCENTILE:
        return sketch.percentile(first, percentile if percentile is not None else Decimal(95))  # type: ignore[arg-type]
    return Decimal(first)  # type: ignore[arg-type]


VALUE_BYTES = 8


def pack_values(values: Iterable[int]) -> bytes:
    return array("Q", sorted(values if isinstance(values, set) else set(values))).tobytes()


def unpack_values(packed: bytes) -> "array[int]":
    values = array("Q")
    values.frombytes(packed)
    return values
