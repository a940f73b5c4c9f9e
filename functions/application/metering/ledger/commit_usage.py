"""Writing batches into lanes: load, help, decide, stage, commit, apply - every event counted exactly once.

The conditional put of commit n + 1 is the only commit point of a lane. Whatever dies at whatever instruction, the next
writer first finishes what is committed, and a redelivery finds its events already accepted.

The lanes of an invocation go in step, because requests are dear: what each of them has decided next is put by one
request for all, applied by a few for all, and only then do they decide again.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from functions.application.metering.ledger.apply_commit import apply_commits
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.application.metering.ledger.lane_memory import LaneMemory
from functions.application.metering.ledger.lane_steps import POISON, Batch, RunningLanes, Steps
from functions.application.metering.ledger.recall_lane import Remembered
from functions.application.metering.ledger.void_events import LostRace, Voider
from functions.application.ports.clock import Clock
from functions.application.ports.ledger import Archive, Ledger
from functions.application.ports.look_back import LookBacks
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
from functions.domain.metering.ledger.surplus import CHARGED_AT_ONCE, late_surplus
from functions.domain.metering.values.event import AcceptanceWindow, Pack, Void

INLINE_ARCHIVE_BYTES = 8_000  # up to here carrying the events in the commit is cheaper than an object of their own


class LaneWriter:
    """The writer of one process: keeps what it knows of its lanes between batches, and drops it when in doubt."""

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        clock: Clock,
        new_attempt: Callable[[], str],
        window: AcceptanceWindow,
        look_backs: LookBacks,
        value_fingerprint: Callable[[str], int],
        charge: Callable[[Mapping[str, int]], None] = lambda _surplus: None,
    ) -> None:
        """`charge` hears what counting cost beyond the events' bytes, by tenant, once and as soon as it is much."""
        self._ledger = ledger
        self._archive = archive
        self._clock = clock
        self._new_attempt = new_attempt
        self._window = window
        self._memory = LaneMemory(ledger, look_backs, window)
        self._value_fingerprint = value_fingerprint
        self._pages = PageApplier(ledger)
        self._voider = Voider(ledger, archive, new_attempt)
        self._applied: dict[int, int] = {}
        self._tallies: list[BatchTally] = []
        self._charge = charge
        self._surplus = Counter[str]()
        self.room_used: dict[tuple[str, str], int] = {}  # of the invocation, see counting
        self.not_kept: Exception | None = None  # why look-backs were not kept
        self._uncharged = Counter[str]()

    @property
    def surplus(self) -> Mapping[str, int]:
        """What counting cost the invocation beyond what the events paid for, by tenant; see `surplus`."""
        return self._surplus

    def begin_invocation(self) -> None:
        """What a failed invocation was about to tally is tallied when its records come again."""
        self._memory.forget_meters()
        self._surplus.clear()
        self.room_used.clear()
        self._voider.forget()
        self._tallies = []

    def end_invocation(self) -> None:
        """Raises the heads of all lanes at once; whoever dies before leaves commits that are applied once more.

        Batches that made no commit, because they held nothing new, leave a tally of what they held.
        """
        if self._applied:
            self._ledger.advance_heads(self._applied)
            self._applied = {}
        if self._tallies:
            self._ledger.put_tallies(self._tallies)
            self._tallies = []
        self._settle(0)
        self.not_kept = self._keep_look_backs()

    def _keep_look_backs(self) -> Exception | None:
        """What would not be kept is told: everything is counted, and the next process only has more to read."""
        try:
            self._memory.keep_look_backs(int(self._clock.now().timestamp()))
        except Exception as error:
            return error
        return None

    def write(self, batches: Mapping[int, Batch]) -> dict[int, Counts | Exception]:
        """Count a batch in each of these lanes; returns what became of its events once everything is applied.

        A lane whose batch holds what our code cannot take is left alone and has that POISON in place of its counts.
        """
        lanes = RunningLanes(batches, self._steps)
        try:
            while lanes.running:
                commits = self._decide_next(lanes)
                self._settle(CHARGED_AT_ONCE)
                self._commit(commits, lanes)
        except BaseException:
            for lane in lanes.running:
                self._forget(lane)
            raise
        return lanes.outcomes

    def _decide_next(self, lanes: RunningLanes) -> list[Commit]:
        commits = []
        for lane in list(lanes.running):
            try:
                if commit := lanes.next_commit(lane):
                    commits.append(commit)
            except LostRace:
                self._forget(lane)
                lanes.start_again(lane)
            except POISON as error:
                self._forget(lane)
                lanes.end(lane, error)
        return commits

    def _commit(self, commits: Sequence[Commit], lanes: RunningLanes) -> None:
        """Put them and apply those that were first to have their number.

        When one cannot be put for what is in it, they are put one by one: the others are not to suffer from it.
        """
        try:
            holders = self._ledger.put_commits(commits)
        except POISON as error:
            if len(commits) > 1:
                for commit in commits:
                    self._commit([commit], lanes)
                return
            (commit,) = commits
            self._forget(commit.lane)
            lanes.end(commit.lane, error)
            return
        won = []
        for commit, holder in zip(commits, holders, strict=True):
            if holder is None or self._is_ours(holder, commit):
                won.append(commit)
            else:
                self._forget(commit.lane)
                lanes.start_again(commit.lane)
        self._apply(won)

    def _note(self, surplus: Mapping[str, int]) -> None:
        self._surplus.update(surplus)
        self._uncharged.update(surplus)

    def _settle(self, least: int) -> None:
        """Charge the tenants that owe so much."""
        much = {tenant: owed for tenant, owed in self._uncharged.items() if owed > least}
        if much:
            self._charge(much)
            self._uncharged -= Counter(much)

    def help(self, lane: int) -> int:
        """Apply whatever is committed but not applied; returns the lane's commit number."""
        try:
            n = self._reload(lane).n
        except BaseException:
            self._forget(lane)
            raise
        self.end_invocation()
        return n

    def _forget(self, lane: int) -> None:
        self._memory.forget(lane)
        self._pages.forget(lane)

    def _steps(self, lane: int, batch: Batch) -> Steps:
        """Whatever stands behind a `yield` happens once that commit is stored and applied."""
        now = int(self._clock.now().timestamp())
        state = self._memory.known(lane, now) or self._reload(lane)
        counts, markers = Counts(), list(dict.fromkeys(each.marker for each in batch.markers if not each.is_heartbeat))
        portions = self._memory.portions(state, batch.packs, now)
        for place, portion in enumerate(portions, 1):
            self._memory.learn(state, portion, now)
            its_markers = markers if place == len(portions) else []
            counts += yield from self._portion(state, portion, its_markers, batch.received_at, now)
        return counts

    def _portion(
        self, state: LaneState, packs: Sequence[Pack], markers: list[str], received_at: int, now: int
    ) -> Steps:
        """What is listed of a commit's events is listed before the commit: nothing behind it may fail them."""
        deduplicated = deduplicate(state, packs, self._window, now)
        voids, rejected_voids = self._deduplicate_voids(state, packs, now)
        self._ledger.put_rejects([*deduplicated.rejects, *rejected_voids])
        counts, uncommitted, marks_left = Counts(), deduplicated.counts, pack_marks(packs)
        queue = deque((tenant, subject, events) for (tenant, subject), events in deduplicated.groups.items())
        accepted: list[Remembered] = []
        # Until the portion's own events are counted, so that they can be found; those of one object behind each other.
        waiting = deque(sorted(voids, key=lambda each: bucket_of(each[1].time)))
        while queue or waiting or markers:
            deltas = Deltas()
            if waiting and not queue:
                commit = self._voider.decide(
                    state, waiting, self._memory.meters_of, self._memory.versions, received_at, now
                )
            else:
                deltas = count(state, queue, self._memory.meters_of, self._value_fingerprint, received_at)
                self._note(deltas.surplus)
                self.room_used |= deltas.room_used
                self._ledger.put_rejects(deltas.uncountable)
                commit = self._decide(state, deltas, received_at, now)
            uncommitted, commit.counts = _share(uncommitted, deltas, queue)
            commit.packs, marks_left = marks_left, b""
            if not queue and not waiting:
                commit.markers, markers = markers, []
            yield commit
            state.n, state.confirmed_at = commit.n, now
            state.meter_versions.update(commit.meter_versions)
            counts += commit.counts
            accepted.append((accepted_by(commit), weight_of(commit)))
        self._memory.confirm(state, accepted)
        if uncommitted.received:
            self._tallies.append(BatchTally(state.lane, received_at, marks_left, uncommitted))
        return counts + uncommitted

    def _deduplicate_voids(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[list[tuple[str, Void]], list[Reject]]:
        return deduplicate_voids(state, packs, self._window.oldest_countable(now))

    def _decide(self, state: LaneState, deltas: Deltas, received_at: int, now: int) -> Commit:
        attempt = self._new_attempt()
        in_use = self._memory.versions
        versions = {tenant: in_use[tenant] for tenant, _, _ in deltas.groups}
        fingerprints = fingerprints_by_bucket(deltas.groups)
        self._note(late_surplus(deltas.groups, fingerprints, now))
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

    def _is_ours(self, holder: Commit, commit: Commit) -> bool:
        return holder.attempt == commit.attempt

    def _apply(self, commits: Sequence[Commit]) -> None:
        apply_commits(self._ledger, self._archive, self._pages, commits)
        self._applied.update((commit.lane, commit.n) for commit in commits)

    def _reload(self, lane: int) -> LaneState:
        self._forget(lane)
        return self._load(lane)

    def _load(self, lane: int) -> LaneState:
        done = self._ledger.head(lane)
        n = self._highest(lane, done)
        try:
            self._help(lane, done, n)
            last = self._ledger.commit(lane, n) if n else None
        except POISON as error:  # no fault of the records at hand, which are not to be rejected for it
            raise RuntimeError(f"Lane {lane} cannot be brought from commit {done} to {n}.") from error
        state = LaneState(lane, n, int(self._clock.now().timestamp()))
        self._memory.keep(state)
        if last is not None:
            state.meter_versions = dict(last.meter_versions)
        return state

    def _highest(self, lane: int, done: int) -> int:
        return max(done, self._ledger.last_commit_number(lane))

    def _help(self, lane: int, done: int, n: int) -> None:
        for number in range(done + 1, n + 1):
            commit = self._ledger.commit(lane, number)
            assert commit is not None, f"commit {number} of lane {lane} expired before it was applied"
            self._apply([commit])


def _share(uncommitted: Counts, deltas: Deltas, queue: Iterable[Group]) -> tuple[Counts, Counts]:
    """What is left of a batch's counts for its further commits, and the share of the commit of these deltas.

    Whatever the next commits will accept waits in the queue; all else that was received is this commit's to tell.
    """
    waiting = sum(len(events) for _, _, events in queue)
    share = Counts(
        deltas.event_count,
        uncommitted.duplicates,
        uncommitted.rejected,
        deltas.uncountable_count,
        uncommitted.received - waiting,
        uncommitted.redelivered,
    )
    return Counts(accepted=waiting, received=waiting), share
