"""A correction: who took which event back, when and why, what was put in its place, and what has come of it."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from functions.domain.metering.ledger.ledger import bucket_of

# Of an applied correction: the event had counted and does no more, or it has not come so far and will not count.
Effect = Literal["voided", "suppressed"]


@dataclass(frozen=True)
class EventName:
    """What tells an event from all others; `time` in epoch seconds."""

    id: str
    source: str
    subject: str
    time: int


@dataclass(frozen=True)
class Replacement:
    """The event counted instead, without its data; `digest` stands for all of it."""

    id: str
    type: str
    subject: str
    time: int
    digest: str


@dataclass(frozen=True)
class Correction:
    """`requested_by` is the id of an API key. Times are epoch seconds."""

    id: str
    event: EventName
    reason: str
    requested_by: str
    requested_at: int
    replacement: Replacement | None = None
    effect: Effect | None = None
    applied_at: int | None = None


def correction_id(fingerprint: int, time: int) -> str:
    """One event has one correction."""
    return f"{fingerprint:016x}-{bucket_of(time)}"


def digest_of(*texts: str | bytes) -> str:
    """The same for the same texts in the same order."""
    hashed = blake2b(digest_size=16, person=b"correction")
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        hashed.update(len(raw).to_bytes(8, "little") + raw)
    return hashed.hexdigest()
