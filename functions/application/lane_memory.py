"""What a process knows of its lanes between batches: enough to decide without asking again, and never too much."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from functions.application.ports.ledger import Ledger
from functions.domain.metering.event import AcceptanceWindow, Pack
from functions.domain.metering.groupings import MetersByType, compile_meters
from functions.domain.metering.ledger import Directory, LaneState, bucket_of, unpack_fingerprints, unpack_marks
from functions.domain.metering.meter import MeterSet

# Each is a request: what one client's very late events take must not hold up the other lanes for long.
MAX_BUCKETS_AT_ONCE = 100
MAX_STATE_AGE_SECONDS = 86_400  # commits expire after days: an older memory could take an expired number again
FORGET_AFTER_SECONDS = 600  # beyond the look-back: redelivered records are a little older than new ones
# Memory of one process, whatever arrives, shared by its lanes: 100 bytes a recent fingerprint, 50 a fingerprint of a
# bucket, and what `known_page` remembers; about 1.2 GB in all. A shard's writer remembers a full hour up to 1,900
# events/s; beyond that the look-back shortens, so give the stream more shards.
MAX_RECENT_FINGERPRINTS = 7_000_000
MAX_RECENT_PACKS = 200_000  # 110 bytes each; only tells redelivered duplicates from sent ones
MAX_CACHED_FINGERPRINTS = 2_000_000
MAX_CACHED_SUBJECTS = 1_000_000  # 180 bytes each
MAX_CACHED_CODES = 200_000  # 400 bytes each; the tenants of a batch may exceed it

Portion = tuple[Sequence[Pack], set[int]]  # packs, and the buckets that deciding them needs


class LaneMemory:
    """Lanes' states and the meters they count by; in doubt a state is dropped and loaded again."""

    def __init__(self, ledger: Ledger, window: AcceptanceWindow, look_back_seconds: int) -> None:
        self._ledger = ledger
        self._window = window
        self._look_back = look_back_seconds
        self._states: dict[int, LaneState] = {}
        self._meter_sets: dict[str, MeterSet] = {}

    def forget_meters(self) -> None:
        """They are read again once per invocation, so a meter made before an event arrived counts it."""
        self._meter_sets = {}

    def known(self, lane: int, now: int) -> LaneState | None:
        """What is known of a lane, unless that is too long ago."""
        state = self._states.get(lane)
        return None if state is None or state.confirmed_at < now - MAX_STATE_AGE_SECONDS else state

    def keep(self, state: LaneState) -> None:
        self._states[state.lane] = state

    def forget(self, lane: int) -> None:
        self._states.pop(lane, None)

    def meters_of(self, tenant: str) -> MetersByType:
        return compile_meters(self._meter_sets[tenant])

    @property
    def versions(self) -> Mapping[str, int]:
        """Of the meter sets in use, by tenant."""
        return {tenant: meter_set.version for tenant, meter_set in self._meter_sets.items()}

    def portions(self, state: LaneState, packs: Sequence[Pack], now: int) -> Sequence[Portion]:
        """The packs in their order with the buckets they need, cut where there are too many to be read at once.

        Usually one portion. The events of a pack that is cut are told apart as redelivered from its second piece on.
        """
        needed = self._needed(packs, now)
        if len(needed - state.buckets.keys()) <= MAX_BUCKETS_AT_ONCE:
            return [(packs, needed)]
        portions: list[list[Pack]] = [[]]
        unread: set[int] = set()
        for pack in packs:
            its_own = self._needed([pack], now) - state.buckets.keys()
            if len(unread | its_own) > MAX_BUCKETS_AT_ONCE and portions[-1]:
                portions.append([])
                unread = set()
            if len(its_own) > MAX_BUCKETS_AT_ONCE:
                portions[-1:] = [[piece] for piece in _cut(pack)] + [[]]
            else:
                portions[-1].append(pack)
                unread |= its_own
        return [(portion, self._needed(portion, now)) for portion in portions if portion]

    def _needed(self, packs: Sequence[Pack], now: int) -> set[int]:
        oldest = self._window.oldest_countable(now)
        times = {event.time for pack in packs for event in pack.events}
        times |= {void.time for pack in packs for void in pack.voids}
        return {bucket_of(time) for time in times if time >= oldest}

    def learn(self, state: LaneState, portion: Portion, now: int) -> None:
        """Read what deciding these packs needs and the state does not hold yet."""
        packs, needed = portion
        tenants = {pack.tenant for pack in packs}
        self._make_room(state, needed, tenants)
        for bucket, chunk in self._ledger.chunks(state.lane, sorted(needed - state.buckets.keys())).items():
            state.buckets[bucket] = set(unpack_fingerprints(chunk))
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


def _cut(pack: Pack) -> Iterator[Pack]:
    """Its events in their order, of at most so many buckets at once; its voids behind them."""
    buckets: set[int] = set()
    start = 0
    for place, event in enumerate(pack.events):
        buckets.add(bucket_of(event.time))
        if len(buckets) > MAX_BUCKETS_AT_ONCE:
            yield replace(pack, events=pack.events[start:place], voids=[])
            start, buckets = place, {bucket_of(event.time)}
    if start < len(pack.events):
        yield replace(pack, events=pack.events[start:], voids=[])
    for at in range(0, len(pack.voids), MAX_BUCKETS_AT_ONCE):
        yield replace(pack, events=[], voids=pack.voids[at : at + MAX_BUCKETS_AT_ONCE])
