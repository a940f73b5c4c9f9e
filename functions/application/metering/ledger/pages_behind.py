"""The commits of this process whose pages are not written yet: pages are written for many commits at once.

A page costs a write unit, however much a write changes. Until a lane's pages are written its head stays, so the next
writer finds the commits behind it in the log, and readers add their deltas to the pages (`usage/read_tail.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from functions.application.metering.ledger.apply_pages import PageApplier
from functions.application.ports.ledger import Ledger
from functions.domain.metering.ledger.ledger import Commit

PAGES_BEHIND_SECONDS = 60
# Deltas of pages: of a process, 1.2 KB each in memory; of a lane, 60 bytes each for whoever reads its pages.
MAX_DELTAS, MAX_LANE_DELTAS = 50_000, 20_000


@dataclass
class _Lane:
    """`since` is when the first of its commits was decided."""

    since: int
    commits: list[Commit] = field(default_factory=list)
    deltas: int = 0
    is_closed: bool = False

    def add(self, commit: Commit) -> None:
        self.commits.append(commit)
        self.deltas += len(commit.pages)
        self.is_closed |= bool(commit.markers)


class PagesBehind:
    """By lane the commits between its head and the last one, in order."""

    applying: type[PageApplier] = PageApplier

    def __init__(self, ledger: Ledger, seconds: int = PAGES_BEHIND_SECONDS) -> None:
        self._ledger = ledger
        self._pages = self.applying(ledger)
        self._seconds = seconds
        self._lanes: dict[int, _Lane] = {}

    def add(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._lanes.setdefault(commit.lane, _Lane(commit.decided_at)).add(commit)

    def due(self, now: int) -> list[int]:
        """The lanes whose pages are to be written: what is late, much, or closed for billing; all where it is much."""
        if sum(lane.deltas for lane in self._lanes.values()) > MAX_DELTAS:
            return list(self._lanes)
        return [number for number, lane in self._lanes.items() if self._is_due(lane, now)]

    def _is_due(self, lane: _Lane, now: int) -> bool:
        return lane.is_closed or lane.deltas > MAX_LANE_DELTAS or now - lane.since >= self._seconds

    def write(self, lanes: Iterable[int]) -> None:
        """Bring the pages of these lanes up to their last commits, and then their heads.

        Raises what the storage raises; the caller forgets the lanes then.
        """
        behind = {lane: self._lanes[lane].commits for lane in lanes if lane in self._lanes}
        if not behind:
            return
        self._pages.apply(commit for commits in behind.values() for commit in commits)
        self._ledger.advance_heads({lane: commits[-1].n for lane, commits in behind.items()})
        for lane in behind:
            del self._lanes[lane]

    def forget(self, lane: int) -> None:
        self._lanes.pop(lane, None)
        self._pages.forget(lane)
