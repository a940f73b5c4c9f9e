"""Writing batches into lanes: load, help, decide, stage, commit, index, write pages - every event counted exactly once.

The conditional put of commit n + 1 is the only commit point of a lane. Whatever dies at whatever instruction, the next
writer first finishes what is committed, and a redelivery finds its events already accepted.

The lanes of an invocation go in step, because requests are dear: what each of them has decided next is put by one
request for all, indexed by a few for all, and only then do they decide again. Pages are written later, for many commits
at once (`pages_behind`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from functions.application.metering.ledger.batch_commits import BatchCommits, Decider
from functions.application.metering.ledger.index_commit import index_commits
from functions.application.metering.ledger.lane_memory import LaneMemory
from functions.application.metering.ledger.pages_behind import PAGES_BEHIND_SECONDS, PagesBehind
from functions.application.metering.ledger.running_lanes import POISON, Batch, RunningLanes
from functions.application.metering.ledger.surplus_account import SurplusAccount
from functions.application.metering.ledger.void_events import LostRace
from functions.application.ports.clock import Clock
from functions.application.ports.ledger import Archive, Ledger
from functions.application.ports.look_back import LookBacks
from functions.domain.metering.ledger.ledger import Commit, Counts, LaneState
from functions.domain.metering.ledger.surplus import CHARGED_AT_ONCE
from functions.domain.metering.values.event import AcceptanceWindow


class LaneWriter:
    """The writer of one process: keeps what it knows of its lanes between batches, and drops it when in doubt.

    Each step that a test of the simulation breaks is a method of its own (`tests/simulation/mutants.py`).
    """

    deciding: type[Decider] = Decider
    writing_pages: type[PagesBehind] = PagesBehind

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
        behind_seconds: int = PAGES_BEHIND_SECONDS,
    ) -> None:
        """`charge` hears what counting cost beyond the events' bytes, by tenant, once and as soon as it is much.

        Pages are written `behind_seconds` after the first commit that changes them, at most.
        """
        self._ledger = ledger
        self._archive = archive
        self._clock = clock
        self._behind = self.writing_pages(ledger, behind_seconds)
        self._surplus = SurplusAccount(charge)
        memory = LaneMemory(ledger, look_backs, window)
        self._decider = self.deciding(ledger, archive, memory, new_attempt, window, value_fingerprint, self._surplus)
        self.not_kept: Exception | None = None  # why look-backs were not kept

    @property
    def _memory(self) -> LaneMemory:
        return self._decider.memory

    @property
    def surplus(self) -> Mapping[str, int]:
        """What counting cost the invocation beyond what the events paid for, by tenant; see `surplus`."""
        return self._surplus.invocation

    @property
    def room_used(self) -> Mapping[tuple[str, str], int]:
        """By tenant and meter, of the invocation; see `counting`."""
        return self._decider.room_used

    def begin_invocation(self) -> None:
        """What a failed invocation was about to tally is tallied when its records come again."""
        self._surplus.invocation.clear()
        self._decider.begin_invocation()

    def end_invocation(self) -> None:
        """Writes the pages that are due; a process that dies before leaves commits whose pages the next one writes.

        Batches that made no commit, because they held nothing new, leave a tally of what they held.
        """
        self._write_pages(self._behind.due(int(self._clock.now().timestamp())))
        if self._decider.tallies:
            self._ledger.put_tallies(self._decider.tallies)
            self._decider.tallies = []
        self._surplus.settle(0)
        self.not_kept = self._keep_look_backs()

    def _write_pages(self, lanes: Collection[int]) -> None:
        try:
            self._behind.write(lanes)
        except BaseException as error:
            for lane in lanes:
                self._forget(lane)
            if isinstance(error, POISON):  # no fault of the records at hand
                raise RuntimeError(f"The pages of lanes {sorted(lanes)} cannot be written.") from error
            raise

    def _keep_look_backs(self) -> Exception | None:
        """What would not be kept is told: everything is counted, and the next process only has more to read."""
        try:
            self._memory.keep_look_backs(int(self._clock.now().timestamp()))
        except Exception as error:
            return error
        return None

    def write(self, batches: Mapping[int, Batch]) -> dict[int, Counts | Exception]:
        """Count a batch in each of these lanes; returns what became of its events once they are committed and indexed.

        A lane whose batch holds what our code cannot take is left alone and has that POISON in place of its counts.
        """
        lanes = RunningLanes(batches, self._begin)
        try:
            while lanes.running:
                commits = self._decide_next(lanes)
                self._surplus.settle(CHARGED_AT_ONCE)
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
        """Put them and index those that were first to have their number.

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
        for commit in won:
            lanes.committed(commit.lane)

    def help(self, lane: int) -> int:
        """Bring everything up to what is committed, pages too; returns the lane's commit number."""
        try:
            n = self._reload(lane).n
        except BaseException:
            self._forget(lane)
            raise
        self._write_pages([lane])
        self.end_invocation()
        return n

    def _forget(self, lane: int) -> None:
        self._memory.forget(lane)
        self._behind.forget(lane)

    def _begin(self, lane: int, batch: Batch) -> BatchCommits:
        return BatchCommits(self._decider, lane, batch, int(self._clock.now().timestamp()), self._state_of)

    def _state_of(self, lane: int, now: int) -> LaneState:
        return self._memory.known(lane, now) or self._reload(lane)

    def _is_ours(self, holder: Commit, commit: Commit) -> bool:
        return holder.attempt == commit.attempt

    def _apply(self, commits: Sequence[Commit]) -> None:
        index_commits(self._ledger, self._archive, commits)
        self._behind.add(commits)

    def _reload(self, lane: int) -> LaneState:
        self._forget(lane)
        return self._load(lane)

    def _load(self, lane: int) -> LaneState:
        done = self._ledger.head(lane)
        n = self._highest(lane, done)
        try:
            last = self._help(lane, done, n)
        except POISON as error:  # no fault of the records at hand, which are not to be rejected for it
            raise RuntimeError(f"Lane {lane} cannot be brought from commit {done} to {n}.") from error
        state = LaneState(lane, n, int(self._clock.now().timestamp()))
        self._memory.keep(state)
        if last is not None:
            state.meter_versions = dict(last.meter_versions)
        return state

    def _highest(self, lane: int, done: int) -> int:
        return max(done, self._ledger.last_commit_number(lane))

    def _help(self, lane: int, done: int, n: int) -> Commit | None:
        """Take up the commits whose pages are not written, and index the last one; returns it, if it is stored.

        Those before are indexed: otherwise nobody would have decided the next.
        """
        if n == done:
            return self._ledger.commit(lane, n) if n else None
        behind = list(islice(self._ledger.commits_from(lane, done + 1), n - done))
        numbers = [commit.n for commit in behind]
        assert numbers == [*range(done + 1, n + 1)], f"a commit of lane {lane} behind {done} expired: {numbers}"
        self._behind.add(behind[:-1])
        self._apply(behind[-1:])
        return behind[-1]
