"""The body of an ingest request as JSON, in every form it may have: base64, gzip, a byte order mark, binary mode."""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from functions.domain.errors import InvalidInput, TooLarge, UnsupportedMedia
from functions.handlers.edge.media_type import media_type
from functions.handlers.metering import ingest_binary

MAX_BODY_BYTES = 4_000_000  # Lambda takes 6 MB, and base64 costs a third
MAX_INFLATED_BYTES = 20_000_000
MAX_GZIP_MEMBERS = 10_000  # as many as events: shippers put files together that were zipped one by one
INFLATED_AT_ONCE = 65_536  # bytes; what a member leaves of them is copied

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
EMPTY = (
    f"invalid event: the body is empty; send one CloudEvent as {EVENT}, such as "
    '{"specversion": "1.0", "id": "1", "source": "my-service", "type": "prompt", "subject": "customer-1", '
    f'"data": {{"tokens": 5}}}}, or an array of them as {BATCH}; {JSON} takes either.'
)

_GZIP = b"\x1f\x8b"
_REPLACED = "\ufffd".encode()
_MARK = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def size(payload: Mapping[str, Any]) -> int:
    """About how many bytes came."""
    text: str = payload.get("body") or ""
    return len(text) * 3 // 4 if payload.get("isBase64Encoded") else len(text)


def read(payload: Mapping[str, Any]) -> bytes:
    """One event or an array of them; raises for a type, an encoding or a size that is not taken."""
    headers = {name.lower(): value for name, value in (payload.get("headers") or {}).items()}
    content_type = headers.get("content-type", "")
    kind = media_type(content_type)
    is_binary = ingest_binary.is_binary(headers, kind)
    if not is_binary and kind not in (EVENT, BATCH, JSON):
        raise InvalidInput(f"invalid content type: {content_type[:80] or 'none'}; send {EVENT}, {BATCH} or {JSON}.")
    body = _plain(_sent(payload), headers.get("content-encoding", "identity").strip().lower())
    if is_binary:
        return ingest_binary.event_of(headers, content_type, body)
    first = body.lstrip()[:1]
    if not first:
        raise InvalidInput(EMPTY)
    if kind == EVENT and first == b"[":
        raise InvalidInput(f"invalid event: {EVENT} takes one event; send an array as {BATCH}.")
    if kind == BATCH and first == b"{":
        raise InvalidInput(f"invalid event: {BATCH} takes an array of events; send one event as {EVENT}.")
    return body


def _sent(payload: Mapping[str, Any]) -> bytes:
    text: str = payload.get("body") or ""
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise _too_large()
    body = _decode_base64(text) if payload.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass")
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The body is not valid base64.") from error


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding in ("gzip", "x-gzip"):
        body = _inflate(body)
    elif encoding not in ("", "identity"):
        raise UnsupportedMedia(f"Content-Encoding {encoding[:40]!r} is not supported; send gzip or nothing.")
    elif body.startswith(_GZIP) or _is_replaced(body):
        raise UnsupportedMedia(
            f"The body is gzip that no header says: add `Content-Encoding: gzip`, with {EVENT} or {BATCH}."
        )
    if body.startswith(_UTF16):
        raise InvalidInput("invalid event: the body is in UTF-16; send JSON in UTF-8.")
    return body.removeprefix(_MARK)


def _is_replaced(body: bytes) -> bool:
    """Of gzip: a gateway that took the bytes for a text has replaced those that were none."""
    return body[:1] == _GZIP[:1] and body.startswith(_REPLACED, 1)


def _inflate(body: bytes) -> bytes:
    """All members, as gzip itself reads them."""
    if _is_replaced(body):
        raise UnsupportedMedia(
            "The gzip body did not arrive as bytes: its Content-Type is one that gateways take for text. Send gzip as "
            f"{EVENT} or {BATCH}."
        )
    inflated = bytearray()
    view = memoryview(body)
    at = members = 0
    while at < len(body):
        members += 1
        if members > MAX_GZIP_MEMBERS:
            raise TooLarge(f"The body has more than {MAX_GZIP_MEMBERS} gzip members; compress its events together.")
        at = _inflate_member(view, at, inflated)
    return bytes(inflated)


def _inflate_member(view: memoryview, at: int, inflated: bytearray) -> int:
    """Where the next one begins."""
    start, inflater = at, zlib.decompressobj(wbits=31)
    while not inflater.eof:
        some = view[at : at + INFLATED_AT_ONCE]
        if not some:
            raise InvalidInput("The gzip body ends too early.")
        try:
            inflated += inflater.decompress(some, MAX_INFLATED_BYTES + 1 - len(inflated))
        except zlib.error as error:
            what = "The body is not valid gzip." if start == 0 else "Something follows the gzip body that is no gzip."
            raise InvalidInput(what) from error
        if len(inflated) > MAX_INFLATED_BYTES:
            raise TooLarge(
                f"The body inflates to more than {MAX_INFLATED_BYTES} bytes; send the events in several calls."
            )
        at += len(some) - len(inflater.unused_data)
    return at


def _too_large() -> TooLarge:
    return TooLarge(f"The body has more than {MAX_BODY_BYTES} bytes; send the events in several calls.")
