"""What a process knows of its lanes between batches: enough to decide without asking again, and never too much."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from functions.application.metering.ledger.recall_lane import MAX_MARKS, LaneRecall, Remembered
from functions.application.ports.ledger import Ledger
from functions.application.ports.look_back import LookBacks
from functions.domain.metering.ledger.ledger import Directory, LaneState, bucket_of
from functions.domain.metering.ledger.look_back import unpack_fingerprints
from functions.domain.metering.meters.groupings import MetersByType, compile_meters
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Pack

# Each is a request: what one client's very late events take must not hold up the other lanes for long.
MAX_BUCKETS_AT_ONCE = 100
MAX_STATE_AGE_SECONDS = 86_400  # commits expire after days: an older memory could take an expired number again
# Memory of one process, for any events, shared by its lanes: the look-backs' half a gigabyte (`recall_lane`), what
# `known_page` remembers, and this; about 1.2 GB in all.
MAX_CACHED_FINGERPRINTS = 2_000_000  # 50 bytes each
MAX_CACHED_SUBJECTS = 1_000_000  # 180 bytes each
MAX_CACHED_CODES = 200_000  # 400 bytes each; the tenants of a batch may exceed it


class LaneMemory:
    """Lanes' states and the meters they count by; in doubt a state is dropped and loaded again."""

    def __init__(self, ledger: Ledger, look_backs: LookBacks, window: AcceptanceWindow) -> None:
        self._ledger = ledger
        self._window = window
        self._recall = LaneRecall(ledger, look_backs, window)
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
        self._recall.take_back(lane)

    def confirm(self, state: LaneState, accepted: Sequence[Remembered]) -> None:
        """Everything that was deduplicated is in commits that are applied."""
        self._recall.confirm(state, accepted)

    def keep_look_backs(self, now: int) -> None:
        """For the next process."""
        self._recall.keep(now)

    def meters_of(self, tenant: str) -> MetersByType:
        return compile_meters(self._meter_sets[tenant])

    @property
    def versions(self) -> Mapping[str, int]:
        """Of the meter sets in use, by tenant."""
        return {tenant: meter_set.version for tenant, meter_set in self._meter_sets.items()}

    def portions(self, state: LaneState, packs: Sequence[Pack], now: int) -> Sequence[Sequence[Pack]]:
        """The packs in their order, cut where they need too many buckets to be read at once.

        Usually one portion, and no bucket: the look-back knows everything of late. The events of a pack that is cut are
        told apart as redelivered from its second piece on.
        """
        if not self._recall.has(state):
            self._recall.recall(state, now, min((pack.received_at for pack in packs), default=now))
        needed = self._needed(state, packs, now)
        if len(needed - state.buckets.keys()) <= MAX_BUCKETS_AT_ONCE:
            return [packs]
        portions: list[list[Pack]] = [[]]
        unread: set[int] = set()
        for pack in packs:
            its_own = self._needed(state, [pack], now) - state.buckets.keys()
            if len(unread | its_own) > MAX_BUCKETS_AT_ONCE and portions[-1]:
                portions.append([])
                unread = set()
            if len(its_own) > MAX_BUCKETS_AT_ONCE:
                portions[-1:] = [[piece] for piece in _cut(pack)] + [[]]
            else:
                portions[-1].append(pack)
                unread |= its_own
        return [portion for portion in portions if portion]

    def _needed(self, state: LaneState, packs: Sequence[Pack], now: int) -> set[int]:
        """A void asks which bucket its event is in, an event only whether it came."""
        oldest = self._window.oldest_countable(now)
        times = {event.time for pack in packs for event in pack.events}
        times = {time for time in times if not state.look_back.covers(time, now, self._window)}
        times |= {void.time for pack in packs for void in pack.voids}
        return {bucket_of(time) for time in times if time >= oldest}

    def learn(self, state: LaneState, packs: Sequence[Pack], now: int) -> None:
        """Read what deciding these packs needs and the state does not hold yet."""
        needed = self._needed(state, packs, now)
        tenants = {pack.tenant for pack in packs}
        self._make_room(state, needed, tenants)
        for bucket, chunk in self._ledger.chunks(state.lane, sorted(needed - state.buckets.keys())).items():
            state.buckets[bucket] = set(unpack_fingerprints(chunk))
        self._learn_meters(state, tenants)
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
        while len(state.packs) > MAX_MARKS // lanes:
            del state.packs[next(iter(state.packs))]
        codes = sum(len(directory.numbers) for directory in state.directories.values())
        for tenant in state.directories.keys() - tenants:
            if codes <= MAX_CACHED_CODES // lanes:
                break
            codes -= len(state.directories.pop(tenant).numbers)

    def _learn_meters(self, state: LaneState, tenants: Collection[str]) -> None:
        known, least = self._meter_sets, state.meter_versions
        unknown = [each for each in tenants if each not in known or known[each].version < least.get(each, 0)]
        if unknown:
            known.update(self._ledger.meter_sets(sorted(unknown)))

    def _learn_tenant(self, state: LaneState, tenant: str, packs: Iterable[Pack]) -> None:
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
