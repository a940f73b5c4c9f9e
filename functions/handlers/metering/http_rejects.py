"""/api/v1/rejects: events and records that were not counted, with the reason, and their way back into the stream."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field, StringConstraints

from functions.application.metering.events.list_rejects import MAX_DAYS, RefusalFilter, list_refusals
from functions.application.metering.events.replay_rejects import MAX_REPLAYED, Replayed, replay_refusal, replay_refusals
from functions.domain.errors import NotFound
from functions.domain.metering.ledger.reject import CODES, REFUSAL_ID, KeptRefusal
from functions.domain.wire import Instant, NotEmpty, WireModel
from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.query_string import refused
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

MAX_ITEMS = 100
MAX_CODES = 20
MAX_CODE = 64
MAX_ID = 300

Code = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CODE)]


class ReplayRequest(WireModel):
    """Which to replay; what is left out asks for all."""

    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")
    code: Annotated[tuple[Code, ...], Field(max_length=MAX_CODES), NotEmpty] = ()
    cursor: Annotated[str, StringConstraints(max_length=MAX_ID)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_REPLAYED)] = MAX_REPLAYED


@router.get("/api/v1/rejects")
def list_all() -> Answer:
    """By the time of the event: the acceptance window from its start to its end, unless from and to say otherwise."""
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    page = list_refusals(
        request.tenant,
        _filter(query.instant("from"), query.instant("to"), query.texts("code", MAX_CODES)),
        cursor=_cursor(query.text("cursor")),
        limit=query.whole("limit", MAX_ITEMS, 1, MAX_ITEMS),
        refusals=metering.refusals(),
        further=metering.further_refusals(),
    )
    slugs = _slugs(request.tenant) if any(refusal.meter_id for refusal in page.items) else {}
    items = [_shown(refusal, slugs) for refusal in page.items]
    return http.ok(http.without_none({"items": items, "nextCursor": page.cursor}))


@router.post("/api/v1/rejects/<reject_id>/replay")
def replay(reject_id: str) -> Answer:
    """Also of one that was replayed before: the ledger counts an event once however often it comes."""
    request = http.Request(router.current_event, SCOPE_ADMIN)
    found = http.path_value(reject_id)
    if len(found) > MAX_ID or not REFUSAL_ID.fullmatch(found):
        raise NotFound(f"There is no reject {found[:100]!r}.", code="reject_not_found")
    refusal = replay_refusal(request.tenant, found, by=request.caller.key_id, ports=metering.replay_ports())
    return http.ok(_shown(refusal, {}))


@router.post("/api/v1/rejects/replay")
def replay_many() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wish = request.body(ReplayRequest)
    report = replay_refusals(
        request.tenant,
        _filter(wish.start, wish.end, wish.code),
        cursor=_cursor(wish.cursor),
        limit=wish.limit,
        by=request.caller.key_id,
        ports=metering.replay_ports(),
    )
    return http.ok(_report(report))


def _filter(start: datetime | None, end: datetime | None, codes: tuple[str, ...]) -> RefusalFilter:
    end = end or base.clock().now() + timedelta(seconds=settings.accept_ahead_seconds())
    start = start or end - timedelta(days=min(settings.accept_past_days() + 1, MAX_DAYS))
    if not start <= end <= start + timedelta(days=MAX_DAYS):
        raise refused("from", f"must lie before `to`, by at most {MAX_DAYS} days.")
    if unknown := next((each for each in codes if each not in CODES), None):
        raise refused("code", f"is none that a reject has: {unknown[:MAX_CODE]!r}; they are {', '.join(CODES)}.")
    return RefusalFilter(start, end, codes)


def _cursor(text: str | None) -> str | None:
    if text is None or (len(text) <= MAX_ID and REFUSAL_ID.fullmatch(text)):
        return text
    raise refused("cursor", "is the nextCursor of an earlier answer.")


def _slugs(tenant: str) -> dict[str, str]:
    return {meter.id: meter.slug for meter in metering.meters().counting(tenant).meters}


def _shown(refusal: KeptRefusal, slugs: Mapping[str, str]) -> dict[str, Any]:
    return http.without_none(
        {
            "id": refusal.id,
            "code": refusal.code,
            "reason": refusal.reason,
            "receivedAt": datetime.fromtimestamp(refusal.received_at, UTC),
            "countedElsewhere": refusal.is_counted_elsewhere,
            "meterId": refusal.meter_id or None,
            "meterSlug": slugs.get(refusal.meter_id),
            "objectKey": refusal.object_key or None,
            "event": msgspec.Raw(refusal.event) if refusal.event else None,
            "replayedAt": datetime.fromtimestamp(refusal.replayed_at, UTC) if refusal.replayed_at else None,
            "replayedBy": refusal.replayed_by or None,
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
                {"id": refusal_id, "code": error.code, "message": error.detail} for refusal_id, error in report.refused
            ],
            "nextCursor": report.cursor,
        }
    )
