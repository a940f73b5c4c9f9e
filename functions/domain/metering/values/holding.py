"""Whose usage a subject's events are, and since when: an event belongs to the holder at its own time."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from functions.domain.wire import Instant, WireModel

# Before and behind all events.
FIRST_SECOND, LAST_SECOND = 0, 10**11


class Holding(WireModel):
    """A subject of one customer in [held_from, held_to); None: since ever, or until further notice."""

    subject: str
    held_from: Instant | None = Field(default=None, validation_alias="from", serialization_alias="from")
    held_to: Instant | None = Field(default=None, validation_alias="to", serialization_alias="to")

    @property
    def is_empty(self) -> bool:
        return self.held_from is not None and self.held_to is not None and self.held_from >= self.held_to

    @property
    def is_cut(self) -> bool:
        return self.held_from is not None or self.held_to is not None

    @property
    def seconds(self) -> tuple[int, int]:
        """From the first epoch second to the one behind the last."""
        since = int(self.held_from.timestamp()) if self.held_from else FIRST_SECOND
        return since, int(self.held_to.timestamp()) if self.held_to else LAST_SECOND

    def holds(self, second: int) -> bool:
        since, until = self.seconds
        return since <= second < until

    def within(self, start: datetime | None, end: datetime | None) -> "Holding | None":
        """As much of it as lies in [start, end), open where it goes on beyond; None for nothing."""
        since = None if self.held_from is None or (start and self.held_from <= start) else self.held_from
        until = None if self.held_to is None or (end and self.held_to >= end) else self.held_to
        is_before = start is not None and self.held_to is not None and self.held_to <= start
        is_after = end is not None and self.held_from is not None and self.held_from >= end
        if is_before or is_after or self.is_empty:
            return None
        return Holding(subject=self.subject, held_from=since, held_to=until)


def held_ever(subjects: Iterable[str]) -> tuple[Holding, ...]:
    return tuple(Holding(subject=each) for each in subjects)


def held_within(holdings: Iterable[Holding], start: datetime | None, end: datetime | None) -> tuple[Holding, ...]:
    """Those that lie in [start, end), by subject and time; what follows on itself is one."""
    joined: list[Holding] = []
    for each in sorted((part for held in holdings if (part := held.within(start, end))), key=_order):
        last = joined[-1] if joined else None
        if last and last.subject == each.subject and last.held_to is not None and last.held_to == each.held_from:
            joined[-1] = last.model_copy(update={"held_to": each.held_to})
        else:
            joined.append(each)
    return tuple(joined)


def _order(holding: Holding) -> tuple[str, int]:
    return holding.subject, holding.seconds[0]
