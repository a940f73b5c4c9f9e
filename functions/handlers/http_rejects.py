"""/api/v1/rejects: events and records that were not counted, with the reason."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.list_refusals import MAX_DAYS, list_refusals
from functions.handlers import http, settings, wiring
from functions.handlers.http import Answer
from functions.handlers.query_string import refused
from functions.names import SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

MAX_ITEMS = 100
MAX_CURSOR_BYTES = 1024  # what a sort key holds
CURSOR = re.compile(r"\d{4}-\d{2}-\d{2}/.+", re.ASCII | re.DOTALL)


@router.get("/api/v1/rejects")
def list_all() -> Answer:
    """By the day of the event: from the start of the acceptance window to its end, unless from and to say otherwise."""
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    now = wiring.clock().now()
    end = query.instant("to") or now + timedelta(seconds=settings.accept_ahead_seconds())
    start = query.instant("from") or end - timedelta(days=min(settings.accept_past_days() + 1, MAX_DAYS))
    if not start <= end <= start + timedelta(days=MAX_DAYS):
        raise refused("from", f"must lie before `to`, by at most {MAX_DAYS} days.")
    page = list_refusals(
        request.tenant,
        start,
        end,
        cursor=_cursor(query.text("cursor")),
        limit=query.whole("limit", MAX_ITEMS, 1, MAX_ITEMS),
        refusals=wiring.refusals(),
    )
    return http.ok(http.without_none({"items": [_shown(item) for item in page.items], "nextCursor": page.cursor}))


def _cursor(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        if CURSOR.fullmatch(text) and len(text.encode()) <= MAX_CURSOR_BYTES:
            datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
            return text
    except ValueError:
        pass
    raise refused("cursor", "is the nextCursor of an earlier answer.")


def _shown(item: dict[str, Any]) -> dict[str, Any]:
    return http.without_none(
        {
            "id": item["id"],
            "code": item["code"],
            "reason": item["reason"],
            "receivedAt": datetime.fromtimestamp(item["received_at"], UTC),
            "countedElsewhere": item["is_counted_elsewhere"],
            "objectKey": item["object_key"],
            "event": item["event"],
        }
    )
