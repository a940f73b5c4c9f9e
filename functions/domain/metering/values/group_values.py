"""The values of an event's dimensions as counters name them: long ones by a digest, so that no two are mixed up."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

OTHER = "__other__"  # stands for the values that had no room
MAX_CODE_LENGTH = 1_024  # characters of all values of an event together
# So many once a tenant's codes of a lane hold much text: a writer remembers all of them, those of every meter apart.
TIGHT_CODE_LENGTH = 256
MAX_LONG_TEXTS = 1_000_000  # characters of a tenant's longer ones in a lane: up to 4 MB
PREFIX_LENGTH = 40
DIGEST_BYTES = 16
SHORT_LENGTH = PREFIX_LENGTH + 1 + 2 * DIGEST_BYTES


def short(value: str) -> str:
    """A long value by its beginning and a digest of all of it: equal for equal values only."""
    if len(value) <= SHORT_LENGTH:
        return value
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
    return f"{value[:PREFIX_LENGTH]}…{digest}"


def fitting(values: tuple[str, ...], most: int = MAX_CODE_LENGTH) -> tuple[str, ...]:
    """The values as they are if they are short enough together; else the longest are shortened, as many as it takes."""
    length = sum(map(len, values))
    if length <= most:
        return values
    fitted = list(values)
    for place in sorted(range(len(values)), key=lambda place: -len(values[place])):
        if length <= most:
            break
        fitted[place] = short(values[place])
        length -= len(values[place]) - len(fitted[place])
    return tuple(fitted)


def fitting_groups(groups: Mapping[str, str], most: int = MAX_CODE_LENGTH) -> Mapping[str, str]:
    """`fitting` of the values by dimension."""
    return dict(zip(groups, fitting(tuple(groups.values()), most), strict=True))


def either_form(values: Iterable[str]) -> frozenset[str]:
    """What a counter may call these values."""
    every = [*values]
    return frozenset([*every, *map(short, every)])
