"""What was refused, as it is kept and listed: its name in the API, and whether it can go back into the stream."""

import re
from dataclasses import dataclass

# A sort key in the usage table without its `#`, which paths of URLs do not carry.
REFUSAL_ID = re.compile(r"00\d{10}(?:\.[A-Za-z0-9_-]{1,128}){2,3}", re.ASCII)


def refusal_id(time: int, identity: str, code: str, meter_id: str) -> str:
    """`time` is the event's, or when the record arrived; epoch seconds."""
    return ".".join([f"{time:012d}", identity, code, *([meter_id] if meter_id else [])])


def time_of(refusal_id: str) -> int:
    return int(refusal_id[:12])


@dataclass(frozen=True)
class KeptRefusal:
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
