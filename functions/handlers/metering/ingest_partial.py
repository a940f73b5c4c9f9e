"""?partial=true: the valid events of a batch are sent on their way, and every event hears what became of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from functions.application.metering.ledger.ingest_events import ingest_events
from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.values.cloudevents import Judged, parse_partially
from functions.handlers.edge import answer_size
from functions.handlers.wiring import base, metering

MAX_PARAMETERS = 100
MAX_ERRORS = 5  # of one event
MAX_ID = 256


def is_asked(query: str) -> bool:
    """Raises InvalidInput for a value that is neither true nor false, and for any other parameter."""
    if not query:
        return False
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidInput(f"The query string holds more than {MAX_PARAMETERS} parameters.") from error
    sent = dict(pairs)
    asked = sent.pop("partial", "false")
    if sent:
        # `tenant` too: a key sends events of its own tenant only.
        names = [name[:MAX_ID] for name in sent]
        message = f"{names[0]!r} is not a query parameter of this route. It takes partial."
        raise InvalidInput(message, fields=[FieldError(name, "unknown_parameter", message) for name in names])
    if asked.lower() not in ("true", "false") or len(pairs) > 1:
        message = "partial is either true or false, and given once."
        raise InvalidInput(message, fields=[FieldError("partial", "invalid_parameter", message)])
    return asked.lower() == "true"


def answer(body: bytes, tenant: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """200 once the stream has the valid events; sending all of them again counts none twice."""
    now = int(base.clock().now().timestamp())
    lanes = metering.lanes()
    judged = parse_partially(body, tenant, lanes, metering.acceptance_window(), now)
    events = [each.event for each in judged if each.event is not None]
    if events:
        ingest_events(events, tenant, lanes, metering.event_stream(), base.new_id, now, len(body))
    text = _text(judged, len(events), is_full=True)
    if answer_size.carried_bytes(text) > answer_size.MAX_ANSWER_BYTES:
        text = _text(judged, len(events), is_full=False)
    return {"statusCode": 200, "headers": {"Content-Type": "application/json", **headers}, "body": text}


def _text(judged: Sequence[Judged], accepted: int, *, is_full: bool) -> str:
    """Not `is_full`: the invalid ones only, by their place in the batch, with one error each."""
    results = [_result(index, each, is_full) for index, each in enumerate(judged) if is_full or each.errors]
    counts = {"accepted": accepted, "invalid": len(judged) - accepted}
    return json.dumps({**counts, "results": results}, ensure_ascii=False)


def _result(index: int, judged: Judged, is_full: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": index}
    if is_full and judged.id:
        shown["id"] = judged.id[:MAX_ID]
    if not judged.errors:
        return shown | {"status": "accepted"}
    errors = [{"field": error.field, "code": error.code, "message": error.message} for error in judged.errors]
    shown |= {
        "status": "invalid",
        "code": errors[0]["code"],
        "message": f"{errors[0]['field']}: {errors[0]['message']}",
    }
    return shown | {"errors": errors[:MAX_ERRORS]} if is_full else shown
