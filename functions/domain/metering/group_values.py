"""The values of an event's dimensions as counters name them: long ones by a digest, so that no two are mixed up."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

OTHER = "__other__"  # stands for the values that had no room
MAX_CODE_LENGTH = 1_024  # characters of all values of an event together
PREFIX_LENGTH = 40
DIGEST_BYTES = 16
SHORT_LENGTH = PREFIX_LENGTH + 1 + 2 * DIGEST_BYTES


def short(value: str) -> str:
    """A long value by its beginning and a digest of all of it: equal for equal values only."""
    if len(value) <= SHORT_LENGTH:
        return value
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
    return f"{value[:PREFIX_LENGTH]}…{digest}"


def fitting(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values as they are if they are short enough together; else the longest are shortened, as many as it takes."""
    length = sum(map(len, values))
    if length <= MAX_CODE_LENGTH:
        return values
    fitted = list(values)
    for place in sorted(range(len(values)), key=lambda place: -len(values[place])):
        if length <= MAX_CODE_LENGTH:
            break
        fitted[place] = short(values[place])
        length -= len(values[place]) - len(fitted[place])
    return tuple(fitted)


def fitting_groups(groups: Mapping[str, str]) -> Mapping[str, str]:
    """`fitting` of the values by dimension."""
    return dict(zip(groups, fitting(tuple(groups.values())), strict=True))


def either_form(values: Iterable[str]) -> frozenset[str]:
    """What a counter may call these values."""
    every = [*values]
    return frozenset([*every, *map(short, every)])
