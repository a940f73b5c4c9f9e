"""/api/v1/meters/{idOrSlug}/...: what a meter measured, and whose and which usage it was."""

from datetime import timedelta

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.metering.meters.find_meter import find_counting_meter
from functions.application.metering.usage.query_usage import query_usage
from functions.application.metering.usage.tell_of_history import counted_from
from functions.domain.errors import TooLarge
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.usage.level import until_now
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.event import MAX_SUBJECT_BYTES
from functions.handlers.edge import http, json_body
from functions.handlers.edge.http import Answer
from functions.handlers.edge.query_string import refused
from functions.handlers.metering.usage_csv import usage_csv
from functions.handlers.metering.usage_request import (
    UsageRequest,
    from_body,
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

router = Router()  # type: ignore[no-untyped-call]


@router.get("/api/v1/meters/<id_or_slug>/query")
def query_by_parameters(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return _answer(request, id_or_slug, from_query(request.query))


@router.post("/api/v1/meters/<id_or_slug>/query")
def query_by_body(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return _answer(request, id_or_slug, from_body(request))


def _answer(request: http.Request, id_or_slug: str, asked: UsageRequest) -> Answer:
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


@router.get("/api/v1/meters/<id_or_slug>/subjects")
def list_subjects(id_or_slug: str) -> Answer:
    """All of them, or with `after` (empty at first) a page and a Link to the next one."""
    request = http.Request(router.current_event, SCOPE_READ)
    meter, asked = _meter(request, id_or_slug), request.query
    period_from, period_to = ordered_range(asked.instant("from"), asked.instant("to"))
    after = asked.text_or_empty("after")
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


@router.get("/api/v1/meters/<id_or_slug>/group-by/<key>/values")
def list_group_values(id_or_slug: str, key: str) -> Answer:
    """Of the last 24 hours where no `from` is given; a bare array of all values, or of one page if asked for."""
    request = http.Request(router.current_event, SCOPE_READ)
    meter, asked, dimension = _meter(request, id_or_slug), request.query, http.path_value(key)
    if dimension not in meter.group_by:
        raise unknown_dimension("groupByKey", dimension, meter, ())
    end = asked.instant("to")
    start = asked.instant("from") or (end or base.clock().now()) - DEFAULT_VALUES_RANGE
    period_from, period_to = ordered_range(start, end)
    page = asked.page()
    query = UsageQuery(request.tenant, meter, period_from, period_to)
    values = metering.usage_reader().group_values(query, dimension, MAX_GROUP_VALUES)
    return http.ok(values[page.start : page.start + page.size] if page.was_asked else values)


def _meter(request: http.Request, id_or_slug: str) -> Meter:
    return find_counting_meter(request.tenant, http.path_value(id_or_slug), meters=metering.meters())
