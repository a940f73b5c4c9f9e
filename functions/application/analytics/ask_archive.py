"""Asking the archive what the counters do not keep, and reading the answer: one query runs, its answer stays a week."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.application.ports.archive_query import ArchiveEngine, AskedQueries, CommitNumbers, Look, ResultPage
from functions.application.ports.clock import Clock
from functions.domain.analytics.archive_budget import (
    GIGABYTE,
    ArchiveBudget,
    Requests,
    begin_of_day,
    charged,
    day_of,
    next_day,
    requests_of,
)
from functions.domain.analytics.archive_query import (
    DIMENSIONS,
    NO_HISTORY,
    ArchiveQuestion,
    AskedQuery,
    Counts,
    Dimension,
    Kind,
    Progress,
    Window,
    parse_path,
    partitions,
)
from functions.domain.errors import FieldError, InvalidInput, NotFound, RateLimited, TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter

KEPT = timedelta(days=7)  # as long as the engine's result is stored
MAX_AN_HOUR = 120  # of one tenant: small questions too cost a function and a place among those that run
# To look at again when bytes are only reserved: questions take seconds.
LOOK_AGAIN_SECONDS = 60
MAX_RANGE = timedelta(days=400)
SUBJECT = "subject"
NEEDS = {Aggregation.COUNT: Counts.EVENTS, Aggregation.UNIQUE_COUNT: Counts.TEXTS}


@dataclass(frozen=True)
class ArchiveRequest:
    """What a caller asks, in the words of the API."""

    kind: Kind
    start: datetime
    end: datetime
    subjects: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] | None = None
    window: Window | None = None


@dataclass(frozen=True)
class Answer:
    """`page` is None until the query succeeded."""

    query: AskedQuery
    look: Look
    page: ResultPage | None = None

    @property
    def charged_bytes(self) -> int:
        """What it takes of the day's budget: all that it may cost, until it is known what it did."""
        if self.look.progress.is_over:
            return charged(self.look.scanned_bytes, self.query.requests)
        return self.query.reserved_bytes


@dataclass(frozen=True)
class Acceptance:
    """How long after and before its time an event may have been archived."""

    past: timedelta
    ahead: timedelta


def ask_archive(
    tenant: str,
    meter: Meter,
    request: ArchiveRequest,
    *,
    engine: ArchiveEngine,
    asked: AskedQueries,
    numbers: CommitNumbers,
    acceptance: Acceptance,
    budget: ArchiveBudget,
    clock: Clock,
    id_at: Callable[[datetime], str],
) -> AskedQuery:
    """Start a query; raises InvalidInput, TooLarge for one that no day has room for, and RateLimited when the tenant
    has asked too much in the last hour or day.

    What the query may cost is reserved before; a process that dies in between leaves it reserved for the day.
    """
    now = clock.now()
    question = _question(tenant, meter, request, acceptance, now)
    if asked.count_since(tenant, id_at(now - timedelta(hours=1)), MAX_AN_HOUR) >= MAX_AN_HOUR:
        message = f"More than {MAX_AN_HOUR} queries of the archive were asked within an hour; try again later."
        raise RateLimited(message, retry_after_seconds=600, code="too_many_archive_queries")
    requests = _requests(question, numbers)
    cost = budget.question + requests.as_bytes
    if cost > budget.day:
        raise _never(question, requests, budget)
    _reserve(tenant, cost, now, engine=engine, asked=asked, budget=budget, id_at=id_at)
    query_id = id_at(now)
    try:
        execution_id = engine.start(question, f"tollbooth-{query_id}")
    except Exception:
        asked.release(tenant, day_of(now), cost)
        raise
    columns = {f"dimension_{n}": each.name for n, each in enumerate(question.dimensions, 1) if each.is_shown}
    if question.by_subject:
        columns[SUBJECT] = SUBJECT
    query = AskedQuery(query_id, tenant, request.kind, execution_id, now, columns, cost, requests)
    asked.add(query, now + KEPT)
    return query


def _requests(question: ArchiveQuestion, numbers: CommitNumbers) -> Requests:
    before, until = numbers.before(question.first_day), numbers.until(question.last_day)
    objects = sum(max(0, last - before.get(lane, 0)) for lane, last in until.items())
    return requests_of(question.first_day, question.last_day, objects)


def _never(question: ArchiveQuestion, requests: Requests, budget: ArchiveBudget) -> TooLarge:
    return TooLarge(
        f"The events may lie in {requests.objects:,} objects of {question.first_day} to {question.last_day}: opening "
        f"them costs as much as reading {_gigabytes(requests.as_bytes)}, beside the {_gigabytes(budget.question)} that "
        f"a question may read, and a day has {_gigabytes(budget.day)}. Choose a shorter range; meters/{{slug}}/query "
        "reads counters.",
        code="archive_question_too_large",
    )


def _gigabytes(size: int) -> str:
    return f"{math.ceil(size / GIGABYTE):,} GB"


def _reserve(
    tenant: str,
    cost: int,
    now: datetime,
    *,
    engine: ArchiveEngine,
    asked: AskedQueries,
    budget: ArchiveBudget,
    id_at: Callable[[datetime], str],
) -> None:
    def is_reserved() -> bool:
        return asked.reserve(tenant, day_of(now), cost, budget.day, now + KEPT)

    if is_reserved():
        return
    # Nobody may have looked at those that ended since.
    open_queries = asked.unsettled(tenant, id_at(begin_of_day(now)))
    running = [query for query in open_queries if not _settled(query, engine.look(query.execution_id), asked)]
    if len(running) < len(open_queries) and is_reserved():
        return
    again = next_day(now)
    sooner = f", or when some of the {len(running)} that are running have ended" if running else ""
    raise RateLimited(
        f"The questions of this tenant may read {_gigabytes(budget.day)} of the archive a day, and less than the "
        f"{_gigabytes(cost)} that this one may cost are left ({_gigabytes(cost - budget.question)} of them for opening "
        f"objects). Ask again at {_instant(again)}{sooner}; shorter ranges cost less, and meters/{{slug}}/query reads "
        "counters.",
        retry_after_seconds=LOOK_AGAIN_SECONDS if running else max(1, math.ceil((again - now).total_seconds())),
        code="archive_budget_spent",
    )


def _settled(query: AskedQuery, look: Look, asked: AskedQueries) -> bool:
    """Charge what a query did cost as soon as that is known."""
    if look.progress.is_over and query.reserved_bytes:
        asked.settle(query, day_of(query.asked_at), charged(look.scanned_bytes, query.requests))
    return look.progress.is_over


def look_at_archive_query(
    tenant: str,
    query_id: str,
    *,
    cursor: str | None,
    limit: int,
    engine: ArchiveEngine,
    asked: AskedQueries,
    clock: Clock,
) -> Answer:
    """How far a query of this tenant is, with a page of rows once it succeeded; raises NotFound."""
    found = look_how_far(tenant, query_id, engine=engine, asked=asked, clock=clock)
    if found.look.progress is not Progress.SUCCEEDED:
        return found
    return replace(found, page=engine.page(found.query.execution_id, cursor, limit))


def look_how_far(tenant: str, query_id: str, *, engine: ArchiveEngine, asked: AskedQueries, clock: Clock) -> Answer:
    """The same without rows; raises NotFound."""
    query = asked.get(tenant, query_id)
    if query is None or clock.now() >= query.asked_at + KEPT:
        raise NotFound(f"There is no archive query {query_id[:40]!r}; answers are kept {KEPT.days} days.")
    look = engine.look(query.execution_id)
    _settled(query, look, asked)
    return Answer(query, look)


def _question(
    tenant: str, meter: Meter, request: ArchiveRequest, acceptance: Acceptance, now: datetime
) -> ArchiveQuestion:
    if not request.start < request.end <= request.start + MAX_RANGE:
        raise _refused("from", f"must lie before `to`, by at most {MAX_RANGE.days} days.")
    if request.kind is not Kind.USAGE and (request.group_by or request.window):
        raise _refused("groupBy", f"and windowSize belong to the query {Kind.USAGE.value!r}.")
    first_day, last_day = partitions(request.start, request.end, now, past=acceptance.past, ahead=acceptance.ahead)
    return ArchiveQuestion(
        kind=request.kind,
        tenant=tenant,
        event_type=meter.event_type,
        start=_instant(request.start),
        end=_instant(request.end),
        first_day=first_day,
        last_day=last_day,
        value=parse_path(meter.value_property, "meter") if meter.value_property else None,
        counts=NEEDS.get(meter.aggregation, Counts.NUMBERS),
        # The two that look around instead of recounting also see what came before the meter.
        since=0 if request.kind in (Kind.USAGE, Kind.SUBJECTS) else meter.since,
        history_from=_history_from(meter),
        subjects=request.subjects,
        by_subject=SUBJECT in request.group_by,
        window=request.window,
        dimensions=_dimensions(meter, request),
    )


def _history_from(meter: Meter) -> str:
    return NO_HISTORY if meter.event_from is None else _instant(datetime.fromtimestamp(meter.event_from, UTC))


def _dimensions(meter: Meter, request: ArchiveRequest) -> tuple[Dimension, ...]:
    found = {name: _dimension(meter, name, "groupBy") for name in request.group_by if name != SUBJECT}
    for name, values in (request.filters or {}).items():
        present = found.get(name) or replace(_dimension(meter, name, "filterGroupBy"), is_shown=False)
        found[name] = replace(present, values=values)
    for path, condition in meter.event_filter.items():
        # Not under the name of a dimension: both hold.
        found[f"event filter {path}"] = Dimension(path, parse_path(path, "meter"), False, _equal_to(path, condition))
    if len(found) > DIMENSIONS:
        mine = f" ({len(meter.event_filter)} of them are the meter's own event filters)" if meter.event_filter else ""
        raise _refused("groupBy", f"and filterGroupBy name at most {DIMENSIONS} dimensions together{mine}.")
    return tuple(found.values())


def _equal_to(path: str, condition: Mapping[str, Any]) -> tuple[str, ...]:
    match condition:
        case {"$eq": str(value)}:
            return (value,)
        case {"$in": values}:
            return tuple(values)
    raise _refused("meter", f"filters its events at {path} by {', '.join(condition)}; the archive takes $eq and $in.")


def _dimension(meter: Meter, name: str, parameter: str) -> Dimension:
    """One of the meter's by name, or any other by its JSONPath."""
    if name not in meter.group_by and not name.startswith("$"):
        known = ", ".join([SUBJECT, *sorted(meter.group_by)])
        raise _refused(parameter, f"takes {known} or a JSONPath such as $.model, not {name[:100]!r}.")
    return Dimension(name, parse_path(meter.group_by.get(name, name), parameter))


def _refused(name: str, message: str) -> InvalidInput:
    sentence = f"{name} {message}"
    return InvalidInput(sentence, fields=[FieldError(name, "invalid_parameter", sentence)])


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
