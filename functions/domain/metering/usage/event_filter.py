"""Which accepted events are listed, and their order: newest first, the same one every time."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple, Protocol

from functions.domain.metering.values.filters import Predicate
from functions.domain.metering.values.holding import Holding

FIRST_SECOND, LAST_SECOND = 0, 10**10


class Accepted(Protocol):
    """An accepted event as it is kept; times in epoch seconds."""

    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time_seconds(self) -> int: ...
    @property
    def received_seconds(self) -> int: ...


class Indexed(Protocol):
    """What the hour index knows of a commit; see `HourEntry`."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def decided_at(self) -> int: ...
    def may_hold(self, tenant: str, subject_marks: Collection[bytes] = ()) -> bool: ...


class Position(NamedTuple):
    """The place of an event in the list: by its time, its arrival, its id, and what tells equal ones apart."""

    time: int
    received_at: int
    id: str
    tie: bytes

    @classmethod
    def of(cls, event: Accepted) -> "Position":
        tie = blake2b(f"{len(event.source)} {event.source}{event.subject}".encode(), digest_size=8).digest()
        return cls(event.time_seconds, event.received_seconds, event.id, tie)

    @classmethod
    def after_second(cls, second: int) -> "Position":
        """Behind everything newer than that second, before everything of it."""
        return cls(second + 1, 0, "", b"")

    @property
    def newest_second(self) -> int:
        """Of the events behind this place."""
        return self.time if self.received_at else self.time - 1


class Batches(NamedTuple):
    """Where a list stands in an hour that holds too many stored batches for its events to be put in order.

    It goes from batch to batch instead, the newest first, and in a batch from the last line to the first. `read` has by
    lane the lowest batch that was read; of batch `n` of `lane`, if any, the lines before `line` are left.
    """

    hour: int
    read: dict[int, int]
    lane: int = 0
    n: int = 0
    line: int = 0


class Bookmark(NamedTuple):
    """Where a list goes on: behind a position; with `batches`, also behind what it has read of their hour."""

    after: Position | None
    batches: Batches | None = None


SecondTest = Callable[[int], bool]


@dataclass(frozen=True)
class EventFilter:
    """All that is asked for must hold. Bounds are inclusive seconds; `named` are exact subjects, None for any.

    `held` says whose events are asked for, each by its own time; None for anybody's.
    `texts` test id, source, type and subject by their names; `times` and `arrivals` test seconds inside the bounds.
    """

    tenant: str
    first: int = FIRST_SECOND
    last: int = LAST_SECOND
    received_first: int = FIRST_SECOND
    received_last: int = LAST_SECOND
    named: frozenset[str] | None = None
    held: tuple[Holding, ...] | None = None
    texts: tuple[tuple[str, Predicate], ...] = ()
    times: tuple[SecondTest, ...] = ()
    arrivals: tuple[SecondTest, ...] = ()

    @cached_property
    def subjects(self) -> frozenset[str] | None:
        """Those whose events can pass, None for any."""
        if self.held is None:
            return self.named
        theirs = frozenset(each.subject for each in self.held)
        return theirs if self.named is None else self.named & theirs

    @cached_property
    def _spans(self) -> dict[str, list[tuple[int, int]]]:
        spans: dict[str, list[tuple[int, int]]] = {}
        for each in self.held or ():
            spans.setdefault(each.subject, []).append(each.seconds)
        return spans

    def may_find(self, entry: "Indexed", marks: Collection[bytes], newest: int) -> bool:
        """May the commit hold what is asked for, up to the second `newest`? `marks` are those of the subjects."""
        is_in_time = entry.first <= newest and entry.last >= self.first
        # Whatever a commit holds arrived before it was decided.
        is_late_enough = entry.decided_at >= self.received_first
        return is_in_time and is_late_enough and entry.may_hold(self.tenant, marks)

    def accepts(self, event: Accepted, first: int, last: int) -> bool:
        """Is it asked for, and did it happen in first..last?"""
        if event.tenant != self.tenant or (self.subjects is not None and event.subject not in self.subjects):
            return False
        if not all(test(getattr(event, name)) for name, test in self.texts):
            return False
        second = event.time_seconds
        if not (max(first, self.first) <= second <= min(last, self.last) and all(test(second) for test in self.times)):
            return False
        if self.held is not None and not any(low <= second < high for low, high in self._spans[event.subject]):
            return False
        received = event.received_seconds
        is_inside = self.received_first <= received <= self.received_last
        return is_inside and all(test(received) for test in self.arrivals)
