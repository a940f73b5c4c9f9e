"""What a lane has accepted lately, at any event time: as many fingerprints as fit, 8 bytes each.

A fingerprint's first 14 bits choose a sorted array; its other 50 stand in an entry with 14 bits that say when it was
decided, to ten minutes. So it is found exactly, and what is oldest can be forgotten.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import msgspec

from functions.domain.metering.values.event import AcceptanceWindow

UNIT_SECONDS = 600
TIME_BITS = 14
REST_BITS = 64 - TIME_BITS
REST, TIME = (1 << REST_BITS) - 1, (1 << TIME_BITS) - 1
ENTRY_BYTES = 8
MAX_UNITS = 100 * 86_400 // UNIT_SECONDS  # their numbers come round after 113 days
MARGIN_SECONDS = 600  # by which the clocks of writers may differ
# Forgetting looks at every entry, so it makes room for a while.
KEPT_NUMERATOR, KEPT_DENOMINATOR = 7, 8


class Accepted(msgspec.Struct, array_like=True, frozen=True):
    """What the look-back keeps of a commit: fingerprints of 8 bytes, marks of packs, and when it was decided."""

    n: int
    decided_at: int
    fingerprints: bytes
    packs: bytes

    def each(self) -> "array[int]":
        return unpack_fingerprints(self.fingerprints)


class Whole(msgspec.Struct, array_like=True, frozen=True, tag="whole"):
    """A look-back as of commit n: the entries array by array, how many each has, how many each unit; marks of packs."""

    n: int
    since: int
    lengths: bytes
    entries: bytes
    sizes: dict[int, int]
    packs: bytes


class Further(msgspec.Struct, array_like=True, frozen=True, tag="further"):
    """What commits have added to it."""

    commits: list[Accepted]


class LookBack:
    """Exact as of commit `n`: all that was accepted from `since` on (by the writer's clock) is in it.

    What is added beyond can be taken back until it is confirmed.
    """

    def __init__(self, n: int = 0, since: int = 0) -> None:
        self.n = n
        self.since = since
        self._entries: dict[int, array[int]] = {}
        self.size = 0  # of what is confirmed
        self._sizes = Counter[int]()  # by unit
        self._oldest = 0  # unit
        self._unit = 0
        self._unsure: list[int] = []

    def begin(self, now: int) -> None:
        """What is added from here on is decided now."""
        self._unit = now // UNIT_SECONDS

    def add(self, fingerprint: int) -> bool:
        """Remember it; False if it was known already."""
        slot, entry = fingerprint >> REST_BITS, (fingerprint & REST) << TIME_BITS
        entries = self._entries.get(slot)
        if entries is None:
            self._entries[slot] = array("Q", (entry | self._unit & TIME,))
        else:
            at = bisect_left(entries, entry)
            if at < len(entries) and entries[at] - entry <= TIME:
                return False
            entries.insert(at, entry | self._unit & TIME)
        self._unsure.append(fingerprint)
        return True

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing that could be taken back."""
        return not self._unsure

    def confirm(self, n: int) -> None:
        """What was added is what the commits up to n have accepted."""
        self.n = n
        if self._unsure:
            self._count(self._unit, len(self._unsure))
            self._unsure = []

    def _count(self, unit: int, fingerprints: int) -> None:
        self._oldest = min(self._oldest, unit) if self.size else unit
        self._sizes[unit] += fingerprints
        self.size += fingerprints

    def take_back(self) -> None:
        """Remove all that was added and not confirmed."""
        for fingerprint in self._unsure:
            entries, entry = self._entries[fingerprint >> REST_BITS], (fingerprint & REST) << TIME_BITS
            del entries[bisect_left(entries, entry)]
        self._unsure = []

    def learn(self, accepted: Accepted) -> None:
        """The next commit of the log; what it accepted again is as new as it is."""
        self.begin(accepted.decided_at)
        for fingerprint in accepted.each():
            if not self.add(fingerprint):
                self._renew(fingerprint)
        self.confirm(accepted.n)

    def _renew(self, fingerprint: int) -> None:
        entries, entry = self._entries[fingerprint >> REST_BITS], (fingerprint & REST) << TIME_BITS
        at = bisect_left(entries, entry)
        age = (self._unit - entries[at]) & TIME
        # A commit of another writer may have been decided in an earlier unit than the one it follows.
        if 0 < age <= MAX_UNITS:
            entries[at] = entry | self._unit & TIME
            self._sizes[self._unit - age] -= 1
            self._sizes[self._unit] += 1

    def covers(self, time: int, now: int, window: AcceptanceWindow) -> bool:
        """Whether an event of this time can only have been accepted since `since`, or never."""
        return self.since == 0 or self.since + window.ahead + MARGIN_SECONDS <= time <= now + window.ahead

    def forget(self, most: int, oldest: int) -> None:
        """Keep at most so many, and nothing that was decided before `oldest`: by whole units, the oldest first."""
        first = max(oldest // UNIT_SECONDS, self._unit - MAX_UNITS)
        if not self.size or (self.size <= most and self._oldest >= first):
            return
        enough = self.size if self.size <= most else most * KEPT_NUMERATOR // KEPT_DENOMINATOR
        gone, left = [], self.size
        for unit in sorted(self._sizes):
            if unit >= first and left <= enough:
                break
            gone.append(unit)
            left -= self._sizes[unit]
        self._drop(gone)

    def _drop(self, units: Iterable[int]) -> None:
        stamps = {unit & TIME for unit in units}
        for slot, entries in list(self._entries.items()):
            kept = array("Q", [entry for entry in entries if entry & TIME not in stamps])
            if kept:
                self._entries[slot] = kept
            else:
                del self._entries[slot]
        for unit in units:
            self.size -= self._sizes.pop(unit)
            self.since = max(self.since, (unit + 1) * UNIT_SECONDS)
        self._oldest = min(self._sizes, default=0)

    @classmethod
    def restored(cls, whole: Whole) -> "LookBack":
        look_back = cls(whole.n, whole.since)
        for unit, size in whole.sizes.items():
            look_back._count(unit, size)
        lengths, entries, start = array("I"), memoryview(whole.entries), 0
        lengths.frombytes(whole.lengths)
        for slot, length in enumerate(lengths):
            if length:
                look_back._entries[slot] = array("Q")
                look_back._entries[slot].frombytes(entries[start : start + length * ENTRY_BYTES])
                start += length * ENTRY_BYTES
        return look_back

    def whole(self, packs: bytes) -> Whole:
        """To be kept; there must be nothing that is not confirmed."""
        slots = range(1 << TIME_BITS)
        lengths = array("I", [len(self._entries.get(slot, ())) for slot in slots])
        entries = b"".join(self._entries[slot].tobytes() for slot in slots if slot in self._entries)
        return Whole(self.n, self.since, lengths.tobytes(), entries, dict(self._sizes), packs)


def unpack_fingerprints(chunk: bytes) -> "array[int]":
    values = array("Q")
    values.frombytes(chunk)
    return values
