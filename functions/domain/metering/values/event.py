"""The usage event as the ledger carries it, the packs that bring events to a lane, and the acceptance window."""

from typing import Literal

import msgspec

# DynamoDB sort keys end at 1,024 bytes and the subject stands in one.
MAX_SUBJECT_BYTES = 1_000
MAX_TEXT_LENGTH = 256  # characters of id, type and subject
MAX_SOURCE_LENGTH = 1_024  # sources are URIs
MAX_EXTENSIONS = 16
MAX_EXTENSION_NAME = 64  # CloudEvents asks for up to 20 characters, and forbids no more
MAX_EVENTS_PER_CALL = 10_000


class Event(msgspec.Struct, array_like=True, gc=False):
    """One accepted-for-counting usage event; `time` in epoch seconds, `data` and `extensions` raw JSON or empty.

    `micros` are the microseconds within that second, which LATEST alone looks at; older records have eight fields.
    """

    fingerprint: int
    time: int
    id: str
    source: str
    type: str
    subject: str
    data: bytes = b""
    extensions: bytes = b""
    micros: int = 0

    @property
    def time_seconds(self) -> int:
        return self.time

    @property
    def raw_data(self) -> bytes:
        return self.data

    @property
    def raw_extensions(self) -> bytes:
        return self.extensions


class Void(msgspec.Struct, array_like=True, frozen=True):
    """An event that must not count: its fingerprint, its time in epoch seconds, what it is called, and who says so."""

    fingerprint: int
    time: int
    id: str
    source: str
    subject: str
    correction_id: str


class Pack(msgspec.Struct, array_like=True, tag=True):
    """Events of one tenant for one lane from one ingest call; `received_at` in epoch seconds.

    `voids` are events that must not count, whether or not they came before.
    """

    tenant: str
    lane: int
    pack_id: str
    received_at: int
    events: list[Event]
    voids: list[Void] = []


# The name of a close marker that is put every minute. It asks for no commit: the writer that has counted all before it
# notes when it was put. A version that does not know it makes a commit, as for any marker.
HEARTBEAT = "heartbeat"


class CloseMarker(msgspec.Struct, array_like=True, tag=True):
    """Asks a lane to say when everything that arrived before it is counted."""

    lane: int
    marker: str
    received_at: int

    @property
    def is_heartbeat(self) -> bool:
        return self.marker == HEARTBEAT


class AcceptanceWindow(msgspec.Struct, frozen=True):
    """How old and how far ahead an event may be, and how long the stream can hold it, all in seconds."""

    past: int = 45 * 86_400
    ahead: int = 3_600
    stream_retention: int = 86_400

    def judge(self, time: int, now: int) -> Literal["too_old", "too_new"] | None:
        """What is wrong with an event's time at ingest, if anything."""
        if time < now - self.past:
            return "too_old"
        if time > now + self.ahead:
            return "too_new"
        return None

    def oldest_countable(self, now: int) -> int:
        """Older events may have lost their fingerprints, so the aggregator must not count them."""
        return now - self.past - self.stream_retention
