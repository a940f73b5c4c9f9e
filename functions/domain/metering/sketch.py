"""A mergeable histogram of decimal buckets for percentiles: exact counts, every value at most 1 % off, no logarithms.

A bucket is a sign, a decimal exponent and a step of the mantissa [1, 10), which is cut into 175 steps of 0.02, 0.04 and
0.08, so that a bucket's middle is within 1 % of everything in it. Zero has a bucket of its own.
"""

from decimal import ROUND_CEILING, Decimal

import msgspec

# From which mantissa (in hundredths), how wide the steps are, and the number of the first of them.
_RANGES = ((100, 2, 0), (200, 4, 50), (400, 8, 100))
STEPS = 175
EXPONENTS = range(-40, 41)  # values have at most 13 integer and 18 fraction digits
ZERO = 0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, int]).decode


def bucket_of(value: int | Decimal) -> int:
    """The bucket's number: rises with the value, negative for negative values, 0 for zero."""
    number = Decimal(value)
    if not number:
        return ZERO
    exponent = number.adjusted()
    hundredths = int(abs(number).scaleb(2 - exponent))
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
    return _encode({bucket_of(value): 1})


def pack(counts: dict[int, int]) -> bytes:
    return _encode(dict(sorted(counts.items())))


def unpack(sketch: bytes) -> dict[int, int]:
    return _decode(sketch)


def merge(left: bytes, right: bytes) -> bytes:
    counts = _decode(left)
    for bucket, count in _decode(right).items():
        counts[bucket] = counts.get(bucket, 0) + count
    return pack({bucket: count for bucket, count in counts.items() if count})


def percentile(sketch: bytes, percent: Decimal) -> Decimal:
    """The nearest-rank percentile, at most 1 % off; `percent` is from 0 to 100."""
    counts = _decode(sketch)
    total = sum(counts.values())
    rank = max(1, int((percent * total / 100).to_integral_value(ROUND_CEILING)))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return middle(bucket)
    raise AssertionError("A sketch without values has no percentile.")
