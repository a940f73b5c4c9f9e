"""Ids that follow from what they name, so that doing the same thing twice finds the first one."""

import re
from datetime import UTC, datetime
from hashlib import sha256

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_CHARACTERS, ULID_TIME_CHARACTERS = 26, 10
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}", re.ASCII)


def is_ulid(text: str) -> bool:
    """Whether it can be an id."""
    return bool(_ULID.fullmatch(text))


def named_ulid(instant: datetime, *names: str) -> str:
    """A ULID whose time is `instant` and whose 80 random bits are a hash of the names: same names, same id."""
    milliseconds = int(instant.timestamp()) * 1000
    digest = sha256("\x00".join(names).encode()).digest()[:10]
    return _encoded(milliseconds << 80 | int.from_bytes(digest, "big"))


def ulid_floor(instant: datetime) -> str:
    """The lowest ULID of that millisecond; ids of earlier instants sort before it."""
    return _encoded(int(instant.timestamp()) * 1000 << 80)


def ulid_instant(ulid: str) -> datetime:
    """When it was made, to the second; raises ValueError for what is none."""
    value = 0
    for character in ulid[:ULID_TIME_CHARACTERS].upper():
        value = value * 32 + CROCKFORD.index(character)
    if len(ulid) != ULID_CHARACTERS:
        raise ValueError("not a ULID")
    return datetime.fromtimestamp(value // 1000, UTC)


def _encoded(value: int) -> str:
    characters = []
    for _ in range(ULID_CHARACTERS):
        value, digit = divmod(value, 32)
        characters.append(CROCKFORD[digit])
    return "".join(reversed(characters))
