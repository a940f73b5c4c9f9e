"""Writing a batch into a lane: load, help, decide, stage, commit, apply - every event counted exactly once.

The conditional put of commit n + 1 is the only commit point. Whatever dies at whatever instruction, the next writer
first finishes what is committed, and a redelivery finds its events already accepted. The commits that an invocation
makes in several lanes are applied together at its end, each before the next of its lane is decided.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from functions.application.apply_commit import apply_commits
from functions.application.apply_pages import PageApplier
from functions.application.ports.clock import Clock
from functions.application.ports.ledger import Archive, Ledger
from functions.application.void_events import LostRace, Voider
from functions.domain.errors import Unavailable
from functions.domain.metering.counting import Deltas, count
from functions.domain.metering.event import AcceptanceWindow, CloseMarker, Pack, Void
from functions.domain.metering.groupings import MetersByType, compile_meters
from functions.domain.metering.hour_index import marks_of, time_bounds
from functions.domain.metering.ledger import (
    BatchTally,
    Commit,
    Counts,
    Directory,
    Group,
    LaneState,
    Refusal,
    bucket_of,
    fingerprints_by_bucket,
    hours_of,
    pack_marks,
    sift,
    sift_voids,
    unpack_fingerprints,
    unpack_marks,
)
from functions.domain.metering.meter import MeterSet

INLINE_ARCHIVE_BYTES = 8_000  # up to here carrying the events in the commit is cheaper than an object of their own
MAX_TRIES = 20  # writers of one lane meet only while shards split or an old invocation lingers
MAX_STATE_AGE_SECONDS = 86_400  # commits expire after days: an older memory could take an expired number again
FORGET_AFTER_SECONDS = 600  # beyond the look-back: redelivered records are a little older than new ones
# Memory of one process, whatever arrives, shared by its lanes: 100 bytes a recent fingerprint, 50 a fingerprint of a
# bucket, and what `apply_pages` remembers; about 1.2 GB in all. A shard's writer remembers a full hour up to 1,900
# events/s; beyond that the look-back shortens, so give the stream more shards.
MAX_RECENT_FINGERPRINTS = 7_000_000
MAX_RECENT_PACKS = 200_000  # 110 bytes each; only tells redelivered duplicates from sent ones
MAX_CACHED_FINGERPRINTS = 2_000_000
MAX_CACHED_SUBJECTS = 1_000_000  # 180 bytes each
MAX_CACHED_CODES = 200_000  # 400 bytes each; the tenants of a batch may exceed it


class LaneWriter:
    """The writer of one process: keeps what it knows of its lanes between batches, and drops it when in doubt."""

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        clock: Clock,
        new_attempt: Callable[[], str],
        window: AcceptanceWindow,
        look_back_seconds: int,
        value_fingerprint: Callable[[str], int],
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._clock = clock
        self._new_attempt = new_attempt
        self._window = window
        self._look_back = look_back_seconds
        self._value_fingerprint = value_fingerprint
        self._pages = PageApplier(ledger)
        self._voider = Voider(ledger, archive, new_attempt)
        self._states: dict[int, LaneState] = {}
        self._meter_sets: dict[str, MeterSet] = {}
        self._committed: dict[int, Commit] = {}  # by lane, not applied yet
        self._applied: dict[int, int] = {}
        self._tallies: list[BatchTally] = []

    def begin_invocation(self) -> None:
        """Meter sets are read again once per invocation, so a meter made before an event arrived counts it."""
        for lane in list(self._committed):  # an invocation that failed has left them
            self._forget(lane)
        self._meter_sets = {}
        self._tallies = []

    def end_invocation(self) -> None:
        """Applies the commits of all lanes and raises their heads; whoever dies before leaves it to the next writers.

        Batches that made no commit, because they held nothing new, leave a tally of what they held.
        """
        self._apply(list(self._committed.values()))
        if self._applied:
            self._ledger.advance_heads(self._applied)
            self._applied = {}
        if self._tallies:
            self._ledger.put_tallies(self._tallies)
            self._tallies = []

    def write(self, lane: int, packs: Sequence[Pack], markers: Sequence[CloseMarker] = ()) -> Counts:
        """Commit a batch; returns what becomes of its events, which are counted at the end of the invocation."""
        for _ in range(MAX_TRIES):
            try:
                return self._write_once(lane, packs, markers)
            except LostRace:
                self._forget(lane)
            except BaseException:
                self._forget(lane)
                raise
        raise Unavailable(f"Lane {lane} is being written by others all the time.", retry_after_seconds=5)

    def help(self, lane: int) -> int:
        """Apply whatever is committed but not applied; returns the lane's commit number."""
        try:
            n = self._load(lane).n
        except BaseException:
            self._forget(lane)
            raise
        self.end_invocation()
        return n

    def _known(self, lane: int, now: int) -> LaneState | None:
        state = self._states.get(lane)
        if state is not None and state.confirmed_at < now - MAX_STATE_AGE_SECONDS:
            self._forget(lane)
            return None
        return state

    def _forget(self, lane: int) -> None:
        self._states.pop(lane, None)
        self._committed.pop(lane, None)
        self._pages.forget(lane)

    def _write_once(self, lane: int, packs: Sequence[Pack], markers: Sequence[CloseMarker]) -> Counts:
        now = int(self._clock.now().timestamp())
        self._settle(lane)
        state = self._known(lane, now) or self._load(lane)
        self._learn(state, packs, now)
        received_at = max([record.received_at for record in packs] + [marker.received_at for marker in markers])
        sifted = sift(state, packs, self._window, self._look_back, now, received_at)
        voids, refused_voids = self._sift_voids(state, packs, now)
        self._ledger.put_refusals([*sifted.refusals, *refused_voids])
        counts, uncommitted, marks_left = Counts(), sifted.counts, pack_marks(packs)
        queue = deque((tenant, subject, events) for (tenant, subject), events in sifted.groups.items())
        waiting = deque(voids)  # until the batch's own events are counted, so that they can be found
        pending_markers = [marker.marker for marker in markers]
        while queue or waiting or pending_markers:
            self._settle(lane)
            deltas = Deltas()
            if waiting and not queue:
                commit = self._voider.decide(state, waiting, self._meters_of, self._versions(), received_at, now)
            else:
                deltas = count(state, queue, self._meters_of, self._value_fingerprint, received_at)
                commit = self._decide(state, deltas, received_at, now)
            uncommitted, commit.counts = _share(uncommitted, deltas, queue)
            commit.packs, marks_left = marks_left, b""
            if not queue and not waiting:
                commit.markers, pending_markers = pending_markers, []
            self._put(commit)
            self._committed[lane] = commit
            self._ledger.put_refusals(deltas.uncountable)
            state.n, state.confirmed_at = commit.n, now
            state.meter_versions.update(commit.meter_versions)
            counts += commit.counts
        if uncommitted.received:
            self._tallies.append(BatchTally(lane, received_at, marks_left, uncommitted))
        return counts + uncommitted

    def _sift_voids(
        self, state: LaneState, packs: Sequence[Pack], now: int
    ) -> tuple[list[tuple[str, Void]], list[Refusal]]:
        return sift_voids(state, packs, self._window.oldest_countable(now))

    def _versions(self) -> dict[str, int]:
        return {tenant: meter_set.version for tenant, meter_set in self._meter_sets.items()}

    def _decide(self, state: LaneState, deltas: Deltas, received_at: int, now: int) -> Commit:
        attempt = self._new_attempt()
        versions = {tenant: self._meter_sets[tenant].version for tenant, _, _ in deltas.groups}
        fingerprints = fingerprints_by_bucket(deltas.groups)
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
        )

    def _put(self, commit: Commit) -> None:
        holder = self._ledger.put_commit(commit)
        if holder is not None and not self._is_ours(holder, commit):
            raise LostRace

    def _is_ours(self, holder: Commit, commit: Commit) -> bool:
        return holder.attempt == commit.attempt

    def _settle(self, lane: int) -> None:
        """Apply the lane's last commit before anything else is read or decided there."""
        if lane in self._committed:
            self._apply([self._committed[lane]])

    def _apply(self, commits: Sequence[Commit]) -> None:
        """Apply commits of different lanes; what is known of the lanes is dropped when that fails."""
        try:
            apply_commits(self._ledger, self._archive, self._pages, commits)
        except BaseException:
            for commit in commits:
                self._forget(commit.lane)
            raise
        for commit in commits:
            self._committed.pop(commit.lane, None)
            self._applied[commit.lane] = commit.n

    def _load(self, lane: int) -> LaneState:
        done = self._ledger.head(lane)
        n = self._highest(lane, done)
        self._help(lane, done, n)
        state = self._states[lane] = LaneState(lane, n, int(self._clock.now().timestamp()))
        last = self._ledger.commit(lane, n) if n else None
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

    def _learn(self, state: LaneState, packs: Sequence[Pack], now: int) -> None:
        """Read what deciding this batch needs and the state does not hold yet."""
        oldest = self._window.oldest_countable(now)
        times = {event.time for pack in packs for event in pack.events}
        times |= {void.time for pack in packs for void in pack.voids}
        needed = {bucket_of(time) for time in times if time >= oldest}
        tenants = {pack.tenant for pack in packs}
        self._make_room(state, needed, tenants)
        for bucket in needed - state.buckets.keys():
            state.buckets[bucket] = set(unpack_fingerprints(self._ledger.chunk(state.lane, bucket)))
        self._learn_recent(state, min((pack.received_at for pack in packs), default=now) - self._look_back)
        for tenant in tenants:
            self._learn_tenant(state, tenant, (pack for pack in packs if pack.tenant == tenant))

    def _make_room(self, state: LaneState, needed: set[int], tenants: set[str]) -> None:
        lanes = len(self._states)
        held = sum(map(len, state.buckets.values()))
        for bucket in sorted(state.buckets.keys() - needed):
            if held <= MAX_CACHED_FINGERPRINTS // lanes:
                break
            held -= len(state.buckets.pop(bucket))
        if len(state.subjects) > MAX_CACHED_SUBJECTS // lanes:
            state.subjects.clear()
        codes = sum(len(directory.numbers) for directory in state.directories.values())
        for tenant in state.directories.keys() - tenants:
            if codes <= MAX_CACHED_CODES // lanes:
                break
            codes -= len(state.directories.pop(tenant).numbers)

    def _learn_recent(self, state: LaneState, horizon: int) -> None:
        recent = state.recent
        if state.recent_since is None or horizon < state.recent_since:
            for commit in self._ledger.commits_before(state.lane, state.n, horizon):
                if commit.received_at >= horizon:
                    for chunk in commit.fingerprints.values():
                        recent.update(dict.fromkeys(unpack_fingerprints(chunk), commit.received_at))
                    state.packs.update(dict.fromkeys(unpack_marks(commit.packs), commit.received_at))
            state.recent_since = horizon
            return
        known_since = max(state.recent_since, horizon - FORGET_AFTER_SECONDS)
        too_many = len(recent) - MAX_RECENT_FINGERPRINTS // len(self._states)
        forgotten: list[int] = []
        for fingerprint, received_at in recent.items():
            if received_at >= known_since and len(forgotten) >= too_many:
                break
            forgotten.append(fingerprint)
        for fingerprint in forgotten:
            del recent[fingerprint]
        while len(state.packs) > MAX_RECENT_PACKS // len(self._states):
            del state.packs[next(iter(state.packs))]
        state.recent_since = known_since

    def _learn_tenant(self, state: LaneState, tenant: str, packs: Iterable[Pack]) -> None:
        meter_set = self._meter_sets.get(tenant)
        if meter_set is None or meter_set.version < state.meter_versions.get(tenant, 0):
            self._meter_sets[tenant] = self._ledger.meter_set(tenant)
        if tenant not in state.directories:
            directory = state.directories[tenant] = Directory()
            for code in self._ledger.codes(tenant, state.lane):
                directory.learn(code)
        subjects = {event.subject for pack in packs for event in pack.events}
        unknown = [subject for subject in subjects if (tenant, subject) not in state.subjects]
        if unknown:
            known = self._ledger.known_subjects(tenant, state.lane, unknown)
            state.subjects.update((tenant, subject) for subject in known)

    def _meters_of(self, tenant: str) -> MetersByType:
        return compile_meters(self._meter_sets[tenant])


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
