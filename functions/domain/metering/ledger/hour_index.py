"""Where a commit's events lie in time and whose they are, so that a reader opens only the archive objects it needs."""

from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, HOUR_SECONDS, Commit, Group

MARK_BYTES = 2  # of 64 subjects in a commit one in a thousand looks like one that is asked for
MAX_MARKS = 64  # an index entry stays far below one write unit


class HourEntry(NamedTuple):
    """A commit with events in an hour; they lie in first..last, both inclusive. Times are epoch seconds.

    `marks` are the tenants and subjects of the whole commit, as far as they could be named (see `marks_of`).
    """

    hour: int
    n: int
    decided_at: int
    first: int
    last: int
    marks: bytes = b""
    has_voids: bool = False

    @property
    def decided_hour(self) -> int:
        return self.decided_at // HOUR_SECONDS

    def may_hold(self, tenant: str, subject_marks: Collection[bytes] = ()) -> bool:
        """False only if the commit holds nothing of the tenant, or nothing of the subjects when some are asked for."""
        if not self.marks:
            return True
        tenants_end = 1 + self.marks[0] * MARK_BYTES
        if tenants_end > 1 and tenant_mark(tenant) not in _each(self.marks[1:tenants_end]):
            return False
        subjects = self.marks[tenants_end:]
        return not (subjects and subject_marks) or not _each(subjects).isdisjoint(subject_marks)


def tenant_mark(tenant: str) -> bytes:
    return blake2b(tenant.encode(), digest_size=MARK_BYTES, person=b"tenant").digest()


def subject_mark(tenant: str, subject: str) -> bytes:
    return blake2b(f"{tenant}\0{subject}".encode(), digest_size=MARK_BYTES, person=b"subject").digest()


def marks_of(groups: Collection[Group]) -> bytes:
    """How many tenants are named, their marks, the marks of the subjects; marks that are too many are left out."""
    if len(groups) > MAX_MARKS:
        tenants = {tenant for tenant, _, _ in groups}
        return _packed(tenants, ()) if len(tenants) <= MAX_MARKS else b""
    return _packed({tenant for tenant, _, _ in groups}, {subject_mark(*group[:2]) for group in groups})


def _packed(tenants: Iterable[str], subject_marks: Iterable[bytes]) -> bytes:
    marks = sorted({tenant_mark(tenant) for tenant in tenants})
    return bytes([len(marks)]) + b"".join([*marks, *sorted(subject_marks)])


def _each(marks: bytes) -> set[bytes]:
    return {marks[start : start + MARK_BYTES] for start in range(0, len(marks), MARK_BYTES)}


def time_bounds(groups: Iterable[Group]) -> tuple[int, int]:
    """The oldest and the newest second of a commit's events; (0, 0) of none."""
    bounds = [(min(times), max(times)) for times in ([event.time for event in events] for _, _, events in groups)]
    return (min(first for first, _ in bounds), max(last for _, last in bounds)) if bounds else (0, 0)


def hour_entries(commit: Commit) -> Iterator[HourEntry]:
    """The commit in each of its hours: to the second at both ends of the commit, to the bucket between."""
    buckets: dict[int, tuple[int, int]] = {}
    for bucket in commit.fingerprints:
        hour = bucket * BUCKET_SECONDS // HOUR_SECONDS
        lowest, highest = buckets.get(hour, (bucket, bucket))
        buckets[hour] = min(lowest, bucket), max(highest, bucket)
    for hour in commit.hours:
        first, last = hour * HOUR_SECONDS, (hour + 1) * HOUR_SECONDS - 1
        if hour in buckets:
            first, last = buckets[hour][0] * BUCKET_SECONDS, (buckets[hour][1] + 1) * BUCKET_SECONDS - 1
        if commit.newest:
            first, last = max(first, commit.oldest), min(last, commit.newest)
        yield HourEntry(hour, commit.n, commit.decided_at, first, last, commit.marks, bool(commit.voids))
