"""The pages of every list: OpenMeter's by number with a count of all, ours by cursor; both of lists of any length."""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from functions.application.list_records import (
    MAX_SEARCHED,
    NumberedPage,
    page_by_cursor,
    page_by_number,
    page_by_order,
)
from functions.application.ports.listing import Listing
from functions.handlers.edge import http
from functions.handlers.edge.http import Request
from functions.handlers.edge.query_model import ByCursor, Paged, Sorted
from functions.handlers.edge.query_string import refused

Record = TypeVar("Record")
Present = Callable[[Record], Mapping[str, Any]]

FORMAT = b"\x01"
DIGEST_BYTES = 8
MAX_CURSOR_CHARACTERS = 2_000  # a sort key has 1,024 bytes at most


# The order of a store whose keys are ids: they are made in the order in which their records are.
AS_CREATED = ("id", "createdAt", "created_at")


@dataclass(frozen=True)
class Order(Generic[Record]):
    """What a list is sorted by: the order of the store unless there is a key; `name` is the parameter's value."""

    key: Callable[[Record], Any] | None = None
    name: str | None = None


@dataclass(frozen=True)
class Listed(Generic[Record]):
    """All that one list may show."""

    listing: Listing[Record]
    present: Present[Record]
    takes: Callable[[Record], bool] | None = None
    order: Order[Record] = Order()
    descending: bool = False


def order_of(
    request: Request[Sorted], keys: Mapping[str, Callable[[Any], Any]], natural: tuple[str, ...]
) -> Order[Any]:
    """What the list is to be sorted by; `natural` are the names of the order of the store."""
    by = request.query.order_by
    is_asked = request.query.text("orderBy") is not None
    return Order(keys[by], by) if is_asked and by not in natural else Order()


def by_cursor_or_number(request: Request[Paged], listed: Listed[Record]) -> dict[str, Any]:
    """`{items, nextCursor?}` where a cursor or a limit was asked for, else `{items, page, pageSize, totalCount}`."""
    if is_by_cursor(request, ("cursor", "limit")):
        return by_cursor(request, listed)
    page = request.query.numbered
    found = numbered(listed, page.start, page.size)
    wire: dict[str, Any] = {"page": page.number, "pageSize": page.size, "totalCount": found.total}
    if found.is_lower_bound:
        wire["totalCountIsLowerBound"] = True
    return {"items": [listed.present(record) for record in found.items], **wire}


def is_by_cursor(request: Request[Any], names: tuple[str, ...]) -> bool:
    """Whether one of these parameters was sent, be it empty; raises InvalidInput if pages by number were as well."""
    sent = {each.name for each in request.query.given}
    asked = next((name for name in names if name in sent), None)
    other = next((name for name in ("page", "pageSize", "offset") if name in sent), None)
    if asked is not None and other is not None:
        raise refused(other, f"does not go with {asked}: ask for pages by number, or by cursor and limit.")
    return asked is not None


def by_cursor(request: Request[ByCursor], listed: Listed[Record]) -> dict[str, Any]:
    if listed.order.key is not None and listed.order.name is not None:
        remedy = "leave it out for the order of the store, or ask by page and pageSize."
        raise refused("orderBy", f"{listed.order.name} cannot be followed by cursor; {remedy}", "not_by_cursor")
    size = request.query.limit
    found = page_by_cursor(
        listed.listing,
        after=position_in(request),
        size=size,
        descending=listed.descending,
        takes=listed.takes,
    )
    items = [listed.present(record) for record in found.items]
    following = None if found.end is None else cursor_at(request, found.end)
    return http.without_none({"items": items, "nextCursor": following})


def numbered(listed: Listed[Record], start: int, size: int) -> NumberedPage[Record]:
    """Raises InvalidInput for an order that was asked for of more records than can be sorted."""
    listing, descending, takes = listed.listing, listed.descending, listed.takes
    if listed.order.key is not None:
        found = page_by_order(listing, listed.order.key, start=start, size=size, descending=descending, takes=takes)
        if found is not None:
            return found
        if listed.order.name is not None:
            remedy = "leave it out for the order of the store, or go through them by cursor."
            message = f"{listed.order.name} cannot be had of more than {MAX_SEARCHED} records; {remedy}"
            raise refused("orderBy", message, "too_many_to_sort")
    return page_by_number(listing, start=start, size=size, descending=descending, takes=takes)


def cursor_at(request: Request[Any], position: str) -> str:
    """Goes on behind the position, in the answer to the same question."""
    return _cursor(_digest(request), position)


def cursor_into(request: Request[Any], path: str, position: str) -> str:
    """Goes on behind the position in another list of the tenant, of which nothing is asked."""
    asked = [pair for pair in request.query.pairs if pair[0] == "tenant"]
    return _cursor(_digest_of(request.tenant, path, asked), position)


def position_in(request: Request[ByCursor]) -> str | None:
    """None at the beginning; raises InvalidInput for a cursor that was not made for this question of this tenant."""
    cursor = request.query.cursor
    return None if cursor is None else _position(request, cursor)


def _cursor(digest: bytes, position: str) -> str:
    return urlsafe_b64encode(FORMAT + digest + position.encode()).decode().rstrip("=")


def _position(request: Request[Any], cursor: str) -> str:
    made = "is the nextCursor of an earlier answer to the same question: same path, tenant, filters and order."
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = urlsafe_b64decode(padded.encode("ascii")) if len(cursor) <= MAX_CURSOR_CHARACTERS else b""
        head, position = raw[: 1 + DIGEST_BYTES], raw[1 + DIGEST_BYTES :].decode()
    except (ValueError, binascii.Error) as error:
        raise refused("cursor", made) from error
    if head != FORMAT + _digest(request) or not position:
        raise refused("cursor", made)
    return position


def _digest(request: Request[Any]) -> bytes:
    """Of whose list it is and of everything that decides what is in it; the size of a page may change."""
    asked = [pair for pair in request.query.pairs if pair[0] not in ("cursor", "limit", "page", "pageSize")]
    return _digest_of(request.tenant, request.path, asked)


def _digest_of(tenant: str, path: str, asked: Sequence[tuple[str, str]]) -> bytes:
    text = json.dumps([tenant, path, [pair for pair in sorted(asked) if pair[1]]])
    return blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
