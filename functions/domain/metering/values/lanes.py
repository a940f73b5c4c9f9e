"""Which of the deployment's lanes a subject belongs to, and the keyed fingerprint that names an event.

One lane has one writer, so everything about a subject is decided in one order. The hash is keyed because
customers choose subjects and ids and must not be able to craft collisions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from functions.domain.errors import InvalidInput

MAX_LANES = 256  # a lane costs a few requests per batch; beyond this the fixed cost rules
HASH_SPACE = 1 << 128  # the range of Kinesis hash keys
MAX_KEY_BYTES = 64  # what BLAKE2b takes
MAX_REMEMBERED_TEXT = 64  # characters: 50,000 values take at most some 20 MB
MAX_REMEMBERED_TEXTS = 50_000


def key_check(key: bytes) -> str:
    """A value that tells two ledger keys apart without revealing them; stored beside the lane count."""
    return blake2b(b"tollbooth genesis", key=key[:MAX_KEY_BYTES], digest_size=8).hexdigest()


def hash_key(lane: int, lanes: int) -> str:
    """The Kinesis ExplicitHashKey of a lane: the middle of its slice, so lanes spread over any shard count."""
    return str(HASH_SPACE * (2 * lane + 1) // (2 * lanes))


class ValueFingerprints(dict[str, int]):
    """Fingerprints by text. Most values come again within a window, so that those of usual length are remembered."""

    def __init__(self, value_hash: Any) -> None:
        super().__init__()
        self._value_hash = value_hash

    def __missing__(self, text: str) -> int:
        hashed = self._value_hash.copy()
        hashed.update(text.encode("utf-8", "surrogatepass"))
        found = int.from_bytes(hashed.digest(), "big")
        if len(text) <= MAX_REMEMBERED_TEXT:
            if len(self) >= MAX_REMEMBERED_TEXTS:
                self.clear()
            self[text] = found
        return found


@dataclass(frozen=True)
class Lanes:
    """The lane count and hash key of a deployment; both are made once and never change.

    `value_fingerprint` gives 64 bits that stand for a value counted by UNIQUE_COUNT: equal texts are equal values.
    """

    count: int
    key: bytes
    _subject_hash: Any = field(init=False, repr=False, compare=False)
    _event_hash: Any = field(init=False, repr=False, compare=False)
    value_fingerprint: Callable[[str], int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_LANES:
            raise InvalidInput(f"A deployment has 1 to {MAX_LANES} lanes, not {self.count}.")
        key = self.key[:MAX_KEY_BYTES]
        object.__setattr__(self, "_subject_hash", blake2b(key=key, digest_size=8, person=b"lane"))
        object.__setattr__(self, "_event_hash", blake2b(key=key, digest_size=8, person=b"event"))
        value_hash = blake2b(key=key, digest_size=8, person=b"value")
        object.__setattr__(self, "value_fingerprint", ValueFingerprints(value_hash).__getitem__)
        object.__setattr__(self, "lane_of", lru_cache(maxsize=50_000)(self.lane_of))

    def lane_of(self, tenant: str, subject: str) -> int:
        hashed = self._subject_hash.copy()
        hashed.update(f"{tenant}\0{subject}".encode())
        return int.from_bytes(hashed.digest(), "big") % self.count

    def fingerprint(self, tenant: str, subject: str, source: str, event_id: str) -> int:
        """64 bits that stand for (tenant, subject, source, id); lengths keep the parts from running together."""
        hashed = self._event_hash.copy()
        hashed.update(f"{tenant}\0{len(subject)} {len(source)}\0{subject}{source}{event_id}".encode())
        return int.from_bytes(hashed.digest(), "big")
