"""The JSON that every reader of an event can read, for ever: how deep, how long its numbers, each name once, UTF-8.

Readers are ours, Python's, JavaScript's, DuckDB and Athena. What one of them refuses, takes for infinity or understands
in another way than the others is not taken.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

# Levels of arrays and objects, of which an event's `data` is the first. DuckDB's reader ends at 128.
MAX_DEPTH = 64
# Whole numbers of 309 digits are infinite for a reader of doubles; Jackson ends at 1,000 characters, Python at 4,300.
MAX_NUMBER_LENGTH = 300
MIN_EXPONENT = -308  # as written; smaller numbers are zero for some and not for others
MAX_EXPONENT = 999  # of zeros: other numbers are infinite before, and what has 19 digits is no Decimal
MAX_LOOK_BYTES = 100_000  # decoded at a time: objects take up to twenty times the memory of their JSON

_encode = msgspec.json.Encoder().encode

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
USUAL_NUMBER_LENGTH = 100  # with an exponent of two digits it is finite
_ODD_NUMBER = re.compile(rb"[-+.0-9eE]{%d,}|[-.0-9]++[eE][-+]?[0-9]{3,}" % USUAL_NUMBER_LENGTH)
_PLACE = re.compile(r"\(byte ([0-9]{1,10})\)\Z")
_NO_NUMBER = re.compile(rb"(?:NaN|Infinity)\s*(?:[,}\]]|\Z)")
_LONG_EXPONENT = re.compile(r"e[-+]?[0-9]{3}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_INTEGER = b"0" * MAX_NUMBER_LENGTH


class Unreadable(Exception):
    """Why some reader could not read this JSON."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def is_deeper(text: bytes, levels: int) -> bool:
    """Whether more arrays and objects than that lie in each other; no matter of text whose brackets do not match."""
    if text.count(b"[") + text.count(b"{") <= levels:
        return False
    brackets = _STRING.sub(b"", text).translate(_ONE_KIND, _NO_BRACKETS)
    for _ in range(levels):
        # Empty brackets are removed, and one level with them.
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def not_json(error: Exception, text: bytes) -> str:
    """What the parser says of a text, with the remedy where it stumbled over NaN or Infinity, as Python writes them."""
    place = _PLACE.search(str(error))
    # Of -Infinity it names the letter behind the sign.
    if place and _NO_NUMBER.match(text, int(place[1])):
        return f"{error}; NaN and Infinity are not JSON: send null or leave the property out"
    return str(error)


def suspects(objects: Sequence[bytes]) -> Iterator[int]:
    """Where among JSON objects some are that may be unreadable; all others are readable."""
    if sum(map(len, objects)) <= MAX_LOOK_BYTES and _are_readable(objects):
        return
    waiting = [(0, len(objects))]
    while waiting:
        start, end = waiting.pop()
        some = objects[start:end]
        is_one = end - start == 1
        if (is_one or sum(map(len, some)) <= MAX_LOOK_BYTES) and _are_readable(some):
            continue
        if is_one:
            yield start
        else:
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]


def check(text: bytes) -> None:
    """Raises Unreadable; `text` is a JSON object but for its UTF-8, its depth and its numbers."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(error.start) from error
    if is_deeper(text, MAX_DEPTH):
        raise too_deep()
    for number in _ODD_NUMBER.findall(_STRING.sub(b"", text)):
        _check_number(number.decode())
    json.loads(text, object_pairs_hook=_check_names)


def not_utf8(position: int) -> Unreadable:
    return Unreadable("invalid_utf8", f"byte {position} of it is not UTF-8; send JSON in UTF-8")


def too_deep() -> Unreadable:
    return Unreadable(
        "too_deep", f"has more than {MAX_DEPTH} arrays and objects in each other, data itself included; send it flatter"
    )


class _Reader:
    """Decodes objects, and keeps the numbers with a point or an exponent as they are written."""

    def __init__(self) -> None:
        self.numbers: list[str] = []
        self.decode = msgspec.json.Decoder(list[dict[str, Any]], float_hook=self.numbers.append).decode


_idle_readers: list[_Reader] = []  # making one costs more than reading an event


def _are_readable(objects: Sequence[bytes]) -> bool:
    """False also for some that are: it reads all of them at once, and looks no closer."""
    joined = b"[%b]" % b",".join(filter(None, objects))
    try:
        reader = _idle_readers.pop()
    except IndexError:
        reader = _Reader()
    try:
        read = reader.decode(joined)
        if reader.numbers and not _are_usual(reader.numbers):
            return False
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    finally:
        reader.numbers.clear()
        _idle_readers.append(reader)
    longest = max(map(len, objects), default=0)
    if longest > 2 * MAX_DEPTH:
        crowded = [text for text in objects if text.count(b"{") + text.count(b"[") > MAX_DEPTH]
        if any(is_deeper(text, MAX_DEPTH) for text in crowded):
            return False
    # A name that comes twice is read once. Colons in names and values are the same in both, unless one was escaped.
    colons = joined.count(b":")
    if sum(map(len, read)) != colons and (
        (b"\\" in joined and b"\\u003" in joined) or _encode(read).count(b":") != colons
    ):
        return False
    return longest <= MAX_NUMBER_LENGTH or _LONG_INTEGER not in joined.translate(_DIGITS)


def _are_usual(numbers: list[str]) -> bool:
    if max(map(len, numbers)) > USUAL_NUMBER_LENGTH:
        return False
    return not _LONG_EXPONENT.search(",".join(numbers).lower())


def _check_number(text: str) -> None:
    if len(text) > MAX_NUMBER_LENGTH:
        raise Unreadable(
            "number_too_long",
            f"the number {text[:20]}... has {len(text)} characters; send at most {MAX_NUMBER_LENGTH}, or a text",
        )
    exponent = int(text.lower().partition("e")[2] or 0)
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT or math.isinf(float(text)):
        raise Unreadable(
            "number_out_of_range",
            f"the number {text[:40]} lies beyond what a double holds (1e{MIN_EXPONENT} to 1.79e308); send it as a text",
        )


def _check_names(members: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in members:
        if name in names:
            raise Unreadable(
                "duplicate_key",
                f"has the name {name[:100]!r} twice in one object, and readers differ in which one counts",
            )
        names.add(name)
