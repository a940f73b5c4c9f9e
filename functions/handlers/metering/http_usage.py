"""/api/v1/meters/{idOrSlug}/...: what a meter measured, and whose and which usage it was."""

from datetime import timedelta
from typing import Annotated, Any

from functions.application.metering.meters.find_meter import find_counting_meter
from functions.application.metering.usage.query_usage import query_usage
from functions.application.metering.usage.tell_of_history import counted_from
from functions.domain.errors import TooLarge
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.usage.level import until_now
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import MAX_SUBJECT_BYTES
from functions.handlers.edge import http, json_body
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import MeterSlug
from functions.handlers.edge.query_model import (
    Numbered,
    RouteQuery,
    instant,
    page_number,
    page_size_of_page,
    text_or_empty,
)
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.metering.usage_csv import usage_csv
from functions.handlers.metering.usage_request import (
    MeterUsageQuery,
    UsageRequest,
    from_query,
    ordered_range,
    page_start,
    resolved,
    shown,
    unknown_dimension,
)
from functions.handlers.wiring import base, metering, subscriptions
from functions.names import SCOPE_READ

MAX_GROUP_VALUES = 10_000  # a meter has no more groups in a lane
DEFAULT_VALUES_RANGE = timedelta(hours=24)  # OpenMeter's

routes = Routes()

_HALF_HOURS = "The half hour it lies in counts as a whole."

DimensionName = Annotated[str, "The name of one of the meter's dimensions."]


@routes.get(
    "/api/v1/meters/<id_or_slug>/query",
    "Query a meter",
    scope=SCOPE_READ,
    answers="MeterQueryResult",
    fails=(409,),
    is_csv_too=True,
)
def query_by_parameters(request: Request[MeterUsageQuery], id_or_slug: MeterSlug) -> Answer:
    return answer_usage(request, id_or_slug, from_query(request.query))


@routes.post(
    "/api/v1/meters/<id_or_slug>/query",
    "Query a meter with a body",
    scope=SCOPE_READ,
    answers="MeterQueryResult",
    is_csv_too=True,
)
def query_by_body(request: Request, id_or_slug: MeterSlug, body: UsageRequest) -> Answer:
    return answer_usage(request, id_or_slug, body)


def answer_usage(request: Request[Any], id_or_slug: str, asked: UsageRequest) -> Answer:
    if asked.exact:
        request.charge_question()
    now = base.clock().now()
    query = until_now(resolved(request.tenant, _meter(request, id_or_slug), asked, subscriptions.customers()), now)
    reader = metering.usage_reader()
    is_partial = reader.is_partial(query)  # first: what is whole now stays whole
    page = query_usage(reader, query, now, page_start(query, asked.cursor))
    if request.wants_csv:
        return usage_csv(query, page, is_partial=is_partial)
    since = counted_from(query, meters=metering.meters(), reader=reader)
    return http.ok(shown(query, page, is_partial=is_partial, counted_from=since))


class SubjectQuery(RouteQuery):
    from_ = instant(
        f"Only subjects with usage at or after this instant; from the beginning unless given. {_HALF_HOURS}"
    )
    to = instant(f"Only subjects with usage before this instant; with no end unless given. {_HALF_HOURS}")
    after = text_or_empty(
        "Empty for the first page, then as the Link of each answer names it; all at once unless given."
    )


@routes.get("/api/v1/meters/<id_or_slug>/subjects", "List a meter's subjects", scope=SCOPE_READ, answers="Each[str]")
def list_subjects(request: Request[SubjectQuery], id_or_slug: MeterSlug) -> Answer:
    """All of them, or with `after` (empty at first) a page and a Link to the next one."""
    meter, asked = _meter(request, id_or_slug), request.query
    period_from, period_to = ordered_range(asked.from_, asked.to)
    after = asked.after
    if after and len(after.encode()) > MAX_SUBJECT_BYTES:
        raise refused("after", "is the last subject of a page, as the Link of an earlier answer has it.")
    query = UsageQuery(request.tenant, meter, period_from, period_to, group_by=("subject",))
    page = metering.usage_reader().subjects(query, after or "")
    if page.next_after is not None and after is None:
        raise TooLarge(
            "There are too many subjects for one answer; ask page by page, starting with an empty `after` parameter."
        )
    path = f"/api/v1/meters/{meter.slug}/subjects"
    headers = {} if page.next_after is None else http.next_link(path, asked, after=page.next_after)
    return http.text_answer(200, "application/json", json_body.encode(page.subjects), headers)


class GroupValueQuery(Numbered):
    page = page_number("the answer holds all values.")
    page_size = page_size_of_page()
    from_ = instant(f"Only values used at or after this instant; 24 hours before `to` unless given. {_HALF_HOURS}")
    to = instant(f"Only values used before this instant; with no end unless given. {_HALF_HOURS}")


@routes.get(
    "/api/v1/meters/<id_or_slug>/group-by/<key>/values",
    "List values of a meter's group",
    scope=SCOPE_READ,
    answers="Each[str]",
)
def list_group_values(request: Request[GroupValueQuery], id_or_slug: MeterSlug, key: DimensionName) -> Answer:
    """Of the last 24 hours where no `from` is given; a bare array of all values, or of one page if asked for."""
    meter, asked = _meter(request, id_or_slug), request.query
    if key not in meter.group_by:
        raise unknown_dimension("groupByKey", key, meter, ())
    end = asked.to
    start = asked.from_ or (end or base.clock().now()) - DEFAULT_VALUES_RANGE
    period_from, period_to = ordered_range(start, end)
    page = asked.numbered
    query = UsageQuery(request.tenant, meter, period_from, period_to)
    values = metering.usage_reader().group_values(query, key, MAX_GROUP_VALUES)
    return http.ok(values[page.start : page.start + page.size] if page.was_asked else values)


def _meter(request: Request[Any], id_or_slug: str) -> Meter:
    return find_counting_meter(request.tenant, id_or_slug, meters=metering.meters())
