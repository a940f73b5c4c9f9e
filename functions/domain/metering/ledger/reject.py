"""What was refused, as it is kept and listed: its name in the API, and whether it can go back into the stream."""

import re
from array import array
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from functions.domain.metering.values.readable import is_readable

# A sort key in the usage table without its `#`, which paths of URLs do not carry.
REJECT_ID = re.compile(r"00\d{10}(?:\.[A-Za-z0-9_-]{1,128}){2,3}", re.ASCII)

# All there are: a caller that asks for another one has misspelt it.
CODES = (
    *("infinite_value", "missing_value", "nan_value", "null_value", "outside_acceptance_window", "path_too_costly"),
    *("uncountable_event", "uncountable_record", "uncountable_void", "unparsable_value", "unreadable_data"),
    *("unreadable_line", "unreadable_record", "unsupported_value", "value_out_of_bounds", "void_outside_window"),
)


def reject_id(time: int, identity: str, code: str, meter_id: str) -> str:
    """`time` is the event's, or when the record arrived; epoch seconds."""
    return ".".join([f"{time:012d}", identity, code, *([meter_id] if meter_id else [])])


def time_of(reject_id: str) -> int:
    return int(reject_id[:12])


@dataclass(frozen=True)
class StoredReject:
    """`event` is a CloudEvent in JSON, `object_key` names bytes that are none; `meter_id` is empty for no one meter.

    `is_counted_elsewhere`: the event was accepted, and only this meter could not take a value from it. Times are
    epoch seconds, `replayed_at` is 0 for never.
    """

    id: str
    code: str
    reason: str
    received_at: int
    is_counted_elsewhere: bool
    event: bytes = b""
    object_key: str = ""
    meter_id: str = ""
    replayed_at: int = 0
    replayed_by: str = ""
    position: str = ""  # where a list goes on behind it, when that is not its id


class UncountableLines(msgspec.Struct, frozen=True, array_like=True):
    """From which events of a commit, of one UTC day, a meter could take no value: `lines` are their places in the
    commit's object, two bytes each. `day` counts from the epoch. The reason is told by the code alone: a sentence would
    name paths and values, which nobody has bounded.
    """

    tenant: str
    day: int
    meter_id: str
    code: str
    lines: bytes


class Reason(NamedTuple):
    """Why a meter could take no value from these lines of an object, in their order."""

    meter_id: str
    code: str
    lines: Sequence[int]


class Location(NamedTuple):
    """A line of a commit's object, counted from 0."""

    lane: int
    n: int
    decided_hour: int
    number: int


class FurtherRejects(NamedTuple):
    """What a commit left uncounted of a tenant's events of one day, beyond those that are listed one by one.

    The events themselves are lines of the commit's object. `name` tells it from others of the day; they are listed by
    their names, the last first.
    """

    name: str
    lane: int
    n: int
    decided_hour: int
    received_at: int
    reasons: Sequence[Reason]


def event_identity(fingerprint: int, time: int) -> str:
    """Names an event among what was refused."""
    return f"{fingerprint:016x}{time:x}"


def further_names(decided_hour: int, lane: int, n: int) -> str:
    """What the names of all parts of a commit begin with."""
    return f"{decided_hour:08d}-{lane:03d}-{n:012d}-"


def pack_lines(lines: Sequence[int]) -> bytes:
    return array("H", lines).tobytes()


def unpack_lines(packed: bytes) -> Sequence[int]:
    lines = array("H")
    lines.frombytes(packed)
    return lines


class Shown(Protocol):
    """What an event is listed by; `time_seconds` since the epoch."""

    @property
    def id(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time_seconds(self) -> int: ...
    @property
    def micros(self) -> int: ...
    @property
    def raw_data(self) -> bytes: ...
    @property
    def raw_extensions(self) -> bytes: ...


_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def event_json(event: Shown) -> bytes:
    """A CloudEvent, with any data: those that cannot be read as JSON are in `data_base64`."""
    extensions = event.raw_extensions
    attributes = _attributes(extensions) if extensions and is_readable(extensions) else {}
    data = event.raw_data or b"null"
    content = {"data": msgspec.Raw(data)} if is_readable(data) else {"data_base64": b64encode(data).decode()}
    document = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": datetime.fromtimestamp(event.time_seconds, UTC).replace(microsecond=event.micros),
        **attributes,
        **content,
    }
    return msgspec.json.encode(document)
