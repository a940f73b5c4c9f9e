"""Deciding about voided events: what had been counted is found in the log and deducted, the rest is kept out."""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from functions.application.ports.ledger import Archive, ArchivedEvent, Ledger
from functions.domain.metering.ledger.counting import MAX_COMMIT_BYTES
from functions.domain.metering.ledger.hour_index import marks_of
from functions.domain.metering.ledger.ledger import (
    BUCKET_SECONDS,
    HOUR_SECONDS,
    VOIDED,
    Commit,
    Counts,
    LaneState,
    VoidOutcome,
    bucket_of,
    hours_of,
)
from functions.domain.metering.ledger.look_back import unpack_fingerprints
from functions.domain.metering.ledger.reject import Location, event_identity
from functions.domain.metering.ledger.voiding import Lost
from functions.domain.metering.meters.groupings import MetersByType
from functions.domain.metering.values.event import Void

MAX_VOIDS = 100  # of a commit
MAX_OBJECTS = 5  # opened for a commit: other lanes wait meanwhile, and one may hold 30 MB
ENOUGH_BYTES = MAX_COMMIT_BYTES // 2  # one event touches at most 50 meters, which the other half has room for


class LostRace(Exception):
    """Another writer took the commit number; everything known about the lane may be stale."""


class Voider:
    """Everything before these voids must be applied: they are decided from what commits have left behind.

    Raises LostRace where that cannot be because of commits the state does not know.
    """

    def __init__(self, ledger: Ledger, archive: Archive, new_attempt: Callable[[], str]) -> None:
        self._ledger = ledger
        self._archive = archive
        self._new_attempt = new_attempt
        self._opened = 0
        self._last: tuple[int, int, int, Sequence[ArchivedEvent]] | None = None  # lane, commit, its hour, its lines

    def forget(self) -> None:
        """The object it has open: 30 MB of lines are not held between invocations."""
        self._last = None

    def decide(
        self,
        state: LaneState,
        waiting: deque[tuple[str, Void]],
        meters_of: Callable[[str], MetersByType],
        versions: Mapping[str, int],
        received_at: int,
        now: int,
    ) -> Commit:
        """The next commit, of as many of the waiting voids as fit into it; they are taken from there."""
        lost = Lost(state.lane)
        voids: list[tuple[str, Void]] = []
        outcomes: list[VoidOutcome] = []
        self._opened = 0
        while waiting and len(voids) < MAX_VOIDS and lost.size < ENOUGH_BYTES and self._opened < MAX_OBJECTS:
            tenant, void = waiting.popleft()
            original, left_out = self._accepted(state, tenant, void)
            if original is not None:
                meters = [each for each in meters_of(tenant).get(original.type, ()) if each.id not in left_out]
                lost.add(original, meters, state.directories[tenant])
                # The log says when the event happened; the void may name another second of the same five minutes.
                void = msgspec.structs.replace(void, time=original.time_seconds)
            voids.append((tenant, void))
            outcomes.append(VoidOutcome(tenant, void.correction_id, original is not None))
        mine = {tenant: versions[tenant] for tenant, _ in voids}
        times = [void.time for _, void in voids]
        fingerprints = _fingerprints(voids)
        return Commit(
            lane=state.lane,
            n=state.n + 1,
            attempt=self._new_attempt(),
            decided_at=now,
            received_at=received_at,
            fingerprints=fingerprints,
            pages=list(lost.pages.values()),
            hours=hours_of(fingerprints),
            codes=[],
            subjects=[],
            markers=[],
            staged_key="",
            inline_archive=self._archive.encode_voids(voids, received_at, mine),
            counts=Counts(),
            meter_versions=mine,
            oldest=min(times),
            newest=max(times),
            marks=marks_of([(tenant, void.subject, []) for tenant, void in voids]),
            voids=outcomes,
            voided_history=lost.history,
        )

    def _accepted(self, state: LaneState, tenant: str, void: Void) -> tuple[ArchivedEvent | None, Collection[str]]:
        """The event in the log, None if it was not accepted so far; and the meters that took nothing from it then,
        also those that would take something today.
        """
        bucket = bucket_of(void.time)
        if void.fingerprint not in state.buckets[bucket]:
            return None, ()
        for n, chunk in self._ledger.commits_of_bucket(state.lane, bucket):
            if void.fingerprint in unpack_fingerprints(chunk):
                if n > state.n:
                    raise LostRace  # another writer's, and not all of it may be applied
                line, location = self._line(state.lane, n, tenant, void)
                identity = event_identity(void.fingerprint, line.time_seconds)
                return line, self._ledger.left_out(tenant, identity, line.time_seconds, location)
        raise ValueError(f"No commit of lane {state.lane} has the event of correction {void.correction_id}.")

    def _line(self, lane: int, n: int, tenant: str, void: Void) -> tuple[ArchivedEvent, Location]:
        bucket = bucket_of(void.time)
        name = (tenant, void.id, void.source, void.subject)
        decided_hour, lines = self._object(lane, n, void)
        for number, line in enumerate(lines):
            is_it = (line.tenant, line.id, line.source, line.subject) == name and not line.voids
            if is_it and bucket_of(line.time_seconds) == bucket:
                return line, Location(lane, n, decided_hour, number)
        raise ValueError(f"Commit {n} of lane {lane} does not hold the event of correction {void.correction_id}.")

    def _object(self, lane: int, n: int, void: Void) -> tuple[int, Sequence[ArchivedEvent]]:
        """When the commit was decided and its lines: the voids of a batch are often of the same commit."""
        if self._last is None or self._last[:2] != (lane, n):
            hour = bucket_of(void.time) * BUCKET_SECONDS // HOUR_SECONDS
            decided_hour = dict(self._ledger.commits_in_hour(lane, hour))[n]
            ((_, lines),) = self._archive.lines_of(lane, [(n, decided_hour)])
            if lines is None:
                raise ValueError(f"The archive has lost commit {n} of lane {lane}, of correction {void.correction_id}.")
            self._opened += 1
            self._last = lane, n, decided_hour, lines
        return self._last[2], self._last[3]


def _fingerprints(voids: list[tuple[str, Void]]) -> dict[int, bytes]:
    by_bucket: dict[int, bytes] = {}
    for _, void in voids:
        bucket = bucket_of(void.time)
        by_bucket[bucket] = by_bucket.get(bucket, b"") + (void.fingerprint ^ VOIDED).to_bytes(8, "little")
    return dict(sorted(by_bucket.items()))
