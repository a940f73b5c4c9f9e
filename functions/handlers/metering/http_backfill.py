"""/api/v1/meters/{idOrSlug}/backfill: count what happened before the meter was there, and see how far that is."""

from typing import Any

from functions.application.metering.meters.fill_meter import Shown, fill_meter, find_backfill
from functions.domain.wire import Instant, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import MeterSlug
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, metering
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()


class BackfillCreate(WireModel):
    event_from: Instant


@routes.post(
    "/api/v1/meters/<id_or_slug>/backfill",
    "Count a meter's history",
    scope=SCOPE_ADMIN,
    answers="Backfill",
    status=202,
    costs="question",
)
def start(request: Request, id_or_slug: MeterSlug, body: BackfillCreate) -> Answer:
    found = fill_meter(
        request.tenant,
        id_or_slug,
        body.event_from,
        meters=metering.meters(),
        histories=metering.ledger(),
        runs=metering.backfill_runs(),
        clock=base.clock(),
    )
    return http.accepted(_shown(found))


@routes.get(
    "/api/v1/meters/<id_or_slug>/backfill",
    "Get the progress of a meter's backfill",
    scope=SCOPE_READ,
    answers="Backfill",
)
def get(request: Request, id_or_slug: MeterSlug) -> Answer:
    found = find_backfill(
        request.tenant,
        id_or_slug,
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
