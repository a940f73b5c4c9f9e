"""Which JSON every reader can read: UTF-8, and nested no deeper than a decoder's stack allows wherever it runs."""

import re

import msgspec

# Decoders recurse: how deep they get depends on the Python and on who calls them. No producer of usage comes near it.
MAX_DEPTH = 64

_NO_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[^][{}"]+', re.DOTALL)
_decode = msgspec.json.Decoder().decode


def is_too_deep(raw: bytes) -> bool:
    """Are objects and arrays nested deeper than MAX_DEPTH, the outermost one counted?"""
    if raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _NO_BRACKETS.sub(b"", raw):
        depth += 1 if bracket in b"{[" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def is_readable(raw: bytes) -> bool:
    """Can whoever gets these bytes read them as JSON?"""
    if is_too_deep(raw):
        return False
    try:
        raw.decode()
        _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
