"""Owns the usage periods of an entitlement: they recur from an anchor, and are cut by resets made by hand."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from functions.domain.entitlements.allowance import Reset
from functions.domain.entitlements.grant import Recurrence, is_whole_minute
from functions.domain.period import Cadence, Period, period_at

# Shorter usage periods are refused by whoever takes a definition.
MIN_USAGE_PERIOD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ManualReset:
    """A new usage period from this minute on; its end is the next boundary as before, or counted from here.

    `preserves_overage` is None for what the entitlement says.
    """

    at: datetime
    retains_anchor: bool
    preserves_overage: bool | None = None

    def __post_init__(self) -> None:
        assert is_whole_minute(self.at), self


@dataclass(frozen=True, slots=True)
class UsagePeriods:
    """All usage periods, one after the other without a gap.

    Usage is measured from `starts_at`; the first period is still shown from the boundary before. Resets by hand are
    sorted, one a minute, and after `starts_at`.
    """

    cadence: Cadence
    anchor: datetime
    starts_at: datetime
    resets: tuple[ManualReset, ...] = ()

    def __post_init__(self) -> None:
        instants = [self.starts_at, *(reset.at for reset in self.resets)]
        assert all(earlier < later for earlier, later in pairwise(instants)), instants

    def at(self, at: datetime) -> Period:
        """The usage period that contains the instant."""
        anchor, start, end = self.anchor, None, None
        for reset in self.resets:
            if reset.at > at:
                end = reset.at
                break
            start = reset.at
            anchor = anchor if reset.retains_anchor else reset.at
        whole = period_at(at, anchor, self.cadence)
        return Period(max(whole.start, start or whole.start), min(whole.end, end or whole.end))

    def boundaries(self, start: datetime, end: datetime) -> tuple[datetime, ...]:
        """Where usage periods begin by themselves in (start, end], after `starts_at`.

        Raises InvalidInput for too many.
        """
        anchors = [(self.starts_at, self.anchor)]
        anchors += [(reset.at, reset.at) for reset in self.resets if not reset.retains_anchor]
        found: list[datetime] = []
        for (since, anchor), (until, _) in pairwise([*anchors, (end, end)]):
            found += Recurrence(self.cadence, anchor).between(max(start, since), min(end, until))
        return tuple(found)

    def all_resets(self, start: datetime, end: datetime, *, preserves_overage: bool) -> tuple[Reset, ...]:
        """Resets in (start, end], those by themselves and those by hand, which count where both are in one minute.

        `preserves_overage` is what the entitlement says.
        """
        resets = {at: Reset(at, preserves_overage) for at in self.boundaries(start, end)}
        for reset in self.resets:
            if start < reset.at <= end:
                by_hand = reset.preserves_overage
                resets[reset.at] = Reset(reset.at, preserves_overage if by_hand is None else by_hand)
        return tuple(resets[at] for at in sorted(resets))
