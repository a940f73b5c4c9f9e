"""The lanes of an invocation, each at its own commit of its batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from functions.domain.errors import Unavailable
from functions.domain.metering.ledger.ledger import Commit, Counts
from functions.domain.metering.values.event import CloseMarker, Pack

MAX_TRIES = 20  # writers of one lane meet only while shards split or an old invocation lingers

# What hostile content can raise in our own code. Anything else is the storage's and makes the stream deliver again.
POISON = (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AssertionError, RecursionError)


class Batch(NamedTuple):
    """What one delivery holds for one lane."""

    packs: Sequence[Pack]
    markers: Sequence[CloseMarker] = ()

    @property
    def received_at(self) -> int:
        """Of its newest record."""
        return max([pack.received_at for pack in self.packs] + [marker.received_at for marker in self.markers])

    @property
    def markers_to_keep(self) -> list[str]:
        """The names of its markers, once each; a heartbeat leaves no trace."""
        return list(dict.fromkeys(each.marker for each in self.markers if not each.is_heartbeat))


class Commits(Protocol):
    """The commits of a batch: each is stored and applied before the next is decided."""

    counts: Counts

    def next_commit(self) -> Commit | None: ...
    def committed(self) -> None: ...


class RunningLanes:
    """The batches that are being written, each at its own commit."""

    def __init__(self, batches: Mapping[int, Batch], begin: Callable[[int, Batch], Commits]) -> None:
        self._batches = batches
        self._begin = begin
        self._tries = dict.fromkeys(batches, 0)
        self.running: dict[int, Commits] = {}
        self.outcomes: dict[int, Counts | Exception] = {}
        for lane in batches:
            self.start_again(lane)

    def start_again(self, lane: int) -> None:
        """From the beginning, because everything that was known of the lane may have been wrong."""
        if self._tries[lane] == MAX_TRIES:
            raise Unavailable(f"Lane {lane} is being written by others all the time.", retry_after_seconds=5)
        self._tries[lane] += 1
        self.running[lane] = self._begin(lane, self._batches[lane])

    def next_commit(self, lane: int) -> Commit | None:
        """None when the lane has come to its end."""
        commits = self.running[lane]
        commit = commits.next_commit()
        if commit is None:
            self.end(lane, commits.counts)
        return commit

    def committed(self, lane: int) -> None:
        """Its commit is stored and applied."""
        self.running[lane].committed()

    def end(self, lane: int, outcome: Counts | Exception) -> None:
        self.outcomes[lane] = outcome
        del self.running[lane]
