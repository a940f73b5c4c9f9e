"""/api/v1/archive/queries: questions to the archive, asked now and answered a little later."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from functions.application.analytics import ask_archive
from functions.application.metering.meters.find_meter import find_counting_meter
from functions.domain.analytics.archive_answer import shown_row
from functions.domain.analytics.archive_query import AskedQuery, Kind, Progress, Window
from functions.domain.errors import NotFound
from functions.domain.identity import is_ulid
from functions.domain.wire import Instant, NotEmpty, WireModel
from functions.handlers import settings
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.query_model import RouteQuery, place, whole
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import analytics, base, metering
from functions.names import SCOPE_READ

routes = Routes()

QueryId = Annotated[str, "The `id` that the question was answered with."]

MAX_SUBJECTS = 100
MAX_FILTER_VALUES = 50
MAX_ROWS = 500
MAX_CURSOR = 2_048
TOO_LARGE = "The query would have read more than its byte limit; choose a shorter range."
FAILED = "The query failed on our side; ask again, and name its id when you report it."

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ArchiveQueryCreate(WireModel):
    """`from` and `to` bound event times; `groupBy` and `filterGroupBy` take a meter's dimensions or JSONPaths."""

    query: Kind
    meter: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    period_from: Instant = Field(alias="from")
    period_to: Instant = Field(alias="to")
    subjects: Annotated[tuple[Text, ...], Field(max_length=MAX_SUBJECTS), NotEmpty] = ()
    group_by: Annotated[tuple[Text, ...], Field(max_length=4)] = ()
    filter_group_by: Annotated[
        dict[Text, Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_FILTER_VALUES)]], Field(max_length=3)
    ] = Field(default_factory=dict)
    window_size: Window | None = None


@routes.post(
    "/api/v1/archive/queries", "Ask the archive", scope=SCOPE_READ, answers="ArchiveQuery", status=202, costs="question"
)
def ask(request: Request, body: ArchiveQueryCreate) -> Answer:
    query = ask_archive.ask_archive(
        request.tenant,
        find_counting_meter(request.tenant, body.meter, meters=metering.meters()),
        ask_archive.ArchiveRequest(
            kind=body.query,
            start=body.period_from,
            end=body.period_to,
            subjects=tuple(dict.fromkeys(body.subjects)),
            group_by=tuple(dict.fromkeys(body.group_by)),
            filters=body.filter_group_by,
            window=body.window_size,
        ),
        engine=analytics.engine(),
        asked=analytics.queries(),
        numbers=analytics.numbers(),
        acceptance=_acceptance(),
        budget=settings.archive_budget(),
        clock=base.clock(),
        id_at=analytics.ulid_at,
    )
    return http.accepted(_shown(query) | {"status": Progress.QUEUED, "chargedBytes": query.reserved_bytes})


class AnswerQuery(RouteQuery):
    cursor = place()
    limit = whole("The most rows of one answer.", 100, 1, MAX_ROWS)


@routes.get(
    "/api/v1/archive/queries/<query_id>",
    "Get the answer of the archive",
    scope=SCOPE_READ,
    answers="ArchiveQueryAnswer",
)
def look(request: Request[AnswerQuery], query_id: QueryId) -> Answer:
    if not is_ulid(query_id):
        raise NotFound("There is no such archive query.")
    cursor = request.query.cursor
    if cursor and len(cursor) > MAX_CURSOR:
        raise refused("cursor", "is the nextCursor of an earlier answer of this query.")
    found = ask_archive.look_at_archive_query(
        request.tenant,
        query_id.upper(),
        cursor=cursor,
        limit=request.query.limit,
        engine=analytics.engine(),
        asked=analytics.queries(),
        clock=base.clock(),
    )
    return http.ok(_answered(found))


def _acceptance() -> ask_archive.Acceptance:
    # Accepted at the last moment, an event may still wait in the stream as long as the stream keeps it.
    past = timedelta(days=settings.accept_past_days(), hours=settings.stream_retention_hours())
    return ask_archive.Acceptance(past=past, ahead=timedelta(seconds=settings.accept_ahead_seconds()))


def _shown(query: AskedQuery) -> dict[str, Any]:
    asked = {"id": query.id, "query": query.kind, "createdAt": query.asked_at}
    return asked | {"objectsAtMost": query.requests.objects}


def _answered(found: ask_archive.Answer) -> dict[str, Any]:
    answer = _shown(found.query) | {
        "status": found.look.progress,
        "scannedBytes": found.look.scanned_bytes,
        "chargedBytes": found.charged_bytes,
    }
    if found.look.progress in (Progress.FAILED, Progress.CANCELLED):
        answer["error"] = TOO_LARGE if found.look.is_too_large else FAILED
    if found.page is not None:
        answer["rows"] = [shown_row(found.query, found.page.columns, cells) for cells in found.page.rows]
        answer["nextCursor"] = found.page.cursor
    return http.without_none(answer)
