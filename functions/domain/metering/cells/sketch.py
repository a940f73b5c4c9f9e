"""A mergeable histogram of decimal buckets for percentiles: exact counts, every value at most 1 % off, no logarithms.

A bucket is a sign, a decimal exponent and a step of the mantissa [1, 10), which is cut into 175 steps of 0.02, 0.04 and
0.08, so that a bucket's middle is within 1 % of everything in it. Zero has a bucket of its own.

A sketch that may have only so many buckets makes them coarser when it has more: at level L each stands for 2^L of them
and a value is at most (2^L + 1) % off. The level depends on the values alone, not on the order they came in.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Context, Decimal

import msgspec

# From which mantissa (in hundredths), how wide the steps are, and the number of the first of them.
_RANGES = ((100, 2, 0), (200, 4, 50), (400, 8, 100))
STEPS = 175
EXPONENTS = range(-40, 41)  # values lie between 10^-18 and 10^31
_ALL_DIGITS = Context(prec=60)
ZERO = 0
COARSEST = 14  # negative, zero, positive: nothing is left to put together


class _Sketch(msgspec.Struct, array_like=True):
    level: int
    counts: dict[int, int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Sketch).decode


def bucket_of(value: int | Decimal) -> int:
    """The bucket's number: rises with the value, negative for negative values, 0 for zero."""
    number = Decimal(value)
    if not number:
        return ZERO
    exponent = number.adjusted()
    hundredths = int(number.copy_abs().scaleb(2 - exponent, _ALL_DIGITS))
    start, width, first = next(one for one in reversed(_RANGES) if hundredths >= one[0])
    step = first + (hundredths - start) // width
    index = (exponent - EXPONENTS.start) * STEPS + step + 1
    return index if number > 0 else -index


def middle(bucket: int) -> Decimal:
    if bucket == ZERO:
        return Decimal(0)
    place, step = divmod(abs(bucket) - 1, STEPS)
    start, width, first = next(one for one in reversed(_RANGES) if step >= one[2])
    twice = 2 * (start + (step - first) * width) + width
    value = Decimal(twice).scaleb(place + EXPONENTS.start - 2) / 2
    return value if bucket > 0 else -value


def of(value: int | Decimal) -> bytes:
    return pack({bucket_of(value): 1})


def pack(counts: Mapping[int, int], max_buckets: int | None = None) -> bytes:
    """Counts by bucket as bytes."""
    return _packed(0, dict(counts), max_buckets)


def unpack(sketch: bytes) -> dict[int, int]:
    """Counts by bucket; of a coarser sketch by the buckets in the middle."""
    found = _decode(sketch)
    level = found.level
    if not level:
        return found.counts
    return {_sign(group) * (((abs(group) - 1) << level) + (1 << level) // 2 + 1) if group else ZERO: count
            for group, count in found.counts.items()}  # fmt: skip


def merge(left: bytes, right: bytes, max_buckets: int | None = None) -> bytes:
    one, other = _decode(left), _decode(right)
    level = max(one.level, other.level)
    counts = _coarser(one.counts, level - one.level)
    for group, count in _coarser(other.counts, level - other.level).items():
        counts[group] = counts.get(group, 0) + count
    return _packed(level, {group: count for group, count in counts.items() if count}, max_buckets)


def is_same(left: bytes, right: bytes) -> bool:
    """Do they hold the same values, as far as the coarser one can tell?"""
    one, other = _decode(left), _decode(right)
    level = max(one.level, other.level)
    ones, others = (_coarser(each.counts, level - each.level) for each in (one, other))
    return {g: n for g, n in ones.items() if n} == {g: n for g, n in others.items() if n}


def _packed(level: int, counts: dict[int, int], max_buckets: int | None) -> bytes:
    while max_buckets and len(counts) > max_buckets and level < COARSEST:
        counts = _coarser(counts, 1)
        level += 1
    return _encode(_Sketch(level, dict(sorted(counts.items()))))


def _coarser(counts: dict[int, int], levels: int) -> dict[int, int]:
    if not levels:
        return counts
    coarse: dict[int, int] = {}
    for group, count in counts.items():
        parent = _sign(group) * (((abs(group) - 1) >> levels) + 1) if group else ZERO
        coarse[parent] = coarse.get(parent, 0) + count
    return coarse


def _sign(number: int) -> int:
    return 1 if number > 0 else -1


def percentile(sketch: bytes, percent: Decimal) -> Decimal:
    """The nearest-rank percentile, at most 1 % off at level 0; `percent` is from 0 to 100."""
    counts = unpack(sketch)
    total = sum(counts.values())
    rank = max(1, int((percent * total / 100).to_integral_value(ROUND_CEILING)))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return middle(bucket)
    raise AssertionError("A sketch without values has no percentile.")
