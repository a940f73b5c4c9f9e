"""/api/v1/meters/{idOrSlug}/backfill: count what happened before the meter was there, and see how far that is."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.metering.meters.fill_meter import Shown, fill_meter, find_backfill
from functions.domain.wire import Instant, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


class BackfillRequest(WireModel):
    event_from: Instant


@router.post("/api/v1/meters/<id_or_slug>/backfill")
def start(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    found = fill_meter(
        request.tenant,
        http.path_value(id_or_slug),
        request.body(BackfillRequest).event_from,
        meters=metering.meters(),
        histories=metering.ledger(),
        runs=metering.backfill_runs(),
        clock=base.clock(),
    )
    return http.accepted(_shown(found))


@router.get("/api/v1/meters/<id_or_slug>/backfill")
def get(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    found = find_backfill(
        request.tenant,
        http.path_value(id_or_slug),
        meters=metering.meters(),
        histories=metering.ledger(),
        clock=base.clock(),
    )
    return http.ok(_shown(found))


def _shown(found: Shown) -> dict[str, Any]:
    return http.without_none(
        {
            "status": found.status,
            "eventFrom": found.event_from,
            "startedAt": found.started_at,
            "finishedAt": found.finished_at,
            "done": found.done,
            "total": found.total,
            "reason": found.reason,
        }
    )
