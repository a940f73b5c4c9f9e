"""/api/v1/rejects: events and records that were not counted, with the reason, and their way back into the stream."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from pydantic import Field, StringConstraints

from functions.application.metering.events.list_rejects import MAX_DAYS, RejectFilter, list_rejects
from functions.application.metering.events.replay_rejects import MAX_REPLAYED, Replayed, replay_reject, replay_rejects
from functions.domain.errors import NotFound
from functions.domain.metering.ledger.reject import CODES, REJECT_ID, StoredReject
from functions.domain.wire import Instant, NotEmpty, WireModel
from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import ANY, RouteQuery, instant, place, texts, whole
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

RejectId = Annotated[str, "The `id` of a reject in the list."]

MAX_ITEMS = 100
MAX_CODES = 20
MAX_CODE = 64
MAX_ID = 300

Code = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CODE)]


class ReplayCreate(WireModel):
    """Which rejects to replay; a field that is left out narrows nothing."""

    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")
    code: Annotated[tuple[Code, ...], Field(max_length=MAX_CODES), NotEmpty] = ()
    cursor: Annotated[str, StringConstraints(max_length=MAX_ID)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_REPLAYED)] = MAX_REPLAYED


class RejectQuery(RouteQuery):
    from_ = instant(
        "Only rejects of events of this time or later; unless given, as long before `to` as events are accepted. At "
        f"most {MAX_DAYS} days before `to`."
    )
    to = instant("Only rejects of events of this time or earlier; unless given, as far ahead as events are accepted.")
    code = texts(
        f"Only rejects with this code; {ANY}; at most {MAX_CODES}. One that no reject can have is refused.", MAX_CODES
    )
    cursor = place()
    limit = whole("The most rejects of one answer, newest event first.", MAX_ITEMS, 1, MAX_ITEMS)


@routes.get("/api/v1/rejects", "List rejects", scope=SCOPE_READ, answers="RejectPage")
def list_all(request: Request[RejectQuery]) -> Answer:
    """`from` and `to` are about the time of the event. Without them the whole acceptance window is listed."""
    query = request.query
    page = list_rejects(
        request.tenant,
        _filter(query.from_, query.to, query.code),
        cursor=_cursor(query.cursor),
        limit=query.limit,
        rejects=metering.rejects(),
        further=metering.further_rejects(),
    )
    slugs = _slugs(request.tenant) if any(reject.meter_id for reject in page.items) else {}
    items = [_shown(reject, slugs) for reject in page.items]
    return http.ok(http.without_none({"items": items, "nextCursor": page.cursor}))


@routes.post("/api/v1/rejects/<reject_id>/replay", "Replay a reject", scope=SCOPE_ADMIN, answers="Reject")
def replay(request: Request, reject_id: RejectId) -> Answer:
    """A reject may be replayed again: its event is counted once, however often it comes."""
    if len(reject_id) > MAX_ID or not REJECT_ID.fullmatch(reject_id):
        raise NotFound(f"There is no reject {reject_id[:100]!r}.", code="reject_not_found")
    reject = replay_reject(request.tenant, reject_id, by=request.caller.key_id, ports=metering.replay_ports())
    return http.ok(_shown(reject, {}))


@routes.post("/api/v1/rejects/replay", "Replay rejects", scope=SCOPE_ADMIN, answers="ReplayReport", costs="question")
def replay_many(request: Request, body: ReplayCreate) -> Answer:
    report = replay_rejects(
        request.tenant,
        _filter(body.start, body.end, body.code),
        cursor=_cursor(body.cursor),
        limit=body.limit,
        by=request.caller.key_id,
        ports=metering.replay_ports(),
    )
    return http.ok(_report(report))


def _filter(start: datetime | None, end: datetime | None, codes: tuple[str, ...]) -> RejectFilter:
    end = end or base.clock().now() + timedelta(seconds=settings.accept_ahead_seconds())
    start = start or end - timedelta(days=min(settings.accept_past_days() + 1, MAX_DAYS))
    if not start <= end <= start + timedelta(days=MAX_DAYS):
        raise refused("from", f"must lie before `to`, by at most {MAX_DAYS} days.")
    if unknown := next((each for each in codes if each not in CODES), None):
        raise refused("code", f"is none that a reject has: {unknown[:MAX_CODE]!r}; they are {', '.join(CODES)}.")
    return RejectFilter(start, end, codes)


def _cursor(text: str | None) -> str | None:
    if text is None or (len(text) <= MAX_ID and REJECT_ID.fullmatch(text)):
        return text
    raise refused("cursor", "is the nextCursor of an earlier answer.")


def _slugs(tenant: str) -> dict[str, str]:
    return {meter.id: meter.slug for meter in metering.meters().counting(tenant).meters}


def _shown(reject: StoredReject, slugs: Mapping[str, str]) -> dict[str, Any]:
    return http.without_none(
        {
            "id": reject.id,
            "code": reject.code,
            "reason": reject.reason,
            "receivedAt": datetime.fromtimestamp(reject.received_at, UTC),
            "countedElsewhere": reject.is_counted_elsewhere,
            "meterId": reject.meter_id or None,
            "meterSlug": slugs.get(reject.meter_id),
            "objectKey": reject.object_key or None,
            "event": msgspec.Raw(reject.event) if reject.event else None,
            "replayedAt": datetime.fromtimestamp(reject.replayed_at, UTC) if reject.replayed_at else None,
            "replayedBy": reject.replayed_by or None,
        }
    )


def _report(report: Replayed) -> dict[str, Any]:
    """`refused` cannot be counted by a replay, each for its reason; with a nextCursor there may be more to look at."""
    return http.without_none(
        {
            "replayed": report.replayed,
            "alreadyReplayed": report.already_replayed,
            "countedElsewhere": report.counted_elsewhere,
            "refused": [
                {"id": reject_id, "code": error.code, "message": error.detail} for reject_id, error in report.refused
            ],
            "nextCursor": report.cursor,
        }
    )
