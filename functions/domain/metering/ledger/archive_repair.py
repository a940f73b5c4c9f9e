"""What a repair of archived objects found and did: which events' data lie aside now, and which lines are lost."""

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

QUARANTINE = "quarantine/"  # + the key of the object whose bytes are kept there
MAX_DAMAGED = 100  # objects in one answer, after which another call goes on
MAX_NAMED = 20  # events of an object that are named in it


class Location(NamedTuple):
    """The commit whose object it is, and the hour it was decided in."""

    lane: int
    n: int
    decided_hour: int


@dataclass(frozen=True)
class Damage:
    """What is wrong with an object: events whose data cannot be read, by tenant and id; lines with no readable head.

    `reason` is why nothing can be done about it; empty where something can.
    """

    key: str
    lines: int = 0
    aside: int = 0
    lost: int = 0
    events: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass
class Repair:
    """A lane's objects of a day, or some of them: `next_after` goes on behind the last key that was looked at."""

    lane: int
    day: date
    is_applied: bool
    objects: int = 0
    damaged: list[Damage] = field(default_factory=list)
    next_after: str | None = None
