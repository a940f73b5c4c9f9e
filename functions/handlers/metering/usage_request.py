"""A meter query as it is asked, in the query string or in the body, and its answer."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints

from functions.application.metering.usage.query_usage import UsagePage
from functions.application.ports.subscriptions import Customers
from functions.application.subscriptions.find_customer import ids_of_customers
from functions.domain.errors import InvalidInput
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.meters.meter_record import CUSTOMER_ID, RESERVED
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.event import MAX_SUBJECT_BYTES
from functions.domain.metering.values.filter_string import FilterString
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.windows import WindowSize
from functions.domain.wire import Flag, Instant, NotEmpty, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.list_text import require_no_list
from functions.handlers.edge.query_model import (
    RouteQuery,
    flag,
    instant,
    json_value,
    mapping,
    named,
    text,
    text_or_empty,
    texts,
    unused,
)
from functions.handlers.edge.query_string import MAX_JSON_CHARACTERS, refused

MAX_VALUES = 100  # subjects, customers, dimensions and filter values alike
MAX_TEXT = 1024
MAX_ZONE_NAME = 64
MAX_CURSOR = 2_000
WINDOW_SIZES = tuple(WindowSize)

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_VALUES), NotEmpty]
Values = Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_VALUES), NotEmpty]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]


class UsageRequest(WireModel):
    """A question for usage, from the query string or from the body."""

    client_id: Annotated[str, StringConstraints(min_length=1, max_length=36)] | None = None
    period_from: Instant | None = Field(default=None, alias="from")
    period_to: Instant | None = Field(default=None, alias="to")
    window_size: str | None = None
    window_time_zone: Annotated[str, StringConstraints(max_length=MAX_ZONE_NAME)] = "UTC"
    subject: Names | None = None
    filter_customer_id: Names | None = None
    filter_group_by: Annotated[dict[Name, Values], Field(max_length=MAX_VALUES)] | None = None
    group_by: Annotated[tuple[Name, ...], Field(max_length=MAX_VALUES)] | None = None
    advanced_meter_group_by_filters: Annotated[dict[Text, FilterString], Field(max_length=MAX_VALUES)] | None = None
    percentile: Percent | None = None
    exact: Flag = False
    fill_zero: Flag = False
    cursor: Annotated[str, StringConstraints(max_length=MAX_CURSOR)] | None = None


class WindowedQuery(RouteQuery):
    """What is asked of a meter, whosoever usage it is."""

    client_id = unused()
    from_ = instant("Usage at or after this instant, to the second; from the beginning unless given.")
    to = instant("Usage before this instant, to the second; with no end unless given.")
    window_size = text(f"One row for every {named(WindowSize)}; one for the whole range unless given.")
    window_time_zone = text(
        "Where windows begin: a name of the IANA time zone database such as Europe/Berlin; UTC unless given."
    )
    filter_group_by = mapping("By dimension, such as `filterGroupBy[model]=small`; several values mean any of them.")
    advanced_meter_group_by_filters = json_value(
        'Conditions by dimension, as JSON such as `{"model": {"$in": ["small", "large"]}}`; not together with '
        f"`filterGroupBy`; at most {MAX_JSON_CHARACTERS} characters."
    )
    fill_zero = flag("A row of 0 for every group seen in every empty window; needs `windowSize`.")
    percentile = text("0 to 100, for PERCENTILE meters; the meter's own unless given.")

    def request(self, **more: Any) -> UsageRequest:
        """`more` has further fields by their names on the wire."""
        asked = {
            "from": self.from_,
            "to": self.to,
            "windowSize": self.window_size,
            "windowTimeZone": self.window_time_zone or "UTC",
            "filterGroupBy": self.filter_group_by,
            "advancedMeterGroupByFilters": self.advanced_meter_group_by_filters,
            "percentile": self.percentile,
            "fillZero": self.fill_zero,
        }
        return http.validated(UsageRequest, asked | more, "query string")


class MeterUsageQuery(WindowedQuery):
    subject = texts(f"Only usage of this subject; repeat it for up to {MAX_VALUES}, each with rows of its own.")
    filter_customer_id = texts(
        f"Only usage of the customer with this id or key; repeat it for up to {MAX_VALUES}, each with rows of its own."
    )
    group_by = texts(
        "Rows for each value of this: a dimension of the meter, `subject` or, with `filterCustomerId`, "
        f"`customer_id`; repeat it for up to {MAX_VALUES}."
    )
    exact = flag("Count the archived events again, by the dimensions the meter has today.")
    cursor = text_or_empty(
        "With `groupBy=subject`, for more subjects than one answer holds: empty for the first page, then "
        "`nextCursor` of the answer before (CSV: header Tollbooth-Next-Cursor). All at once, or 413, unless given."
    )


def from_query(query: MeterUsageQuery) -> UsageRequest:
    require_no_list("subject", query.subject)
    return query.request(
        subject=query.subject or None,
        filterCustomerId=query.filter_customer_id or None,
        groupBy=query.group_by,
        exact=query.exact,
        cursor=query.cursor,
    )


def resolved(tenant: str, meter: Meter, asked: UsageRequest, customers: Customers) -> UsageQuery:
    """The question in the ledger's words; raises InvalidInput and, for an unknown customer, NotFound."""
    period_from, period_to = ordered_range(asked.period_from, asked.period_to)
    if asked.window_size is not None and asked.window_size not in WINDOW_SIZES:
        raise refused("windowSize", f"is one of {', '.join(WINDOW_SIZES)}.")
    if asked.fill_zero and asked.window_size is None:
        raise refused("fillZero", "needs windowSize.")
    if asked.percentile is not None and meter.aggregation is not Aggregation.PERCENTILE:
        raise refused("percentile", f"is for PERCENTILE meters; {meter.slug} is a {meter.aggregation} meter.")
    _require_time_zone(asked.window_time_zone)
    filters = asked.filter_group_by or {}
    group_by = tuple(dict.fromkeys(asked.group_by or ()))
    advanced = asked.advanced_meter_group_by_filters or {}
    if filters and advanced:
        raise refused("advancedMeterGroupByFilters", "cannot be combined with filterGroupBy.")
    _require_dimensions("filterGroupBy", filters, meter)
    _require_dimensions("advancedMeterGroupByFilters", advanced, meter)
    for name in group_by:
        if name not in meter.group_by and name not in RESERVED:
            raise unknown_dimension("groupBy", name, meter, RESERVED)
    if CUSTOMER_ID in group_by and not asked.filter_customer_id:
        raise refused("groupBy", "customer_id needs filterCustomerId.")
    return UsageQuery(
        tenant=tenant,
        meter=meter,
        period_from=period_from,
        period_to=period_to,
        window=asked.window_size,
        time_zone=asked.window_time_zone,
        subjects=tuple(dict.fromkeys(asked.subject or ())),
        customers=holdings_of(tenant, asked.filter_customer_id or (), customers),
        group_by=group_by,
        filters=filters,
        conditions={name: condition.predicate() for name, condition in advanced.items()},
        percentile=asked.percentile if asked.percentile is not None else meter.percentile,
        is_exact=asked.exact,
        fills_zero=asked.fill_zero,
    )


def ordered_range(period_from: datetime | None, period_to: datetime | None) -> tuple[datetime | None, datetime | None]:
    """The range as it is; raises InvalidInput when it holds no time."""
    if period_from and period_to and period_from >= period_to:
        raise refused("from", "must be before `to`.")
    return period_from, period_to


def _require_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refused("windowTimeZone", "is a name of the IANA time zone database, such as Europe/Berlin.") from error


def _require_dimensions(parameter: str, names: Iterable[str], meter: Meter) -> None:
    for name in names:
        if name not in meter.group_by:
            raise unknown_dimension(parameter, name, meter, ())


def unknown_dimension(parameter: str, name: str, meter: Meter, more: Sequence[str]) -> InvalidInput:
    known = ", ".join([*more, *sorted(meter.group_by)]) or "none"
    return refused(parameter, f"invalid group by: {name[:100]}; the meter knows {known}.")


def holdings_of(tenant: str, ids_or_keys: Sequence[str], customers: Customers) -> Mapping[str, tuple[Holding, ...]]:
    """By id all that each of them ever held, in this order; raises NotFound."""
    ids = ids_of_customers(tenant, ids_or_keys, customers=customers)
    found = customers.holdings(tenant, ids)
    return {each: found[each] for each in ids}


def page_start(query: UsageQuery, cursor: str | None) -> str | None:
    """The subject that the page asked for begins behind: "" for the first page, None where no page is asked for."""
    if not cursor:
        return cursor
    if not query.pages_by_subject:
        raise refused("cursor", "goes with groupBy=subject where neither subject nor filterCustomerId is given.")
    try:
        after = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        if 0 < len(after.encode()) <= MAX_SUBJECT_BYTES:
            return after
    except ValueError:
        pass
    raise refused("cursor", "is empty for the first page, or the nextCursor of an earlier answer.")


def cursor_behind(subject: str | None) -> str | None:
    """Opaque to clients; what is no text of ours at all never comes this far."""
    return None if subject is None else base64.urlsafe_b64encode(subject.encode()).decode().rstrip("=")


def shown(query: UsageQuery, page: UsagePage, *, is_partial: bool, counted_from: datetime | None) -> dict[str, Any]:
    """Values are JSON numbers with all their digits.

    `partial` only while a history is not counted, `countedFrom` only where a deleted meter has older
    usage, `nextCursor` only where more subjects are left.
    """
    return http.without_none(
        {
            "from": query.period_from,
            "to": query.period_to,
            "windowSize": query.window,
            "partial": is_partial or None,
            "countedFrom": counted_from,
            "nextCursor": cursor_behind(page.next_after),
            "data": [_row(row) for row in page.rows],
        }
    )


def _row(row: UsageRow) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "value": _plain(row.value),
        "windowStart": row.window_start,
        "windowEnd": row.window_end,
        "subject": row.subject,
        "groupBy": row.group_by,
    }
    return shown if row.customer_id is None else shown | {"customerId": row.customer_id}


def _plain(value: Decimal) -> Decimal | int:
    """Whole numbers without a point or an exponent."""
    return int(value) if value == value.to_integral_value() else value
