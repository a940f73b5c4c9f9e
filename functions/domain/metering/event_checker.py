"""One event of a request, checked: every error named, and an `Event` made of what is right."""

import re
from datetime import UTC, datetime

import msgspec

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.event import (
    MAX_EXTENSIONS,
    MAX_SOURCE_LENGTH,
    MAX_SUBJECT_BYTES,
    MAX_TEXT_LENGTH,
    AcceptanceWindow,
    Event,
)
from functions.domain.metering.lanes import Lanes

MAX_EVENT_BYTES = 256 * 1024  # a stream record ends at 1 MiB, and an event must fit whatever its neighbours
MAX_LISTED_ERRORS = 100
SPEC_VERSION = "1.0"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_EXTENSION = re.compile(r"[a-z0-9]{1,20}", re.ASCII)
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


class EventChecker:
    """Checks events and gathers what is wrong with them."""

    def __init__(self, tenant: str, lanes: Lanes, window: AcceptanceWindow, now: int) -> None:
        self._tenant = tenant
        self._fingerprint = lanes.fingerprint
        self._window = window
        self._now = now
        self._oldest, self._newest = now - window.past, now + window.ahead
        self._errors: list[FieldError] = []
        self._invalid: set[int] = set()

    def errors_of(self, index: int) -> tuple[FieldError, ...]:
        """What is wrong with one event, if it was checked last."""
        if index not in self._invalid:
            return ()
        prefix = f"[{index}]"
        found = []
        for error in reversed(self._errors):
            if error.field.partition("]")[0] + "]" != prefix:
                break
            found.append(error)
        return tuple(reversed(found))

    def raise_errors(self, count: int) -> None:
        if not self._errors:
            return
        first = self._errors[0]
        more = f" (and {len(self._errors) - 1} more)" if len(self._errors) > 1 else ""
        summary = f"{len(self._invalid)} of {count} events are invalid, none was accepted"
        detail = f"{summary}: {first.field}: {first.message}{more}"
        raise InvalidInput(detail, fields=self._errors[:MAX_LISTED_ERRORS])

    def event(self, index: int, found: CloudEvent, extensions: bytes) -> Event:
        sent = found.time
        if sent is None:
            time = self._now
        elif sent.tzinfo is UTC:
            time = int(sent.timestamp() // 1)
        else:
            time = self._seconds(index, sent)
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
        elif b"\n" in data or b"\r" in data:
            data = msgspec.json.format(data, indent=-1)
        if len(data) + len(extensions) > MAX_EVENT_BYTES:
            self._wrong(index, "data", "too_large", f"the event has more than {MAX_EVENT_BYTES} bytes")
        if found.specversion != SPEC_VERSION or found.datacontenttype not in (None, "application/json"):
            self._check_envelope(index, found)
        if found.dataschema is not None:
            extensions = self._with_schema(index, found.dataschema, extensions)
        fingerprint = self._fingerprint(self._tenant, subject, source, event_id)
        return Event(fingerprint, time, event_id, source, event_type, subject, data, extensions)

    def decode(self, index: int, raw: bytes) -> tuple[CloudEvent, bytes] | None:
        """One event that may have extension attributes; None after noting why it is none."""
        try:
            fields = decode_fields(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._wrong(index, "", "not_an_object", f"an event is a JSON object: {error}")
            return None
        known = {name: value for name, value in fields.items() if name in KNOWN}
        extras = {name: value for name, value in fields.items() if name not in KNOWN}
        self._check_extensions(index, extras)
        try:
            found = decode_one(msgspec.json.encode(known))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._explain(index, known, error)
            return None
        return found, msgspec.json.format(msgspec.json.encode(extras), indent=-1) if extras else b""

    def _explain(self, index: int, known: dict[str, msgspec.Raw], error: Exception) -> None:
        missing = [name for name in REQUIRED if name not in known]
        for name in missing:
            self._wrong(index, name, "required", "is required and must be a non-empty string")
        if missing:
            return
        name = next((name for name in KNOWN if str(error).endswith(f"`$.{name}`")), "")
        hint = "; write RFC 3339 such as 2026-01-31T12:00:00Z" if name == "time" else ""
        self._wrong(index, name, "invalid", f"{error}{hint}")

    def _check_extensions(self, index: int, extras: dict[str, msgspec.Raw]) -> None:
        for name, value in extras.items():
            if not _EXTENSION.fullmatch(name) or name == "data_base64":
                shown = _CONTROL.sub("?", name[:40])
                self._wrong(
                    index,
                    shown,
                    "unknown_field",
                    "is no CloudEvents attribute; extension attributes have up to 20 lower-case letters and digits",
                )
            elif bytes(value)[:1] in (b"{", b"["):
                self._wrong(index, name, "invalid", "an extension attribute is a string, a number or a boolean")
        if len(extras) > MAX_EXTENSIONS:
            self._wrong(index, "", "too_many_extensions", f"at most {MAX_EXTENSIONS} extension attributes")

    def _with_schema(self, index: int, schema: str, extensions: bytes) -> bytes:
        """Nobody here reads a schema, but whoever lists the event gets it back."""
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
        content_type = (found.datacontenttype or "application/json").partition(";")[0].strip().lower()
        if content_type != "application/json":
            self._wrong(index, "datacontenttype", "unsupported", "must be application/json")

    def _other_data(self, index: int, data: bytes) -> bytes:
        stripped = data.strip()
        if stripped in _NO_DATA:
            return b""
        if stripped[:1] == b"{":
            return msgspec.json.format(stripped, indent=-1)
        self._wrong(index, "data", "not_an_object", "must be a JSON object or null")
        return b""

    def _seconds(self, index: int, time: datetime) -> int:
        if time.tzinfo is None:
            self._wrong(index, "time", "no_time_zone", "needs a time zone, for example 2026-01-31T12:00:00Z")
            return self._now
        try:
            return int(time.timestamp() // 1)
        except (OverflowError, ValueError):
            return -1

    def _outside_window(self, index: int, time: int) -> None:
        if time > self._newest:
            self._wrong(index, "time", "too_new", f"is more than {self._window.ahead} seconds in the future")
        else:
            self._wrong(index, "time", "too_old", f"is more than {self._window.past // 86_400} days in the past")

    def _wrong(self, index: int, field: str, code: str, message: str) -> None:
        self._invalid.add(index)
        self._errors.append(FieldError(f"[{index}].{field}" if field else f"[{index}]", code, message))
