"""The commits of one lane's batch, decided one after the other: what is new in it, and what it adds up to."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from functions.application.metering.ledger.lane_memory import LaneMemory
from functions.application.metering.ledger.recall_lane import Remembered
from functions.application.metering.ledger.running_lanes import Batch
from functions.application.metering.ledger.surplus_account import SurplusAccount
from functions.application.metering.ledger.void_events import Voider
from functions.application.ports.ledger import Archive, Ledger
from functions.domain.metering.ledger.counting import Deltas, count
from functions.domain.metering.ledger.hour_index import marks_of, time_bounds
from functions.domain.metering.ledger.ledger import (
    BatchTally,
    Commit,
    Counts,
    Group,
    LaneState,
    Reject,
    accepted_by,
    bucket_of,
    deduplicate,
    deduplicate_voids,
    fingerprints_by_bucket,
    hours_of,
    pack_marks,
    weight_of,
)
from functions.domain.metering.ledger.surplus import late_surplus
from functions.domain.metering.values.event import AcceptanceWindow, Pack, Void

INLINE_ARCHIVE_BYTES = 8_000  # up to here carrying the events in the commit is cheaper than an object of their own

# The state of a lane at a time, with everything applied that is committed.
StateOf = Callable[[int, int], LaneState]


class Decider:
    """What it takes to decide, the same for all lanes of a process, and what was noted of an invocation on the way.

    `room_used` is in percent, by tenant and meter; `tallies` are of batches that made no commit.
    """

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        memory: LaneMemory,
        new_attempt: Callable[[], str],
        window: AcceptanceWindow,
        value_fingerprint: Callable[[str], int],
        surplus: SurplusAccount,
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._new_attempt = new_attempt
        self._window = window
        self._value_fingerprint = value_fingerprint
        self._surplus = surplus
        self._voider = Voider(ledger, archive, new_attempt)
        self.memory = memory
        self.room_used: dict[tuple[str, str], int] = {}
        self.tallies: list[BatchTally] = []

    def begin_invocation(self) -> None:
        self.memory.forget_meters()
        self._voider.forget()
        self.room_used.clear()
        self.tallies = []

    def new_in(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[deque[Group], deque[tuple[str, Void]], Counts]:
        """New events by subject, new voids, and the counts; what came too late is listed.

        The voids of one object of the archive stand behind each other.
        """
        found = deduplicate(state, packs, self._window, now)
        voids, rejected_voids = self.new_voids(state, packs, now)
        self.put_rejects([*found.rejects, *rejected_voids])
        groups = deque((tenant, subject, events) for (tenant, subject), events in found.groups.items())
        return groups, deque(sorted(voids, key=lambda each: bucket_of(each[1].time))), found.counts

    def new_voids(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[list[tuple[str, Void]], list[Reject]]:
        """A method of its own so that the simulation's mutants can break it."""
        return deduplicate_voids(state, packs, self._window.oldest_countable(now))

    def put_rejects(self, rejects: Sequence[Reject]) -> None:
        """What is listed of a commit's events is listed before the commit: nothing behind it may fail them.

        A method of its own so that the simulation's mutants can break it.
        """
        self._ledger.put_rejects(rejects)

    def of_voids(self, state: LaneState, voids: deque[tuple[str, Void]], received_at: int, now: int) -> Commit:
        """The commit of as many of the voids as fit into it. Raises LostRace when others write the lane."""
        return self._voider.decide(state, voids, self.memory.meters_of, self.memory.versions, received_at, now)

    def of_events(self, state: LaneState, groups: deque[Group], received_at: int, now: int) -> tuple[Commit, Deltas]:
        """The commit of as many of the events as fit into it."""
        deltas = count(state, groups, self.memory.meters_of, self._value_fingerprint, received_at)
        self._surplus.note(deltas.surplus)
        self.room_used |= deltas.room_used
        self.put_rejects(deltas.uncountable)
        return self._commit(state, deltas, received_at, now), deltas

    def _commit(self, state: LaneState, deltas: Deltas, received_at: int, now: int) -> Commit:
        attempt = self._new_attempt()
        in_use = self.memory.versions
        versions = {tenant: in_use[tenant] for tenant, _, _ in deltas.groups}
        fingerprints = fingerprints_by_bucket(deltas.groups)
        self._surplus.note(late_surplus(deltas.groups, fingerprints, now))
        oldest, newest = time_bounds(deltas.groups)
        body = self._archive.encode(deltas.groups, received_at, versions) if deltas.groups else b""
        is_inline = len(body) <= INLINE_ARCHIVE_BYTES
        return Commit(
            lane=state.lane,
            n=state.n + 1,
            attempt=attempt,
            decided_at=now,
            received_at=received_at,
            fingerprints=fingerprints,
            pages=deltas.pages,
            hours=hours_of(fingerprints),
            codes=deltas.codes,
            subjects=deltas.subjects,
            markers=[],
            staged_key="" if is_inline else self._archive.stage(state.lane, attempt, body),
            inline_archive=body if is_inline else b"",
            counts=Counts(),
            meter_versions=versions,
            oldest=oldest,
            newest=newest,
            marks=marks_of(deltas.groups),
            uncountable=deltas.uncountable_lines(),
        )


class BatchCommits:
    """The commits of a batch: `next_commit` decides one, `committed` says that it is stored and applied.

    Nothing is read or decided before the first call. `counts` is what became of the batch's events once
    `next_commit` has returned None.
    """

    def __init__(self, decider: Decider, lane: int, batch: Batch, now: int, state_of: StateOf) -> None:
        self._decider = decider
        self._lane = lane
        self._batch = batch
        self._now = now
        self._state_of = state_of
        self._state: LaneState | None = None
        self._waiting: deque[Sequence[Pack]] = deque()
        self._portion: _Portion | None = None
        self.counts = Counts()

    def next_commit(self) -> Commit | None:
        """None when everything of the batch is in commits."""
        state = self._state or self._begin()
        while self._portion is not None or self._waiting:
            self._portion = self._portion or self._open(state)
            if commit := self._portion.next_commit():
                return commit
            self.counts += self._portion.close()
            self._portion = None
        return None

    def committed(self) -> None:
        """The commit that `next_commit` returned last is stored and applied."""
        assert self._portion is not None, "committed() without a commit"
        self._portion.committed()

    def _begin(self) -> LaneState:
        state = self._state = self._state_of(self._lane, self._now)
        self._waiting.extend(self._decider.memory.portions(state, self._batch.packs, self._now))
        return state

    def _open(self, state: LaneState) -> "_Portion":
        packs = self._waiting.popleft()
        self._decider.memory.learn(state, packs, self._now)
        markers = [] if self._waiting else self._batch.markers_to_keep
        return _Portion(self._decider, state, packs, markers, self._batch.received_at, self._now)


class _Portion:
    """Packs whose events are deduplicated together: usually all of the batch."""

    def __init__(
        self,
        decider: Decider,
        state: LaneState,
        packs: Sequence[Pack],
        markers: list[str],
        received_at: int,
        now: int,
    ) -> None:
        self._decider = decider
        self._state = state
        self._received_at = received_at
        self._now = now
        # A void waits until the events beside it are counted, so that they can be found.
        self._groups, self._voids, self._uncommitted = decider.new_in(state, packs, now)
        self._markers = markers
        self._pack_marks = pack_marks(packs)
        self._decided: Commit | None = None
        self._accepted: list[Remembered] = []
        self._counts = Counts()

    def next_commit(self) -> Commit | None:
        if not (self._groups or self._voids or self._markers):
            return None
        if self._voids and not self._groups:
            commit, deltas = self._decider.of_voids(self._state, self._voids, self._received_at, self._now), Deltas()
        else:
            commit, deltas = self._decider.of_events(self._state, self._groups, self._received_at, self._now)
        self._uncommitted, commit.counts = _share(self._uncommitted, deltas, self._groups)
        commit.packs, self._pack_marks = self._pack_marks, b""
        if not self._groups and not self._voids:
            commit.markers, self._markers = self._markers, []
        self._decided = commit
        return commit

    def committed(self) -> None:
        commit, state = self._decided, self._state
        assert commit is not None, "committed() without a commit"
        self._decided = None
        state.n, state.confirmed_at = commit.n, self._now
        state.meter_versions.update(commit.meter_versions)
        self._counts += commit.counts
        self._accepted.append((accepted_by(commit), weight_of(commit)))

    def close(self) -> Counts:
        """Everything is committed; returns what became of the portion's events."""
        self._decider.memory.confirm(self._state, self._accepted)
        if self._uncommitted.received:
            tally = BatchTally(self._state.lane, self._received_at, self._pack_marks, self._uncommitted)
            self._decider.tallies.append(tally)
        return self._counts + self._uncommitted


def _share(uncommitted: Counts, deltas: Deltas, groups: Iterable[Group]) -> tuple[Counts, Counts]:
    """What is left of a batch's counts for its further commits, and the share of the commit of these deltas.

    What the next commits will accept waits in the groups; all else that was received is this commit's to tell.
    """
    waiting = sum(len(events) for _, _, events in groups)
    share = Counts(
        deltas.event_count,
        uncommitted.duplicates,
        uncommitted.rejected,
        deltas.uncountable_count,
        uncommitted.received - waiting,
        uncommitted.redelivered,
    )
    return Counts(accepted=waiting, received=waiting), share
