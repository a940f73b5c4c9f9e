"""Which events are asked for: the parameters of v1, the JSON filter of v2, and the cursor between pages."""

import base64
import binascii
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from pydantic import Field

from functions.application.ports.subscriptions import Customers
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.metering.usage.event_filter import (
    FIRST_SECOND,
    LAST_SECOND,
    Batches,
    Bookmark,
    EventFilter,
    Position,
    SecondTest,
)
from functions.domain.metering.values.filter_string import FilterString
from functions.domain.metering.values.filter_time import FilterTime
from functions.domain.metering.values.filters import Predicate
from functions.domain.metering.values.holding import Holding
from functions.domain.wire import Name, WireModel
from functions.handlers.edge import http, json_body
from functions.handlers.edge.query_model import (
    WITHOUT_EFFECT,
    Parameter,
    RouteQuery,
    comma_texts,
    instant,
    json_text,
    place,
    whole,
)
from functions.handlers.edge.query_string import Query, refused
from functions.handlers.metering.usage_request import holdings_of

MAX_EVENTS = 100
MAX_CUSTOMERS = 100
MAX_TEXT = 1_024
MAX_CLIENT_ID = 36
MAX_FILTER_CHARACTERS = 16_000
MAX_CURSOR_CHARACTERS = 6_000  # of 256 lanes
MAX_NUMBER = 10**12  # commits have twelve digits
# As OpenMeter: v1 looks back three days unless told otherwise, and never further than 32.
V1_DEFAULT_HOURS = 72
V1_MAX_DAYS = 32

CustomerIds = Annotated[
    tuple[Name, ...],
    Field(min_length=1, max_length=MAX_CUSTOMERS, alias="$in"),
]


class CustomerIdFilter(WireModel):
    one_of: CustomerIds


class EventsFilter(WireModel):
    """The filter of v2: an event must meet every condition. A field that is left out sets none."""

    id: FilterString | None = None
    source: FilterString | None = None
    subject: FilterString | None = None
    type: FilterString | None = None
    customer_id: CustomerIdFilter | None = None
    time: FilterTime | None = None
    ingested_at: FilterTime | None = None


def _client_id() -> Parameter[None]:
    """It is taken and not used: nothing here reports progress."""

    def read(query: Query, name: str) -> None:
        if len(query.text(name) or "") > MAX_CLIENT_ID:
            raise refused(name, f"has 1 to {MAX_CLIENT_ID} characters.")

    return Parameter(f"1 to {MAX_CLIENT_ID} characters. {WITHOUT_EFFECT}", read)


def _contained(field: str) -> Parameter[str | None]:
    def read(query: Query, name: str) -> str | None:
        found = query.text(name)
        if found is not None and len(found) > MAX_TEXT:
            raise refused(name, f"has at most {MAX_TEXT} characters.")
        return found

    says = f"Only events whose {field} contains this text, in the same case; at most {MAX_TEXT} characters."
    return Parameter(says, read)


class EventsQueryV1(RouteQuery):
    client_id = _client_id()
    ingested_at_from = instant("Only events that arrived then or later; from the beginning unless given.")
    ingested_at_to = instant("Only events that arrived then or earlier; until now unless given.")
    id = _contained("id")
    subject = _contained("subject")
    customer_id = comma_texts(
        f"Only events of the subjects of the customer with this id or key; repeat it up to {MAX_CUSTOMERS} times, or "
        "separate ids and keys by commas, for any of several.",
        MAX_CUSTOMERS,
    )
    from_ = instant(
        f"Only events of this time or later; {V1_DEFAULT_HOURS} hours ago unless given, at most {V1_MAX_DAYS} days "
        "ago. Older ones are in GET /api/v2/events."
    )
    to = instant("Only events of this time or earlier; with no end unless given.")
    cursor = place("As the Link of the answer before has it; none for the newest events.")
    limit = whole("The most events of the answer, newest first.", MAX_EVENTS, 1, MAX_EVENTS)


class EventsQuery(RouteQuery):
    cursor = place()
    limit = whole("The most events of one answer, newest first.", MAX_EVENTS, 1, MAX_EVENTS)
    client_id = _client_id()
    filter = json_text(
        'Conditions that must all hold, as JSON such as `{"type": {"$eq": "prompt"}}`; at most '
        f"{MAX_FILTER_CHARACTERS} characters. All events unless given.",
        EventsFilter,
    )


def v1_filter(query: EventsQueryV1, tenant: str, now: datetime, customers: Customers) -> EventFilter:
    """Raises InvalidInput, and NotFound for a customer that does not exist."""
    query.client_id  # noqa: B018 - raises for one that is too long
    start = query.from_ or now - timedelta(hours=V1_DEFAULT_HOURS)
    if start < now - timedelta(days=V1_MAX_DAYS):
        raise refused("from", f"may be {V1_MAX_DAYS} days ago at most; list older events with GET /api/v2/events.")
    first, last = _bounds("from", math.ceil(start.timestamp()), "to", query.to)
    arrived = query.ingested_at_from
    arrived_first = FIRST_SECOND if arrived is None else math.ceil(arrived.timestamp())
    received_first, received_last = _bounds("ingestedAtFrom", arrived_first, "ingestedAtTo", query.ingested_at_to)
    customer_ids, texts = query.customer_id, (("id", query.id), ("subject", query.subject))
    return EventFilter(
        tenant=tenant,
        first=first,
        last=last,
        received_first=received_first,
        received_last=received_last,
        held=_held_by(tenant, customer_ids, customers) if customer_ids else None,
        texts=tuple((name, _contains(part)) for name, part in texts if part is not None),
    )


def v2_filter(query: EventsQuery, tenant: str, customers: Customers) -> EventFilter:
    """Raises InvalidInput, and NotFound for a customer that does not exist."""
    query.client_id  # noqa: B018 - raises for one that is too long
    asked = _parsed_filter(query.filter)
    texts: list[tuple[str, Predicate]] = []
    for name in ("id", "source", "subject", "type"):
        condition: FilterString | None = getattr(asked, name)
        if condition is not None:
            texts.append((name, condition.predicate()))
    first, last, times = _seconds(asked.time)
    received_first, received_last, arrivals = _seconds(asked.ingested_at)
    return EventFilter(
        tenant=tenant,
        first=first,
        last=last,
        received_first=received_first,
        received_last=received_last,
        named=_exact_subjects(asked),
        held=_held_by(tenant, asked.customer_id.one_of, customers) if asked.customer_id else None,
        texts=tuple(texts),
        times=times,
        arrivals=arrivals,
    )


def _contains(part: str) -> Predicate:
    return lambda text: part in text


def _bounds(first_name: str, first: int, last_name: str, end: datetime | None) -> tuple[int, int]:
    last = LAST_SECOND if end is None else math.floor(end.timestamp())
    if first > last:
        raise refused(first_name, f"must not be after `{last_name}`.")
    return first, last


def _parsed_filter(text: str | None) -> EventsFilter:
    if text is None:
        return EventsFilter()
    if len(text) > MAX_FILTER_CHARACTERS:
        raise refused("filter", f"has at most {MAX_FILTER_CHARACTERS} characters.")
    value = json_body.parse(text.encode("utf-8", "surrogatepass"))
    return http.validated(EventsFilter, value, "filter")


def _seconds(condition: FilterTime | None) -> tuple[int, int, tuple[SecondTest, ...]]:
    if condition is None:
        return FIRST_SECOND, LAST_SECOND, ()
    return *condition.bounds(), (condition.holds,)


def _exact_subjects(asked: EventsFilter) -> frozenset[str] | None:
    """The only subjects whose events can pass, when the filter names them; None when it does not."""
    if asked.subject is not None and asked.subject.eq is not None:
        return frozenset({asked.subject.eq})
    return None if asked.subject is None or asked.subject.one_of is None else frozenset(asked.subject.one_of)


def _held_by(tenant: str, customer_ids: Sequence[str], customers: Customers) -> tuple[Holding, ...]:
    held = holdings_of(tenant, customer_ids, customers)
    return tuple(each for holdings in held.values() for each in holdings)


def write_cursor(mark: Bookmark) -> str:
    """Opaque to clients, and harmless if they make one up: it only says where in their own events to go on."""
    value = mark if mark.batches else mark.after
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).decode().rstrip("=")


def read_cursor(text: str | None) -> Bookmark | None:
    if text is None:
        return None
    try:
        if len(text) <= MAX_CURSOR_CHARACTERS and text.isascii():
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            mark = _mark(raw)
            if (mark.after is None or _is_in_time(mark.after)) and (mark.batches is None or _is_numbered(mark.batches)):
                return mark
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        pass
    raise refused("cursor", "is the nextCursor of an earlier answer.")


def _mark(raw: bytes) -> Bookmark:
    """A list that is in order needs only its position."""
    try:
        return Bookmark(msgspec.msgpack.decode(raw, type=Position))
    except msgspec.ValidationError:
        return msgspec.msgpack.decode(raw, type=Bookmark)


def _is_in_time(position: Position) -> bool:
    return FIRST_SECOND <= position.time <= LAST_SECOND + 1 and 0 <= position.received_at <= LAST_SECOND


def _is_numbered(batches: Batches) -> bool:
    numbers = *batches.read, *batches.read.values(), batches.lane, batches.n, batches.line
    return 0 <= batches.hour <= LAST_SECOND // HOUR_SECONDS and all(0 <= each < MAX_NUMBER for each in numbers)
