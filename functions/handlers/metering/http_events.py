"""GET /api/v1/events and /api/v2/events: accepted events as they came, newest first, with what is wrong with them."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec

from functions.application.metering.events.explain_events import Explained, explain_events
from functions.application.metering.events.search_events import EventPage, Listed
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.values.readable import is_readable
from functions.handlers.edge import http, json_body
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.routes import Routes
from functions.handlers.metering.events_request import (
    EventsQuery,
    EventsQueryV1,
    read_cursor,
    v1_filter,
    v2_filter,
    write_cursor,
)
from functions.handlers.wiring import base, metering, subscriptions
from functions.names import SCOPE_READ

routes = Routes()

_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


V1 = "/api/v1/events"
MISSING = "Tollbooth-Missing-Batches"  # how many stored batches' events are gone from the archive


@routes.get(V1, "List events", scope=SCOPE_READ, answers="Each[IngestedEvent]")
def list_v1(request: Request[EventsQueryV1]) -> Answer:
    """A bare array, with a Link to the next page if there may be more.

    A page may be short, or even empty, and still have that Link: one call searches only so far.
    """
    query = request.query
    wanted = v1_filter(query, request.tenant, base.clock().now(), subscriptions.customers())
    after = read_cursor(query.cursor)
    page = metering.event_reader().newest(wanted, query.limit, after)
    headers = http.next_link(V1, query, cursor=write_cursor(page.after)) if page.after else {}
    if page.missing:
        headers[MISSING] = str(len(page.missing))
    return http.text_answer(200, "application/json", json_body.encode(_shown(request.tenant, page)), headers)


@routes.get("/api/v2/events", "List events page by page", scope=SCOPE_READ, answers="IngestedEventPage")
def list_v2(request: Request[EventsQuery]) -> Answer:
    """A page may be short, or even empty, and still have a `nextCursor`: one call searches only so far.

    `missing` lists stored batches whose events are gone from the archive: what they held is not in the list.
    """
    wanted = v2_filter(request.query, request.tenant, subscriptions.customers())
    after = read_cursor(request.query.cursor)
    page = metering.event_reader().newest(wanted, request.query.limit, after)
    cursor = write_cursor(page.after) if page.after else None
    missing = [_batch(entry) for entry in page.missing] or None
    items = _shown(request.tenant, page)
    return http.ok(http.without_none({"items": items, "nextCursor": cursor, "missing": missing}))


def _batch(entry: HourEntry) -> dict[str, datetime]:
    return {"from": _at(entry.first), "to": _at(entry.last), "storedAt": _at(entry.decided_at)}


def _shown(tenant: str, page: EventPage) -> list[dict[str, Any]]:
    explained = explain_events(tenant, page.events, meters=metering.meters(), customers=subscriptions.customers())
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
        "time": _at(event.time).replace(microsecond=event.micros),
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
