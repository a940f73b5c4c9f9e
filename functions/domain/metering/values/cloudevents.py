"""From the bytes of a request to events: CloudEvents 1.0 in JSON, checked one by one, with every error named.

The whole batch is decoded in one go; only when something is wrong with it is each event looked at alone.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from functions.domain.errors import FieldError, InvalidInput, TooLarge
from functions.domain.metering.values import event_json, json_repair
from functions.domain.metering.values.event import MAX_EVENTS_PER_CALL, AcceptanceWindow, Event
from functions.domain.metering.values.event_checker import CARRIES, CloudEvent, EventChecker, decode_fields, decode_one
from functions.domain.metering.values.lanes import Lanes

_decode_many = msgspec.json.Decoder(list[CloudEvent]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_GIVEN_UP = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
    checker = EventChecker(tenant, lanes, window, now)
    found = _decoded(body)
    if found is None:
        return _parse_each(body, checker)
    if not found:
        raise InvalidInput("invalid event: no events found; send at least one")
    if len(found) > MAX_EVENTS_PER_CALL:
        raise _too_many(len(found))
    events = [checker.event(index, event, b"") for index, event in enumerate(found)]
    if checker.has_full_second and CARRIES in body:
        return _parse_each(body, EventChecker(tenant, lanes, window, now))
    checker.check_json(events)
    checker.raise_errors(len(found))
    return events


def parse_partially(body: bytes, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int) -> list[Judged]:
    """Every event of a request body with what is wrong with it, in the order of the body.

    Raises InvalidInput when the body holds no events at all; TooLarge above 10,000 of them.
    """
    checker = EventChecker(tenant, lanes, window, now)
    judged = _judged(checker, _raw_events(body))
    return [
        Judged(None if (errors := checker.errors_of(index)) else event, shown_id, errors)
        for index, (event, shown_id) in enumerate(judged)
    ]


def with_data(attributes: Mapping[str, str], data: bytes) -> bytes:
    """One event in JSON, made of attributes and data that came apart; raises InvalidInput for data that is no JSON."""
    event = msgspec.json.encode(attributes)
    if not data.strip():
        return event
    value = json_repair.whole_characters(data)
    try:
        value = bytes(_decode_raw(value))
    except RecursionError as error:
        raise _wrong_data("too_deep", str(event_json.too_deep())) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _wrong_data("malformed_json", f"is not JSON: {event_json.not_json(error, value)}") from error
    return b'%b%b"data":%b}' % (event[:-1], b"," if attributes else b"", value)


def _wrong_data(code: str, message: str) -> InvalidInput:
    return InvalidInput(f"invalid event: data {message}", fields=[FieldError("[0].data", code, message)])


def _decoded(body: bytes) -> list[CloudEvent] | None:
    """None for what has to be looked at event by event."""
    try:
        return _decode_many(body) if _is_batch(body) else [decode_one(body)]
    except _GIVEN_UP:
        return None


def _parse_each(body: bytes, checker: EventChecker) -> list[Event]:
    raws = _raw_events(body)
    events = [event for event, _ in _judged(checker, raws) if event is not None]
    checker.raise_errors(len(raws))
    return events


def _judged(checker: EventChecker, raws: list[bytes]) -> list[tuple[Event | None, str]]:
    """Each event with the id to show for it; the checker knows what is wrong with it."""
    judged: list[tuple[Event | None, str]] = []
    for index, raw in enumerate(raws):
        found = checker.decode(index, raw)
        judged.append((checker.event(index, *found), found[0].id) if found else (None, _id_of(raw)))
    checker.check_json([event for event, _ in judged])
    return judged


def _id_of(raw: bytes) -> str:
    """The id of something that is no event, as far as it has one."""
    try:
        return msgspec.json.decode(raw, type=_Identified).id
    except _GIVEN_UP:
        return ""


def _is_batch(body: bytes) -> bool:
    return body.lstrip()[:1] == b"["


def _raw_events(body: bytes) -> list[bytes]:
    body = json_repair.whole_characters(body)
    if not _is_batch(body):
        _check_single(body)
        return [body]
    try:
        raws = [bytes(raw) for raw in _decode_raws(body)]
    except _GIVEN_UP as error:
        # Something inside of one event may be all that is wrong.
        elements = json_repair.elements(body)
        if elements is None:
            raise _no_event(error, body) from error
        raws = elements
    if not raws:
        raise InvalidInput("invalid event: no events found; send at least one")
    if len(raws) > MAX_EVENTS_PER_CALL:
        raise _too_many(len(raws))
    return raws


def _check_single(body: bytes) -> None:
    try:
        decode_fields(body)
    except msgspec.MsgspecError as error:
        raise _no_event(error, body) from error
    except (UnicodeDecodeError, RecursionError):
        return  # the event's own error, with its place


def _no_event(error: Exception, body: bytes) -> InvalidInput:
    reason = event_json.not_json(error, body)
    fields = [] if _is_batch(body) else [FieldError("[0]", "malformed_json", f"is not JSON: {reason}")]
    return InvalidInput(f"invalid event: the body is not a CloudEvent in JSON: {reason}", fields=fields)


def _too_many(count: int) -> TooLarge:
    return TooLarge(f"{count} events in one call; send at most {MAX_EVENTS_PER_CALL} and the rest in further calls.")
