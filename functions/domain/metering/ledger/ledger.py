"""The metering ledger's decision: which events of a batch are new, and what a commit does with them.

A lane's history is a gapless log of commits. A commit is decided knowing all its predecessors, holds everything needed
to apply it, and is applied completely before the next is decided. Everything here is pure.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import zip_longest

import msgspec

from functions.domain.metering.cells.pages import CODES_PER_PAGE, PageDelta
from functions.domain.metering.ledger.look_back import Accepted, LookBack, unpack_fingerprints
from functions.domain.metering.ledger.reject import UncountableLines, event_identity
from functions.domain.metering.meters.meter import code_family
from functions.domain.metering.values.event import AcceptanceWindow, Event, Pack, Void
from functions.domain.metering.values.group_values import MAX_LONG_TEXTS, OTHER, TIGHT_CODE_LENGTH, fitting

BUCKET_SECONDS = 300
HOUR_SECONDS = 3_600
VOIDED = 0x9E37_79B9_7F4A_7C15  # fingerprint ^ VOIDED, in the same bucket, says that the event must not count
PACK_MARK_BYTES = 8
MAX_PACK_MARKS = 1_000  # redelivered events of further packs show as clients' duplicates
OUTSIDE_WINDOW, VOID_OUTSIDE_WINDOW = "outside_acceptance_window", "void_outside_window"


class Code(msgspec.Struct, frozen=True, array_like=True):
    """A directory entry: the short number that stands for (meter, group values) in one (tenant, lane).

    Part i of what its meter keeps has the number + i, so a code with several parts takes as many numbers. `skipped`
    numbers before it stand for nothing, so that its parts lie on one page (not those of codes before 2026-11-23).

    `n` is the commit it came with: events of earlier commits were not counted under it. `owner` stands for the subject
    that brought it, `month` for when: whose room it takes. (Codes before 2026-11-28 have none of the three.)
    """

    tenant: str
    number: int
    meter_id: str
    groups: dict[str, str]
    parts: int = 1
    skipped: int = 0
    n: int = 0
    owner: bytes = b""
    month: int = 0


class Counts(msgspec.Struct, array_like=True):
    """What became of the events a batch received: received = accepted + duplicates + rejected.

    `redelivered` are those duplicates whose pack came before: the stream delivered it again, no client sent it twice.
    `uncountable` events are accepted; only some meter could not take a value from them.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    uncountable: int = 0
    received: int = 0
    redelivered: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            self.uncountable + other.uncountable,
            self.received + other.received,
            self.redelivered + other.redelivered,
        )


class VoidOutcome(msgspec.Struct, array_like=True, frozen=True):
    """What a commit did about a correction: `was_counted`, or else the event is left out when it comes."""

    tenant: str
    correction_id: str
    was_counted: bool


class BatchTally(msgspec.Struct, frozen=True):
    """A batch that held nothing new: it made no commit, so its counts stand alone. Times as in `Commit`."""

    lane: int
    received_at: int
    packs: bytes
    counts: Counts

    @property
    def name(self) -> str:
        """The same for the same batch, so that it is told once however often it is delivered."""
        return blake2b(self.packs, digest_size=8).hexdigest()


class VoidedHistory(msgspec.Struct, array_like=True, frozen=True):
    """A half hour of a subject whose history in a meter says too much, because an event of it was voided."""

    tenant: str
    meter_id: str
    subject: str
    window: int


class Commit(msgspec.Struct, array_like=True):
    """Commit `n` of a lane: accepted fingerprints by bucket, page deltas, directory entries, and its archive object.

    `received_at` is when the newest of its events arrived, `decided_at` when the commit was made; epoch seconds.
    `oldest`, `newest` and `marks` (see `hour_index`) tell readers when its events happened and whose they are.
    `uncountable` are values left out beyond those that are listed one by one.
    The first commit of a batch counts its duplicates and rejected events too, and names its `packs` (`pack_mark`).
    """

    lane: int
    n: int
    attempt: str
    decided_at: int
    received_at: int
    fingerprints: dict[int, bytes]
    pages: list[PageDelta]
    hours: list[int]
    codes: list[Code]
    subjects: list[tuple[str, str]]
    markers: list[str]
    staged_key: str
    inline_archive: bytes
    counts: Counts
    meter_versions: dict[str, int]
    oldest: int = 0
    newest: int = 0
    marks: bytes = b""
    voids: list[VoidOutcome] = []
    packs: bytes = b""
    voided_history: list[VoidedHistory] = []
    uncountable: list[UncountableLines] = []


class Reject(msgspec.Struct):
    """An event or record that was not counted, kept with its reason; `identity` makes a redelivery the same reject.

    `is_counted_elsewhere`: the event itself was accepted, and only some meter could not take a value from it.
    `meter_id` is the one meter that refused it, `object_key` is where bytes are kept that are no event.
    """

    tenant: str
    identity: str
    code: str
    reason: str
    received_at: int
    event: Event | None = None
    is_counted_elsewhere: bool = False
    object_key: str = ""
    meter_id: str = ""


@dataclass
class Directory:
    """The codes of one (tenant, lane): what a writer must know to name cells."""

    numbers: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    births: dict[int, int] = field(default_factory=dict)  # the commit a number came with
    taken: dict[tuple[str, bytes, int], int] = field(default_factory=dict)  # by meter, or "" for all; owner and month
    next_number: int = 0
    long_texts: int = 0  # characters of the values of codes that are not tight

    def skipped(self, parts: int) -> int:
        """How many numbers the next code leaves out, so that its parts lie on one page and change at one instant."""
        left = CODES_PER_PAGE - self.next_number % CODES_PER_PAGE
        return left if left < parts else 0

    def learn(self, code: Code) -> None:
        self.next_number = max(self.next_number, code.number + code.parts)
        values = tuple(value for _, value in sorted(code.groups.items()))
        self.numbers[(code_family(code.meter_id, code.groups), values)] = code.number
        if (length := sum(map(len, values))) > TIGHT_CODE_LENGTH:
            self.long_texts += length
        if code.n:
            self.births[code.number] = code.n
            for meter_id in (code.meter_id, ""):
                place = (meter_id, code.owner, code.month)
                self.taken[place] = self.taken.get(place, 0) + 1

    def named(self, family: str, groups: tuple[str, ...]) -> tuple[tuple[str, ...], int | None]:
        """The groups as they are, or would be, written down; and their number if they are."""
        fitted = fitting(groups)
        number = self.numbers.get((family, fitted))
        if number is None and (tight := fitting(groups, TIGHT_CODE_LENGTH)) != fitted:
            number = self.numbers.get((family, tight))
            if number is not None or self.long_texts >= MAX_LONG_TEXTS:
                return tight, number
        return fitted, number

    def number_at(self, family: str, groups: tuple[str, ...], n: int) -> int | None:
        """The code an event of commit n was counted under: `__other__` where its groups had no code then."""
        values, number = self.named(family, groups)
        if number is None or self.births.get(number, 0) > n:
            return self.numbers.get((family, (OTHER,) * len(values)))
        return number


@dataclass
class LaneState:
    """What the writer of a lane knows as of commit `n`; dropped whole whenever it may be wrong."""

    lane: int
    n: int
    confirmed_at: int  # when the lane's log was last seen to end at `n`
    buckets: dict[int, set[int]] = field(default_factory=dict)
    look_back: LookBack = field(default_factory=LookBack)
    packs: dict[bytes, None] = field(default_factory=dict)  # marks of packs that came, the newest last
    meter_versions: dict[str, int] = field(default_factory=dict)
    directories: dict[str, Directory] = field(default_factory=dict)
    subjects: set[tuple[str, str]] = field(default_factory=set)


def bucket_of(time: int) -> int:
    return time // BUCKET_SECONDS


def accepted_by(commit: "Commit") -> Accepted:
    """A void that comes before its event stands for it, so that the event is known when it comes."""
    chunk = b"".join(commit.fingerprints.values())
    if commit.voids:
        chunk = array("Q", [fingerprint ^ VOIDED for fingerprint in unpack_fingerprints(chunk)]).tobytes()
    return Accepted(commit.n, commit.decided_at, chunk, commit.packs)


def weight_of(commit: "Commit") -> int:
    """About how many bytes it takes in the log: what does not compress, and the pages' cells."""
    chunks = [*commit.fingerprints.values(), commit.inline_archive, commit.marks, commit.packs]
    cells = sum(page.weight for page in commit.pages)
    return sum(map(len, chunks)) + cells


@dataclass
class Deduplicated:
    """A batch after dedupe: new events by (tenant, subject), and what is not counted."""

    groups: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


def deduplicate(state: LaneState, packs: Iterable[Pack], window: AcceptanceWindow, now: int) -> Deduplicated:
    """Keep the first of every event the lane has not seen, remembering it in `state`.

    An event was seen if it is in the look-back, also with another time, or if its fingerprint is in its bucket (the
    same time, at any age); one that was voided before it came is left out as if it had been seen. `state` must hold
    the buckets that the look-back does not cover.
    """
    deduplicated = Deduplicated()
    buckets, is_new = state.buckets, state.look_back.add
    by_tenant = defaultdict[str, dict[str, list[Event]]](lambda: defaultdict(list))
    oldest = window.oldest_countable(now)
    state.look_back.begin(now)
    duplicates = received = redelivered = 0
    time: int | None = None
    bucket: set[int] | None = None
    for pack in packs:
        tenant = pack.tenant
        by_subject = by_tenant[tenant]
        received += len(pack.events)
        seen_before = duplicates
        for event in pack.events:
            if event.time != time:  # most events have the second of the one before
                time = event.time
                bucket = buckets.get(time // BUCKET_SECONDS)
            if time < oldest:
                deduplicated.rejects.append(_too_old(tenant, event, pack.received_at))
                continue
            fingerprint = event.fingerprint
            was_there = bucket is not None and (fingerprint in bucket or fingerprint ^ VOIDED in bucket)
            if was_there or not is_new(fingerprint):
                duplicates += 1
                continue
            if bucket is not None:
                bucket.add(fingerprint)
            by_subject[event.subject].append(event)
        mark = pack_mark(pack.pack_id)
        if mark in state.packs:
            redelivered += duplicates - seen_before
        state.packs[mark] = None
    if len(by_tenant) == 1:
        tenant, by_subject = by_tenant.popitem()
        deduplicated.groups = {(tenant, subject): events for subject, events in by_subject.items()}
    for some in zip_longest(*([(tenant, *each) for each in found.items()] for tenant, found in by_tenant.items())):
        for group in some:  # tenants in turn, so that nobody's many subjects come before another's few
            if group is not None:
                tenant, subject, events = group
                deduplicated.groups[tenant, subject] = events
    refused = len(deduplicated.rejects)
    deduplicated.counts = Counts(received - duplicates - refused, duplicates, refused, 0, received, redelivered)
    return deduplicated


def deduplicate_voids(
    state: LaneState, packs: Iterable[Pack], oldest: int
) -> tuple[list[tuple[str, Void]], list[Reject]]:
    """The voids the lane has not seen, each with its tenant, and those that came too late to be sure about."""
    new: list[tuple[str, Void]] = []
    rejects: list[Reject] = []
    for pack in packs:
        for void in pack.voids:
            if void.time < oldest:
                rejects.append(_too_old_to_void(pack.tenant, void, pack.received_at))
                continue
            bucket = state.buckets[bucket_of(void.time)]
            if void.fingerprint ^ VOIDED not in bucket:
                bucket.add(void.fingerprint ^ VOIDED)
                state.look_back.add(void.fingerprint)
                new.append((pack.tenant, void))
    return new, rejects


def _too_old_to_void(tenant: str, void: Void, received_at: int) -> Reject:
    reason = f"Correction {void.correction_id}: the event is older than the acceptance window, so it stays as it is."
    return Reject(
        tenant,
        event_identity(void.fingerprint, void.time),
        VOID_OUTSIDE_WINDOW,
        reason,
        received_at,
        is_counted_elsewhere=True,
    )


def pack_mark(pack_id: str) -> bytes:
    return blake2b(pack_id.encode(), digest_size=PACK_MARK_BYTES).digest()


def pack_marks(packs: Iterable[Pack]) -> bytes:
    """The marks of a batch's packs, each once; of very many packs only the first ones are named."""
    return b"".join(list(dict.fromkeys(pack_mark(pack.pack_id) for pack in packs))[:MAX_PACK_MARKS])


def unpack_marks(packed: bytes) -> list[bytes]:
    return [packed[start : start + PACK_MARK_BYTES] for start in range(0, len(packed), PACK_MARK_BYTES)]


def _too_old(tenant: str, event: Event, received_at: int) -> Reject:
    return Reject(
        tenant,
        event_identity(event.fingerprint, event.time),
        OUTSIDE_WINDOW,
        "The event is older than the acceptance window, so it can no longer be told from a duplicate.",
        received_at,
        event,
    )


Group = tuple[str, str, list[Event]]  # tenant, subject, its new events


def fingerprints_by_bucket(batch: list[Group]) -> dict[int, bytes]:
    by_bucket = defaultdict[int, list[int]](list)
    for _, _, events in batch:
        for event in events:
            by_bucket[event.time // BUCKET_SECONDS].append(event.fingerprint)
    return {bucket: array("Q", found).tobytes() for bucket, found in sorted(by_bucket.items())}


def hours_of(buckets: Iterable[int]) -> list[int]:
    return sorted({bucket * BUCKET_SECONDS // HOUR_SECONDS for bucket in buckets})
