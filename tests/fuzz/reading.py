"""What a body says to a reader that is not ours: Python's own JSON. It tells what must be refused, and what was sent.

Where readers and the service may differ for good reasons (very long numbers, half surrogate pairs) it does not decide.
"""

import json
import re
import sys
import zlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn

from tests.fuzz.fragments import AHEAD, NOW, PAST
from tests.fuzz.sending import Request

MAX_DEPTH = 64
READABLE_DEPTH = 12_000  # deeper than what is sent
NUMBER_CHARACTERS = 4_300  # Python reads no longer whole numbers
REQUIRED = ("id", "source", "type", "subject")
KNOWN = {*REQUIRED, "specversion", "time", "datacontenttype", "dataschema", "data", "data_base64"}
Identity = tuple[str, str, str]  # subject, source, id

_NAME = re.compile(r"[a-z0-9]+")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Unreadable(Exception):
    """Why no reader may be given this."""


class Unsure(Exception):
    """Both taking and refusing it is right."""


class Number(str):
    """As it was written."""


@dataclass(frozen=True)
class Sent:
    """An event as its producer wrote it."""

    identity: Identity
    type: str
    time: datetime | None
    data: Any
    extensions: dict[str, Any] = field(default_factory=dict)


def document(raw: bytes) -> Any:
    """The JSON value of these bytes, its numbers as written; raises Unreadable."""
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode()
        with _room_to_nest():
            value = json.loads(
                text, parse_int=_number, parse_float=_number, parse_constant=_constant, object_pairs_hook=_members
            )
        return _whole(value)
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("it is too deep") from error
    except ValueError as error:
        raise Unreadable(f"it is not JSON: {error}") from error


@contextmanager
def _room_to_nest() -> Iterator[None]:
    """What nests deeply may lie under a name that comes twice, and then nobody reads it."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(READABLE_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)


class Members(dict[str, Any]):
    is_ambiguous = False


def _members(pairs: list[tuple[str, Any]]) -> Members:
    found = Members((_whole(name), _whole(value)) for name, value in pairs)
    found.is_ambiguous = len({name for name, _ in pairs}) < len(pairs)
    return found


def _whole(value: Any) -> Any:
    """Half of a surrogate pair is no character. Objects in it are whole already."""
    if type(value) is str:
        return _HALF_PAIR.sub("\ufffd", value)
    return [_whole(each) for each in value] if isinstance(value, list) else value


def _number(text: str) -> Number:
    return Number(text)


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def data_problem(value: Any) -> str:
    """Why some reader could not read data, or would read it in another way than the others; empty if all can."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        some, depth = waiting.pop()
        if isinstance(some, Number) and len(some) > NUMBER_CHARACTERS:
            return "a number is too long"
        if not isinstance(some, dict | list):
            continue
        if depth > MAX_DEPTH:
            return "it is too deep"
        if isinstance(some, Members) and some.is_ambiguous:
            return "a name comes twice"
        waiting += [(each, depth + 1) for each in (some.values() if isinstance(some, dict) else some)]
    return ""


def is_readable(raw: bytes) -> bool:
    """Could data that were accepted once be read and counted today? Names that come twice could."""
    try:
        return data_problem(document(raw)) in ("", "a name comes twice")
    except Unreadable:
        return False


def events_of(request: Request) -> list[Sent | Unreadable | Unsure]:
    """By index what a request's events say; raises Unreadable when no part of it may be taken, or Unsure."""
    body, headers = _inflated(request), request.headers
    if any(name.startswith("ce-") for name in headers):
        raise Unsure  # headers are fuzzed for errors only
    if not body.strip():
        raise Unreadable("there is nothing")
    try:
        value = document(body)
    except Unreadable:
        if request.is_partial and body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
            raise Unsure from None  # the other events of the array may be taken
        raise
    if value == []:
        raise Unreadable("there are no events")
    return [_event(each) for each in (value if isinstance(value, list) else [value])]


def _inflated(request: Request) -> bytes:
    if request.headers.get("content-encoding") != "gzip":
        return request.body
    found, left = b"", request.body
    while left:
        inflater = zlib.decompressobj(wbits=31)
        try:
            found += inflater.decompress(left)
        except zlib.error as error:
            raise Unreadable("it is no gzip") from error
        if not inflater.eof:
            raise Unreadable("it ends too early")
        left = inflater.unused_data
    return found


def _event(value: Any) -> Sent | Unreadable | Unsure:
    try:
        return _sent(value)
    except (Unreadable, Unsure) as found:
        return found


def _sent(value: Any) -> Sent:
    if not isinstance(value, Members):
        raise Unreadable("it is no object")
    for name in REQUIRED:
        text = value.get(name)
        if type(text) is not str or not text or any(letter < " " for letter in text):
            raise Unreadable(f"its {name} is no text, or has control characters")
    for name, extension in value.items():
        if name not in KNOWN and (not _NAME.fullmatch(name) or isinstance(extension, dict | list)):
            raise Unreadable(f"{name[:20]!r} is no attribute")
    data = _data(value)
    if data is not None and not isinstance(data, dict):
        raise Unreadable("its data are no object")
    if problem := data_problem(data):
        raise Unreadable(problem)
    extensions = {name: each for name, each in value.items() if name not in KNOWN}
    subject, source, event_id = (value[name] for name in ("subject", "source", "id"))
    return Sent((subject, source, event_id), value["type"], _time(value.get("time")), data, extensions)


def _data(value: Members) -> Any:
    if value.get("data_base64") is None:
        return value.get("data")
    if value.get("data") is not None:
        raise Unreadable("it has data twice")
    try:
        return document(b64decode(value["data_base64"], validate=True))
    except (ValueError, TypeError) as error:
        raise Unreadable("its data_base64 are none") from error


def _time(text: Any) -> datetime | None:
    if text is None:
        return None
    if type(text) is not str:
        raise Unreadable("its time is no text")
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Unsure from error
    if time.tzinfo is None:
        raise Unreadable("its time has no zone")
    try:
        is_inside = NOW - PAST - timedelta(seconds=1) < time < NOW + AHEAD + timedelta(seconds=1)
    except OverflowError as error:
        raise Unreadable("its time is no time") from error
    if not is_inside:
        raise Unreadable("its time is outside the window")
    return time
