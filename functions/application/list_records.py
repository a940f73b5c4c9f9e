"""One page of a list of any length: by a cursor, or by its number with a count of all; memory and reads are bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from functions.application.ports.listing import Listing
from functions.domain.errors import FieldError, InvalidInput

Record = TypeVar("Record")
Takes = Callable[[Record], bool]

# A page by cursor with a filter looks at this many records at most: about 0.1 s of CPU, 5 MB.
MAX_LOOKED_AT = 5_000
# A page by number with a filter, or in another order, may look at more: who asks for it cannot go on from a part.
MAX_SEARCHED = 100_000
# So many are counted by the store for a page by number: a list of the usual size says exactly how long it is.
MAX_COUNTED = 100_000
# A page by number may begin behind so many: they are counted by the store and cost no memory, 500 reads of 1 MB.
MAX_PASSED = 1_000_000
# Records kept while they are sorted, about 5 MB: a short list is read once, of a long one a page is read again.
MAX_HELD = 1_000
# One read of the store that is filtered; a record is seldom above 2 KB and an answer at most 1 MB.
STRIDE = 1_000


@dataclass(frozen=True)
class CursorPage(Generic[Record]):
    """`end` is the position to go on behind, None when there is nothing more."""

    items: list[Record]
    end: str | None


@dataclass(frozen=True)
class NumberedPage(Generic[Record]):
    items: list[Record]
    total: int
    is_lower_bound: bool = False


def page_by_cursor(
    listing: Listing[Record], *, after: str | None, size: int, descending: bool, takes: Takes[Record] | None = None
) -> CursorPage[Record]:
    """May hold fewer than `size`, even none, and go on all the same: a filter looks at a bounded number of records."""
    found: list[Record] = []
    looked_at, last = 0, after
    while True:
        # One more than is shown tells whether there is a next page.
        most = size + 1 - len(found) if takes is None else STRIDE
        part = listing.read_slice(after=last, descending=descending, most=most)
        for entry in part.entries:
            if len(found) == size:
                return CursorPage(found, last)
            record = entry.read()
            last = entry.position
            if takes is None or takes(record):
                found.append(record)
        looked_at, last = looked_at + part.looked_at, part.end
        if last is None or looked_at >= MAX_LOOKED_AT:
            return CursorPage(found, last)


def page_by_number(
    listing: Listing[Record], *, start: int, size: int, descending: bool, takes: Takes[Record] | None = None
) -> NumberedPage[Record]:
    """In the order of the store.

    Raises InvalidInput for an unfiltered page that begins behind MAX_PASSED records, and for a filtered one that is not
    full when MAX_SEARCHED were looked at.
    """
    if takes is None:
        return _counted_page(listing, start, size, descending)
    return _filtered_page(listing, start, size, descending, takes)


def page_by_order(
    listing: Listing[Record],
    key: Callable[[Record], Any],
    *,
    start: int,
    size: int,
    descending: bool,
    takes: Takes[Record] | None = None,
) -> NumberedPage[Record] | None:
    """In another order, of which only the keys are held; None for more than MAX_SEARCHED: no part tells the order."""
    positions: list[tuple[Any, str]] = []
    held: dict[str, Record] = {}
    looked_at, after = 0, None
    while True:
        part = listing.read_slice(after=after, descending=False, most=_step(looked_at))
        for entry in part.entries:
            record = entry.read()
            if takes is None or takes(record):
                positions.append((key(record), entry.position))
                if len(held) < MAX_HELD:
                    held[entry.position] = record
        looked_at, after = looked_at + part.looked_at, part.end
        if after is None:
            break
        if looked_at > MAX_SEARCHED:
            return None
    positions.sort(reverse=descending)
    shown = [position for _, position in positions[start : start + size]]
    if all(position in held for position in shown):
        return NumberedPage([held[position] for position in shown], len(positions))
    return NumberedPage(list(listing.at(shown)), len(positions))


def _counted_page(listing: Listing[Record], start: int, size: int, descending: bool) -> NumberedPage[Record]:
    passed, looked_at, after = 0, 0, None
    while passed < start:
        counted = listing.count(after=after, descending=descending, most=start - passed)
        passed, looked_at, after = passed + counted.records, looked_at + counted.looked_at, counted.end
        if after is None:
            return NumberedPage([], passed)
        if looked_at >= MAX_PASSED:
            message = f"page begins behind the first {MAX_PASSED} records; go through them with cursor instead."
            raise _refused("too_far", message)
    found: list[Record] = []
    while len(found) < size:
        part = listing.read_slice(after=after, descending=descending, most=size - len(found))
        found += [entry.read() for entry in part.entries]
        looked_at, after = looked_at + part.looked_at, part.end
        if after is None:
            return NumberedPage(found, passed + len(found))
    total = passed + len(found)
    while looked_at <= MAX_COUNTED:
        counted = listing.count(after=after, descending=descending, most=MAX_COUNTED + 1 - looked_at)
        total, looked_at, after = total + counted.records, looked_at + counted.looked_at, counted.end
        if after is None:
            return NumberedPage(found, total)
    return NumberedPage(found, total, is_lower_bound=True)


def _filtered_page(
    listing: Listing[Record], start: int, size: int, descending: bool, takes: Takes[Record]
) -> NumberedPage[Record]:
    found: list[Record] = []
    total, looked_at, after = 0, 0, None
    while True:
        part = listing.read_slice(after=after, descending=descending, most=_step(looked_at))
        for entry in part.entries:
            record = entry.read()
            if takes(record):
                if start <= total < start + size:
                    found.append(record)
                total += 1
        looked_at, after = looked_at + part.looked_at, part.end
        if after is None:
            return NumberedPage(found, total)
        if looked_at > MAX_SEARCHED:
            if len(found) == size:
                return NumberedPage(found, total, is_lower_bound=True)
            message = (
                f"page is not full after a search through {MAX_SEARCHED} records, and there are more; search on with "
                "cursor instead, empty at first, or ask for ids or keys in whole where the list takes them."
            )
            raise _refused("too_many_to_filter", message)


def _step(looked_at: int) -> int:
    """Up to one record more than is looked at: that there is one tells a list that is too long."""
    return min(STRIDE, MAX_SEARCHED + 1 - looked_at)


def _refused(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError("page", code, message)])
