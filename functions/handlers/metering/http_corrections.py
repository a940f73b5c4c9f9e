"""/api/v1/events/corrections: events taken back or replaced, with who did it, when and why."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.application.metering.events.correct_event import Instead, correct_event, list_corrections
from functions.domain.metering.ledger.correction import Correction, EventName
from functions.domain.metering.values.event import MAX_SOURCE_LENGTH, MAX_TEXT_LENGTH
from functions.domain.wire import ExactInstant, Instant, WireModel
from functions.handlers.edge import http, json_body
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import RouteQuery, place, whole
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import metering
from functions.names import SCOPE_ADMIN

routes = Routes()

MAX_ITEMS = 100
MAX_REASON = 500
_CURSOR = re.compile(r"[0-9]{12}\.[0-9a-f]{16}-[0-9]{1,12}", re.ASCII)

Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]


class CorrectedEvent(WireModel):
    """The event, named as GET /api/v1/events shows it."""

    id: Text
    source: Annotated[str, StringConstraints(min_length=1, max_length=MAX_SOURCE_LENGTH)]
    subject: Text
    time: Instant


class CorrectionReplacementCreate(WireModel):
    """What is left out stays as it was; the id is made from the content."""

    id: Text | None = None
    type: Text | None = None
    subject: Text | None = None
    time: ExactInstant | None = None
    data: dict[str, Any]


class CorrectionCreate(WireModel):
    event: CorrectedEvent
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REASON)]
    replacement: CorrectionReplacementCreate | None = Field(default=None)


@routes.post(
    "/api/v1/events/corrections",
    "Void or replace an event",
    scope=SCOPE_ADMIN,
    answers="Correction",
    status=202,
    costs="correction",
)
def correct(request: Request, body: CorrectionCreate) -> Answer:
    """The answer comes before anything is counted anew; the list of corrections tells when it was."""
    correction = correct_event(
        request.tenant,
        EventName(body.event.id, body.event.source, body.event.subject, int(body.event.time.timestamp())),
        body.reason,
        _instead(body.replacement) if body.replacement else None,
        by=request.caller.key_id,
        ports=metering.correction_ports(),
    )
    return http.accepted(_shown(correction))


class CorrectionQuery(RouteQuery):
    cursor = place()
    limit = whole("The most items of one answer; `nextCursor` leads to the next ones.", MAX_ITEMS, 1, MAX_ITEMS)


@routes.get("/api/v1/events/corrections", "List corrections", scope=SCOPE_ADMIN, answers="CorrectionPage")
def list_all(request: Request[CorrectionQuery]) -> Answer:
    cursor = request.query.cursor
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise refused("cursor", "is the nextCursor of an earlier answer.")
    limit = request.query.limit
    page = list_corrections(request.tenant, cursor=cursor, limit=limit, corrections=metering.corrections())
    return http.ok(http.without_none({"items": list(map(_shown, page.items)), "nextCursor": page.cursor}))


def _instead(create: CorrectionReplacementCreate) -> Instead:
    time, micros = (int(create.time.timestamp()), create.time.microsecond) if create.time else (None, 0)
    return Instead(json_body.encode(create.data).encode(), create.id, create.type, create.subject, time, micros)


def _shown(correction: Correction) -> dict[str, Any]:
    event, instead = correction.event, correction.replacement
    shown = {
        "id": correction.id,
        "status": "applied" if correction.effect else "requested",
        "effect": correction.effect,
        "event": {"id": event.id, "source": event.source, "subject": event.subject, "time": _at(event.time)},
        "replacement": {"id": instead.id, "type": instead.type, "subject": instead.subject, "time": _at(instead.time)}
        if instead
        else None,
        "reason": correction.reason,
        "requestedBy": correction.requested_by,
        "requestedAt": _at(correction.requested_at),
        "appliedAt": _at(correction.applied_at) if correction.applied_at else None,
    }
    return http.without_none(shown)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
