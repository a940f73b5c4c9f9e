"""From the bytes of a request to events: CloudEvents 1.0 in JSON, checked one by one, with every error named.

The whole batch is decoded in one go; only when something is wrong with it is each event looked at alone.
"""

from typing import NamedTuple

import msgspec

from functions.domain.errors import FieldError, InvalidInput, TooLarge
from functions.domain.metering.event import MAX_EVENTS_PER_CALL, AcceptanceWindow, Event
from functions.domain.metering.event_checker import CloudEvent, EventChecker, decode_fields, decode_one
from functions.domain.metering.lanes import Lanes

_decode_many = msgspec.json.Decoder(list[CloudEvent]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Judged(NamedTuple):
    """An event of a request, None if something is wrong with it; `id` is empty when it has none to show."""

    event: Event | None
    id: str
    errors: tuple[FieldError, ...] = ()


class _Identified(msgspec.Struct):
    id: str


def parse_events(body: bytes, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int) -> list[Event]:
    """The events of a request body, one JSON object or an array of them.

    Raises InvalidInput naming index, field and reason of every invalid event; TooLarge above 10,000 events.
    """
    is_batch = body.lstrip()[:1] == b"["
    try:
        found = _decode_many(body) if is_batch else [decode_one(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parse_each(body, is_batch, tenant, lanes, window, now)
    if not found:
        raise InvalidInput("invalid event: no events found; send at least one")
    if len(found) > MAX_EVENTS_PER_CALL:
        raise _too_many(len(found))
    checker = EventChecker(tenant, lanes, window, now)
    events = [checker.event(index, event, b"") for index, event in enumerate(found)]
    checker.raise_errors(len(found))
    return events


def parse_partially(body: bytes, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int) -> list[Judged]:
    """Every event of a request body with what is wrong with it, in the order of the body.

    Raises InvalidInput when the body holds no events at all; TooLarge above 10,000 of them.
    """
    raws = _raw_events(body, body.lstrip()[:1] == b"[")
    checker = EventChecker(tenant, lanes, window, now)
    return [_judge(checker, index, bytes(raw)) for index, raw in enumerate(raws)]


def _judge(checker: EventChecker, index: int, raw: bytes) -> Judged:
    found = checker.decode(index, raw)
    if found is None:
        return Judged(None, _id_of(raw), checker.errors_of(index))
    event = checker.event(index, *found)
    errors = checker.errors_of(index)
    return Judged(None if errors else event, found[0].id, errors)


def _id_of(raw: bytes) -> str:
    """The id of something that is no event, as far as it has one."""
    try:
        return msgspec.json.decode(raw, type=_Identified).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _parse_each(
    body: bytes, is_batch: bool, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int
) -> list[Event]:
    raws = _raw_events(body, is_batch)
    checker = EventChecker(tenant, lanes, window, now)
    events = []
    for index, raw in enumerate(raws):
        found = checker.decode(index, bytes(raw))
        if found is not None:
            events.append(checker.event(index, *found))
    checker.raise_errors(len(raws))
    return events


def _raw_events(body: bytes, is_batch: bool) -> list[msgspec.Raw]:
    try:
        raws = _decode_raws(body) if is_batch else [msgspec.Raw(body)]
        if not is_batch:
            decode_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"invalid event: the body is not a CloudEvent in JSON: {error}") from error
    if not raws:
        raise InvalidInput("invalid event: no events found; send at least one")
    if len(raws) > MAX_EVENTS_PER_CALL:
        raise _too_many(len(raws))
    return raws


def _too_many(count: int) -> TooLarge:
    return TooLarge(f"{count} events in one call; send at most {MAX_EVENTS_PER_CALL} and the rest in further calls.")
