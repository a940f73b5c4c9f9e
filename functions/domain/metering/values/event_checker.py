"""One event of a request, checked: every error named, and an `Event` made of what is right."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.values import event_json
from functions.domain.metering.values.data_base64 import JSON_IN_BASE64, data_of
from functions.domain.metering.values.event import (
    MAX_EXTENSION_NAME,
    MAX_EXTENSIONS,
    MAX_SOURCE_LENGTH,
    MAX_SUBJECT_BYTES,
    MAX_TEXT_LENGTH,
    AcceptanceWindow,
    Event,
)
from functions.domain.metering.values.lanes import Lanes

MAX_EVENT_BYTES = 256 * 1024  # a stream record ends at 1 MiB, and an event must fit beside any neighbours
MAX_LISTED_ERRORS = 100
SPEC_VERSION = "1.0"
# Rounded to microseconds this becomes the next second, perhaps of the next month: it is cut instead.
CARRIES = b".999999"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_EXTENSION = re.compile(rf"[a-z0-9]{{1,{MAX_EXTENSION_NAME}}}", re.ASCII)
_JSON_TYPE = re.compile(r"(application|text)/json|[^/\s]+/[^/\s]+\+json")
_BEYOND_MICROS = re.compile(rb"(%b)\d+" % re.escape(CARRIES))
_LEAP_SECOND = re.compile(rb":60(\.\d+)?[Zz+-]")
_NO_DATA = (b"", b"null")


class CloudEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The attributes OpenMeter reads; `data` stays raw JSON."""

    id: str
    source: str
    type: str
    subject: str
    specversion: str = SPEC_VERSION
    time: datetime | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: msgspec.Raw = msgspec.Raw()


KNOWN = frozenset(CloudEvent.__struct_fields__)
REQUIRED = ("id", "source", "type", "subject")
decode_one = msgspec.json.Decoder(CloudEvent).decode
decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_json_type(content_type: str) -> bool:
    """Whether data of this media type is JSON; parameters are no matter."""
    return bool(_JSON_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()))


class EventChecker:
    """Checks events and gathers what is wrong with them."""

    def __init__(self, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int) -> None:
        self._tenant = tenant
        self._fingerprint = lanes.fingerprint
        self._window = window
        self._now = now
        self._oldest, self._newest = now - window.past, now + window.ahead
        self._errors: dict[int, list[FieldError]] = {}
        self.has_full_second = False  # an event's time is one, perhaps only by rounding

    def errors_of(self, index: int) -> tuple[FieldError, ...]:
        return tuple(self._errors.get(index, ()))

    def raise_errors(self, count: int) -> None:
        if not self._errors:
            return
        listed = [error for index in sorted(self._errors) for error in self._errors[index]]
        first = listed[0]
        more = f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""
        summary = f"{len(self._errors)} of {count} events are invalid, none was accepted"
        detail = f"{summary}: {first.field}: {first.message}{more}"
        raise InvalidInput(detail, fields=listed[:MAX_LISTED_ERRORS])

    def event(self, index: int, found: CloudEvent, extensions: bytes) -> Event:
        """What is in `data` and `extensions` is left to `check_json`, which looks at all events at once."""
        sent = found.time
        if sent is None:
            time, micros = self._now, 0
        elif sent.tzinfo is None:
            self._wrong(index, "time", "no_time_zone", "needs a time zone, for example 2026-01-31T12:00:00Z")
            time, micros = self._now, 0
        else:
            since = sent - _EPOCH
            time, micros = since.days * 86_400 + since.seconds, since.microseconds
            if not micros:
                self.has_full_second = True
        if not self._oldest <= time <= self._newest:
            self._outside_window(index, time)
        data = bytes(found.data)
        subject, source, event_id, event_type = found.subject, found.source, found.id, found.type
        if not (
            0 < len(event_id) <= MAX_TEXT_LENGTH
            and 0 < len(event_type) <= MAX_TEXT_LENGTH
            and 0 < len(subject) <= MAX_TEXT_LENGTH
            and 0 < len(source) <= MAX_SOURCE_LENGTH
            and f"{event_id}{subject}{event_type}{source}".isprintable()
            and subject.isascii()
        ):
            self._check_texts(index, found)
        if data[:1] != b"{":
            data = self._other_data(index, data)
        if len(data) + len(extensions) > MAX_EVENT_BYTES:
            data = self._large_data(index, data, len(extensions))
        if found.specversion != SPEC_VERSION or found.datacontenttype not in (None, "application/json"):
            self._check_envelope(index, found)
        if found.dataschema is not None:
            extensions = self._with_schema(index, found.dataschema, extensions)
        fingerprint = self._fingerprint(self._tenant, subject, source, event_id)
        return Event(fingerprint, time, event_id, source, event_type, subject, data, extensions, micros)

    def check_json(self, events: Sequence[Event | None]) -> None:
        """Data and extensions of all events of the request: on one line each, and readable for everybody."""
        data = [event.data if event else b"" for event in events]
        joined = b"".join(data)
        if b"\n" in joined or b"\r" in joined:
            for event in events:
                if event and event.data:
                    event.data = msgspec.json.format(event.data, indent=-1)
            data = [event.data if event else b"" for event in events]
        for index in event_json.suspects(data):
            self._check_readable(index, "data", data[index])
        if any(event and event.extensions for event in events):
            extensions = [
                event.extensions if event and index not in self._errors else b"" for index, event in enumerate(events)
            ]
            for index in event_json.suspects(extensions):
                self._check_readable(index, "", extensions[index])

    def decode(self, index: int, raw: bytes) -> tuple[CloudEvent, bytes] | None:
        """One event that may have extension attributes; None after noting why it is none."""
        fields = self._fields(index, raw)
        if fields is None or not self._take_base64(index, fields):
            return None
        if CARRIES in raw and "time" in fields:
            fields["time"] = msgspec.Raw(_BEYOND_MICROS.sub(rb"\1", bytes(fields["time"])))
        known = {name: value for name, value in fields.items() if name in KNOWN}
        extras = {name: value for name, value in fields.items() if name not in KNOWN}
        self._check_extensions(index, extras)
        try:
            found = decode_one(msgspec.json.encode(known))
        except msgspec.MsgspecError as error:
            self._explain(index, known, error)
            return None
        return found, msgspec.json.format(msgspec.json.encode(extras), indent=-1) if extras else b""

    def _fields(self, index: int, raw: bytes) -> dict[str, msgspec.Raw] | None:
        try:
            text = raw.decode()
            return decode_fields(text)
        except UnicodeDecodeError as error:
            name, start = next(_not_utf8(raw), ("", error.start))
            self._unreadable(index, name, event_json.not_utf8(start))
        except RecursionError:
            self._unreadable(index, "", event_json.too_deep())
        except msgspec.ValidationError as error:
            self._wrong(index, "", "not_an_object", f"an event is a JSON object: {error}")
        except msgspec.DecodeError as error:
            self._wrong(index, "", "malformed_json", f"is not JSON: {event_json.not_json(error, raw)}")
        return None

    def _take_base64(self, index: int, fields: dict[str, msgspec.Raw]) -> bool:
        """Data that came as bytes becomes data like any other."""
        if JSON_IN_BASE64 not in fields:
            return True
        has_data = "data" in fields
        encoded = bytes(fields.pop(JSON_IN_BASE64))
        if encoded in _NO_DATA:
            return True
        if has_data:
            self._wrong(index, JSON_IN_BASE64, "data_twice", "stands beside data; send one of them")
            return False
        try:
            fields["data"] = msgspec.Raw(data_of(encoded))
        except event_json.Unreadable as error:
            self._unreadable(index, JSON_IN_BASE64, error)
            return False
        return True

    def _explain(self, index: int, known: dict[str, msgspec.Raw], error: Exception) -> None:
        missing = [name for name in REQUIRED if name not in known]
        for name in missing:
            self._wrong(index, name, "required", "is required and must be a non-empty string")
        if missing:
            return
        name = next((name for name in KNOWN if str(error).endswith(f"`$.{name}`")), "")
        hint = ""
        if name == "time":
            is_leap = _LEAP_SECOND.search(bytes(known[name]))
            hint = (
                "; a leap second is not taken, write its :59"
                if is_leap
                else "; write RFC 3339 such as 2026-01-31T12:00:00Z"
            )
        self._wrong(index, name, "invalid", f"{error}{hint}")

    def _check_extensions(self, index: int, extras: dict[str, msgspec.Raw]) -> None:
        for name, value in extras.items():
            if not _EXTENSION.fullmatch(name):
                shown = _CONTROL.sub("?", name[:40])
                self._wrong(
                    index,
                    shown,
                    "unknown_field",
                    "is no CloudEvents attribute; extension attributes have up to "
                    f"{MAX_EXTENSION_NAME} lower-case letters and digits",
                )
            elif bytes(value)[:1] in (b"{", b"["):
                self._wrong(index, name, "invalid", "an extension attribute is a string, a number or a boolean")
        if len(extras) > MAX_EXTENSIONS:
            self._wrong(index, "", "too_many_extensions", f"at most {MAX_EXTENSIONS} extension attributes")

    def _with_schema(self, index: int, schema: str, extensions: bytes) -> bytes:
        """Nobody here reads a schema, but a caller that lists the event gets it back."""
        if not 0 < len(schema) <= MAX_SOURCE_LENGTH:
            self._wrong(index, "dataschema", "invalid", f"must have 1 to {MAX_SOURCE_LENGTH} characters")
        attributes = decode_fields(extensions) if extensions else {}
        return msgspec.json.encode({"dataschema": schema, **attributes})

    def _check_texts(self, index: int, found: CloudEvent) -> None:
        for name in REQUIRED:
            text = getattr(found, name)
            limit = MAX_SOURCE_LENGTH if name == "source" else MAX_TEXT_LENGTH
            if not text:
                self._wrong(index, name, "required", "must not be empty")
            elif len(text) > limit or (name == "subject" and len(text.encode()) > MAX_SUBJECT_BYTES):
                self._wrong(index, name, "too_long", f"must have at most {limit} characters")
            elif _CONTROL.search(text):
                self._wrong(index, name, "control_character", "must not contain control characters")

    def _check_envelope(self, index: int, found: CloudEvent) -> None:
        if found.specversion != SPEC_VERSION:
            self._wrong(index, "specversion", "unsupported", f'must be "{SPEC_VERSION}"')
        if found.datacontenttype is not None and not is_json_type(found.datacontenttype):
            self._wrong(
                index,
                "datacontenttype",
                "unsupported",
                "must be application/json, another type ending in +json, or text/json: meters read a JSON object",
            )

    def _other_data(self, index: int, data: bytes) -> bytes:
        stripped = data.strip()
        if stripped in _NO_DATA:
            return b""
        if stripped[:1] == b"{":
            return stripped
        self._wrong(
            index,
            "data",
            "not_an_object",
            'must be a JSON object or null; put what is not into one, as in {"value": 5}',
        )
        return b""

    def _large_data(self, index: int, data: bytes, others: int) -> bytes:
        """On one line it may be small enough."""
        compact = msgspec.json.format(data, indent=-1) if data else b""
        if len(compact) + others <= MAX_EVENT_BYTES:
            return compact
        self._wrong(index, "data", "too_large", f"the event has more than {MAX_EVENT_BYTES} bytes")
        return b""

    def _check_readable(self, index: int, field: str, text: bytes) -> None:
        try:
            event_json.check(text)
        except event_json.Unreadable as error:
            self._unreadable(index, field, error)

    def _outside_window(self, index: int, time: int) -> None:
        if time > self._newest:
            self._wrong(index, "time", "too_new", f"is more than {self._window.ahead} seconds in the future")
        else:
            self._wrong(index, "time", "too_old", f"is more than {self._window.past // 86_400} days in the past")

    def _unreadable(self, index: int, field: str, error: event_json.Unreadable) -> None:
        self._wrong(index, field, error.code, error.message)

    def _wrong(self, index: int, field: str, code: str, message: str) -> None:
        error = FieldError(f"[{index}].{field}" if field else f"[{index}]", code, message)
        self._errors.setdefault(index, []).append(error)


def _not_utf8(raw: bytes) -> Iterator[tuple[str, int]]:
    """The attributes whose values are not UTF-8, and where, as far as the event can be taken apart."""
    try:
        fields = decode_fields(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for name, value in fields.items():
        try:
            bytes(value).decode()
        except UnicodeDecodeError as error:
            yield name, error.start
