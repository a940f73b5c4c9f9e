"""Records of one partition in the order of their sort keys, a slice at a time, for lists of any length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.table import MAX_COUNT_ITEMS, MAX_STRETCH_ITEMS, Table
from functions.application.ports.listing import Counted, Entry, Slice
from functions.names import SORT_KEY

Record = TypeVar("Record")


@dataclass(frozen=True)
class Unlisted(Generic[Record]):
    """Records that are kept but not listed: where `mark` is not in what is stored, a record is none of them."""

    mark: str
    is_one: Callable[[Record], bool]


class DynamoListing(Generic[Record]):
    """A position is a sort key, without the `prefix` that all of them have."""

    def __init__(
        self,
        table: Table,
        pk: str,
        read: Callable[[Item], Record],
        *,
        prefix: str = "",
        unlisted: Unlisted[Record] | None = None,
    ) -> None:
        self._table = table
        self._pk = pk
        self._read = read
        self._prefix = prefix
        self._unlisted = unlisted

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[Record]:
        most = min(most, MAX_STRETCH_ITEMS)
        items, end = self._table.read_slice(self._pk, self._prefix, self._key(after), descending=descending, most=most)
        entries = [self._entry(item) for item in items if self._is_listed(item)]
        return Slice(entries, len(items), self._position(end))

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        """The store counts what has no mark; where that is not all, what is stored there has to be looked at."""
        mark = self._unlisted.mark if self._unlisted else None
        start = self._key(after)
        found, seen, end = self._table.count(
            self._pk,
            self._prefix,
            start,
            descending=descending,
            most=min(most, MAX_COUNT_ITEMS),
            unless_body_has=mark,
        )
        if found < seen:
            items, _ = self._table.read_slice(self._pk, self._prefix, start, descending=descending, most=seen)
            found = sum(map(self._is_listed, items))
        return Counted(found, seen, self._position(end))

    def at(self, positions: Sequence[str]) -> Sequence[Record]:
        keys = [f"{self._prefix}{position}" for position in positions]
        stored = {item[SORT_KEY]: item for item in self._table.batch_get([(self._pk, key) for key in keys])}
        return [self._read(stored[key]) for key in keys if key in stored]

    def _entry(self, item: Item) -> Entry[Record]:
        return Entry(item[SORT_KEY][len(self._prefix) :], lambda: self._read(item))

    def _is_listed(self, item: Item) -> bool:
        unlisted = self._unlisted
        return unlisted is None or unlisted.mark not in item["body"] or not unlisted.is_one(self._read(item))

    def _key(self, position: str | None) -> str | None:
        return None if position is None else f"{self._prefix}{position}"

    def _position(self, key: str | None) -> str | None:
        return None if key is None else key[len(self._prefix) :]
