"""POST /api/v1/events: checks the request, sends its events on their way, answers 204.

With ?partial=true the valid events of a batch are taken whatever is wrong with the others, and the answer says which.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from functions import names
from functions.application.ingest_events import ingest_events
from functions.domain.errors import InvalidInput, TollboothError, TooLarge, UnsupportedMedia
from functions.domain.metering.cloudevents import parse_events
from functions.handlers import ingest_partial, log, problem, rate_limits, wiring
from functions.handlers.caller import caller_of

MAX_BODY_BYTES = 4_000_000  # Lambda takes 6 MB, and base64 costs a third
MAX_INFLATED_BYTES = 20_000_000

EVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
GZIP_TYPES = (EVENT, BATCH)
EMPTY = (
    f"invalid event: the body is empty; send one CloudEvent as {EVENT}, such as "
    '{"specversion": "1.0", "id": "1", "source": "my-service", "type": "prompt", "subject": "customer-1", '
    f'"data": {{"tokens": 5}}}}, or an array of them as {BATCH}; {JSON} takes either.'
)


def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    request_id = problem.request_id_of(payload)
    try:
        caller = caller_of(payload)
        caller.require(names.SCOPE_INGEST)
        body = _body(payload)
        rate_limits.charge_ingest(caller, len(body))
        if ingest_partial.is_asked(payload.get("rawQueryString") or ""):
            return ingest_partial.answer(body, caller.tenant)
        now = int(wiring.clock().now().timestamp())
        lanes = wiring.lanes()
        events = parse_events(body, caller.tenant, lanes, wiring.acceptance_window(), now)
        ingest_events(events, caller.tenant, lanes, wiring.event_stream(), wiring.new_id, now, len(body))
    except TollboothError as error:
        return problem.answer(error, request_id)
    except Exception as error:  # the gateway would show the error's type to the caller
        log.unexpected(error, request_id=request_id)
        return problem.answer(error, request_id)
    return {"statusCode": 204}


def _body(payload: Mapping[str, Any]) -> bytes:
    """The JSON of the request, decoded; raises for a type, an encoding or a size that is not taken."""
    headers: Mapping[str, str] = payload.get("headers") or {}
    content_type = headers.get("content-type", "")
    kind = _content_type(content_type)
    text: str = payload.get("body") or ""
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        raise _too_large()
    body = _decode_base64(text) if payload.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass")
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding == "gzip":
        if kind not in GZIP_TYPES:
            raise UnsupportedMedia(f"Content-Encoding gzip is taken with {EVENT} and {BATCH}, not with {kind}.")
        body = _inflate(body)
    elif encoding not in ("", "identity"):
        raise UnsupportedMedia(f"Content-Encoding {encoding[:40]!r} is not supported; send gzip or nothing.")
    first = body.lstrip()[:1]
    if not first:
        raise InvalidInput(EMPTY)
    if kind == EVENT and first == b"[":
        raise InvalidInput(f"invalid event: {EVENT} takes one event; send an array as {BATCH}.")
    if kind == BATCH and first == b"{":
        raise InvalidInput(f"invalid event: {BATCH} takes an array of events; send one event as {EVENT}.")
    return body


def _content_type(header: str) -> str:
    kind, _, parameters = header.partition(";")
    kind = kind.strip().lower()
    if kind not in (EVENT, BATCH, JSON) or parameters.strip().lower() not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise InvalidInput(f"invalid content type: {header[:80] or 'none'}; send {EVENT}, {BATCH} or {JSON}.")
    return kind


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The body is not valid base64.") from error


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise InvalidInput("The body is not valid gzip.") from error
    if inflater.unconsumed_tail:
        raise TooLarge(f"The body inflates to more than {MAX_INFLATED_BYTES} bytes; send the events in several calls.")
    if not inflater.eof:
        raise InvalidInput("The gzip body ends too early.")
    if inflater.unused_data:
        # What is left unread would be lost with a 204.
        raise InvalidInput("Something follows the gzip body; send one gzip member with one JSON document.")
    return inflated


def _too_large() -> TooLarge:
    return TooLarge(f"The body has more than {MAX_BODY_BYTES} bytes; send the events in several calls.")
