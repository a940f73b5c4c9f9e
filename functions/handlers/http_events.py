"""GET /api/v1/events and /api/v2/events: accepted events as they came, newest first, with what is wrong with them."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.explain_events import Explained, explain_events
from functions.application.list_events import EventPage, Listed
from functions.domain.errors import TooLarge
from functions.domain.metering.readable import is_readable
from functions.handlers import http, wiring
from functions.handlers.events_request import MAX_EVENTS, read_cursor, v1_filter, v2_filter, write_cursor
from functions.handlers.http import Answer
from functions.names import SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@router.get("/api/v1/events")
def list_v1() -> Answer:
    """A bare array; there is no next page, so an answer that would take too long is refused rather than cut."""
    request = http.Request(router.current_event, SCOPE_READ)
    wanted = v1_filter(request.query, request.tenant, wiring.clock().now(), wiring.customers())
    limit = request.query.whole("limit", MAX_EVENTS, 1, MAX_EVENTS)
    page = wiring.event_reader().newest(wanted, limit)
    if page.is_cut:
        raise TooLarge(
            f"Finding {limit} such events takes more reading than one call may do; {len(page.events)} were found. "
            "Choose a shorter from and to, name a customerId, or go page by page with GET /api/v2/events."
        )
    return http.ok(_shown(request.tenant, page))


@router.get("/api/v2/events")
def list_v2() -> Answer:
    """A page may be short, or even empty, and still have a nextCursor: so far one call has searched."""
    request = http.Request(router.current_event, SCOPE_READ)
    wanted = v2_filter(request.query, request.tenant, wiring.customers())
    after = read_cursor(request.query)
    page = wiring.event_reader().newest(wanted, request.query.whole("limit", MAX_EVENTS, 1, MAX_EVENTS), after)
    cursor = write_cursor(page.after) if page.after else None
    return http.ok(http.without_none({"items": _shown(request.tenant, page), "nextCursor": cursor}))


def _shown(tenant: str, page: EventPage) -> list[dict[str, Any]]:
    explained = explain_events(tenant, page.events, meters=wiring.meters(), customers=wiring.customers())
    return [_ingested(each) for each in explained]


def _ingested(explained: Explained) -> dict[str, Any]:
    event = explained.event
    return http.without_none(
        {
            "event": _cloud_event(event),
            "customerId": explained.customer_id,
            "validationError": "\n".join(explained.problems) or None,
            "ingestedAt": _at(event.received_at),
            "storedAt": _at(event.stored_at),
            "voidedAt": _at(event.voided_at) if event.voided_at else None,
            "correctionId": event.correction_id,
        }
    )


def _cloud_event(event: Listed) -> dict[str, Any]:
    """Data and further attributes byte for byte; only white space between them is gone."""
    shown: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": _at(event.time),
    }
    if event.extensions and is_readable(event.extensions):
        shown |= _attributes(event.extensions)
    if not event.data:
        return shown
    if not is_readable(event.data):  # accepted by a version that did not look
        return shown | {"data_base64": b64encode(event.data).decode()}
    return shown | {"data": msgspec.Raw(event.data)}


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
