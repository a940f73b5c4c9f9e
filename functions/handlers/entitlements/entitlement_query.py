"""The query parameters of entitlements and grants, and the lists that they ask for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from functions.application.held_listing import HeldListing
from functions.application.ports.entitlements import GrantOf
from functions.application.ports.listing import Listing
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.metering.values.windows import WindowSize
from functions.domain.period import known_zone
from functions.handlers.edge.http import Request
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor, is_by_cursor, numbered, order_of
from functions.handlers.edge.query_model import (
    ANY,
    Paged,
    RouteQuery,
    Sorted,
    flag,
    instant,
    named,
    sorted_by,
    text,
    texts,
    whole,
)
from functions.handlers.edge.query_string import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, refused

Record = TypeVar("Record")

TYPES = ("metered", "boolean", "static")
WINDOW_SIZES = (WindowSize.MINUTE, WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH)
MAX_NAMED = 100
MAX_OFFSET = 1_000_000

ENTITLEMENT_ORDERS: dict[str, Callable[[Entitlement], Any]] = {
    "createdAt": lambda each: each.created_at,
    "updatedAt": lambda each: each.updated_at,
}
GRANT_ORDERS: dict[str, Callable[[GrantOf], Any]] = {
    "id": lambda each: each.grant.id,
    "createdAt": lambda each: each.grant.created_at,
    "updatedAt": lambda each: each.grant.updated_at,
}


class ValueQuery(RouteQuery):
    time = instant("What is so at this instant, to the minute that follows; now unless given.")


class HistoryQuery(RouteQuery):
    from_ = instant("From this minute on; from the last reset unless given.")
    to = instant("Until this minute; until now unless given.")
    window_size = text(f"Required. One row for every {named(WINDOW_SIZES)} in which something was used.")
    window_time_zone = text("Where windows begin: a name of the IANA time zone database; UTC unless given.")

    @property
    def range(self) -> tuple[datetime | None, datetime | None]:
        """Raises InvalidInput when it holds no time."""
        if self.from_ and self.to and self.from_ >= self.to:
            raise refused("from", "must be before `to`.")
        return self.from_, self.to

    @property
    def size(self) -> WindowSize:
        """Raises InvalidInput."""
        found = next((each for each in WINDOW_SIZES if each == self.window_size), None)
        if found is None:
            raise refused("windowSize", f"is one of {', '.join(WINDOW_SIZES)}.")
        return found

    @property
    def zone(self) -> str:
        """Raises InvalidInput."""
        try:
            return known_zone(self.window_time_zone or "UTC")
        except ValueError as error:
            raise refused("windowTimeZone", f"{error}.") from error


class _OffsetPaged(Sorted, Paged):
    limit = whole("The most of one answer, by cursor or behind an offset.", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    offset = whole("How many to leave out at the beginning, where no page is given.", 0, 0, MAX_OFFSET)


class DeletedQuery(RouteQuery):
    include_deleted = flag("List deleted ones too.")


class CustomerEntitlementsQuery(_OffsetPaged):
    order_by = sorted_by(ENTITLEMENT_ORDERS, "createdAt")
    include_deleted = flag("List deleted ones too.")


class _EntitlementsQuery(_OffsetPaged):
    order_by = sorted_by(ENTITLEMENT_ORDERS, "createdAt")
    feature = texts(f"Only those to the feature with this key; {ANY}.", MAX_NAMED)
    entitlement_type = texts(f"Only those of this type; {ANY}.", among=TYPES)
    exclude_inactive = flag("Leave out those that are not active now.")


class EntitlementsQuery(_EntitlementsQuery):
    customer_keys = texts(f"Only those of the customer with this key; {ANY}.", MAX_NAMED)
    customer_ids = texts(f"Only those of the customer with this id; {ANY}.", MAX_NAMED)


class SubjectEntitlementsQuery(_EntitlementsQuery):
    subject = texts(f"Only those of the customer who has this subject; {ANY}.", MAX_NAMED)


class EntitlementGrantsQuery(_OffsetPaged):
    order_by = sorted_by(GRANT_ORDERS, "createdAt")
    include_deleted = flag("List voided ones too.")


class _GrantsQuery(EntitlementGrantsQuery):
    feature = texts(f"Only grants for the feature with this key; {ANY}.", MAX_NAMED)


class GrantsQuery(_GrantsQuery):
    customer = texts(f"Only grants of the customer with this id or key; {ANY}.", MAX_NAMED)


class SubjectGrantsQuery(_GrantsQuery):
    subject = texts(f"Only grants of the customer who has this subject; {ANY}.", MAX_NAMED)


@dataclass(frozen=True)
class EntitlementFilter:
    """None asks for nothing."""

    now: datetime
    features: Sequence[str] = ()
    types: Sequence[str] = ()
    with_deleted: bool = True
    only_active: bool = False

    def takes(self, entitlement: Entitlement) -> bool:
        return (
            (not self.features or entitlement.feature.key in self.features)
            and (not self.types or entitlement.type in self.types)
            and (self.with_deleted or not entitlement.is_deleted)
            and (not self.only_active or entitlement.is_active_at(self.now))
        )


def held(entitlements: Sequence[Entitlement]) -> HeldListing[Entitlement]:
    return HeldListing(entitlements, lambda each: each.id)


def held_grants(grants: Sequence[GrantOf]) -> HeldListing[GrantOf]:
    return HeldListing(grants, lambda each: each.grant.id)


def paged(request: Request[Any], listed: Listed[Record]) -> dict[str, Any]:
    """`{items, page, pageSize, totalCount}`, or `{items, nextCursor?}` where a cursor is sent, be it empty."""
    if is_by_cursor(request, ("cursor",)):
        return by_cursor(request, listed)
    query = request.query
    if query.numbered.was_asked or (query.text("limit") is None and query.text("offset") is None):
        number, size, start = query.numbered.number, query.numbered.size, query.numbered.start
    else:
        size, start = query.limit, query.offset
        number = start // size + 1
    found = numbered(listed, start, size)
    wire: dict[str, Any] = {"page": number, "pageSize": size, "totalCount": found.total}
    if found.is_lower_bound:
        wire["totalCountIsLowerBound"] = True
    return {"items": [listed.present(record) for record in found.items], **wire}


def bare_or_paged(request: Request[Any], listed: Listed[Record]) -> dict[str, Any] | list[Mapping[str, Any]]:
    """A bare array unless a page or a cursor is asked for, as the first version of the API has it."""
    query = request.query
    if query.numbered.was_asked or is_by_cursor(request, ("cursor",)):
        return paged(request, listed)
    return [listed.present(record) for record in numbered(listed, query.offset, query.limit).items]


def order_listed(
    request: Request[Any],
    listing: Listing[Record],
    present: Callable[[Record], Mapping[str, Any]],
    takes: Callable[[Record], bool] | None,
    orders: Mapping[str, Callable[[Record], Any]],
) -> Listed[Record]:
    return Listed(listing, present, takes, order_of(request, orders, AS_CREATED), request.query.is_descending)
