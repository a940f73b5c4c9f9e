"""Owns all that decides a balance but usage: grants and resets, and the instants at which they change."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise

from functions.domain.entitlements.grant import Grant, is_whole_minute
from functions.domain.errors import InvalidInput

# As many as one grant that recurs may make; each phase costs a look at every grant.
MAX_CUTS = 10_000


@dataclass(frozen=True, slots=True)
class Reset:
    """The first minute of a new usage period."""

    at: datetime
    preserves_overage: bool

    def __post_init__(self) -> None:
        assert is_whole_minute(self.at), self


@dataclass(frozen=True, slots=True)
class Allowance:
    """All that decides a balance but usage: grants, kept in burn order, and resets by time, after `starts_at`."""

    starts_at: datetime
    grants: tuple[Grant, ...]
    resets: tuple[Reset, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "grants", tuple(sorted(self.grants, key=lambda grant: grant.burn_order)))
        instants = [self.starts_at, *(reset.at for reset in self.resets)]
        assert all(earlier < later for earlier, later in pairwise(instants)), instants

    def active_at(self, at: datetime) -> list[Grant]:
        return [grant for grant in self.grants if grant.is_active_at(at)]

    def reset_at(self, at: datetime) -> Reset | None:
        index = bisect_left(self.resets, at, key=lambda reset: reset.at)
        return self.resets[index] if index < len(self.resets) and self.resets[index].at == at else None


def cuts(allowance: Allowance, start: datetime, end: datetime, extra: Iterable[datetime] = ()) -> tuple[datetime, ...]:
    """Where phases begin or end, from start to end, both included; raises InvalidInput for more than MAX_CUTS."""
    assert allowance.starts_at <= start <= end, (allowance.starts_at, start, end)
    found = {start, end}
    for at in chain(extra, (reset.at for reset in allowance.resets), _changes(allowance.grants, start, end)):
        if start < at < end:
            found.add(at)
        if len(found) > MAX_CUTS:
            raise InvalidInput(
                f"Grants and usage periods must not change more than {MAX_CUTS:,} times in the time that is asked for. "
                "Ask for a shorter time, or let grants recur less often."
            )
    return tuple(sorted(found))


def _changes(grants: Iterable[Grant], start: datetime, end: datetime) -> Iterator[datetime]:
    """Where grants become active, recur between start and end, or end."""
    for grant in grants:
        ends_at = grant.ends_at or end
        if ends_at <= grant.effective_at:
            continue
        yield from (grant.effective_at, ends_at)
        if grant.recurrence is not None:
            yield from grant.recurrence.between(max(start, grant.effective_at), min(end, ends_at))
