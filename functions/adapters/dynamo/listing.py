"""Records of one partition in the order of their sort keys, a slice at a time, for lists of any length."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import Condition
from functions.adapters.dynamo.table import MAX_COUNT_ITEMS, MAX_STRETCH_ITEMS, Stretch, Table
from functions.application.ports.listing import Counted, Entry, Slice
from functions.domain.errors import TooLarge
from functions.names import SORT_KEY

Record = TypeVar("Record")

# So many records that the store leaves out cost as much CPU as one that it sends.
LEFT_OUT_FOR_ONE = 25


@dataclass(frozen=True)
class Unlisted(Generic[Record]):
    """Records that are kept but not listed: where `mark` is not in what is stored, a record is none of them."""

    mark: str
    is_one: Callable[[Record], bool]


@dataclass(frozen=True)
class Narrowed:
    """What is asked for, as far as it can be told without reading a record; a reader still has to look.

    `last` is the highest position, `only` what the store sends, and `words` are lower-case texts that the stored body
    holds somewhere, in any case.
    """

    last: str | None = None
    only: Condition | None = None
    words: Sequence[str] = ()

    def may_take(self, item: Item) -> bool:
        if not self.words:
            return True
        body = item["body"].lower()
        return all(word in body for word in self.words)


def said_in_a_body(text: str) -> list[str]:
    """The words that tell whether a stored body may hold a text; none for a text that JSON writes in another way."""
    is_as_it_is = text.isprintable() and not {'"', "\\"} & set(text)
    return [text.lower()] if is_as_it_is else []


def mentioning(table: Table, pk: str, word: str, *, most: int, what: str) -> Iterator[Item]:
    """The items of a partition whose body names an id, key or slug anywhere, fetched as they are consumed.

    Few of them do, and to read one takes longer than to search it. Raises TooLarge when there are more than `most`.
    """
    quoted = f'"{word}"'
    for count, item in enumerate(table.query(pk, limit=most + 1)):
        if count == most:
            raise TooLarge(f"There are more than {most} {what} to look through.")
        if quoted in item["body"]:
            yield item


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
        narrowed: Narrowed = Narrowed(),
    ) -> None:
        self._table = table
        self._pk = pk
        self._read = read
        self._prefix = prefix
        self._unlisted = unlisted
        self._narrowed = narrowed

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[Record]:
        found = self._stretch(after, descending=descending, most=min(most, MAX_STRETCH_ITEMS))
        entries = [self._entry(item) for item in found.items if self._narrowed.may_take(item) and self._is_listed(item)]
        sent = len(found.items)
        left_out = found.looked_at - sent
        return Slice(entries, sent + -(-left_out // LEFT_OUT_FOR_ONE), self._position(found.end))

    def _stretch(self, after: str | None, *, descending: bool, most: int) -> Stretch:
        start, last = self._key(after), self._narrowed.last
        if start is not None and last is not None and start >= last:
            if not descending:
                return Stretch([], 0, None)
            start = None if start > last else start
        return self._table.read_slice(
            self._pk, self._prefix, start, descending=descending, most=most, last=last, only=self._narrowed.only
        )

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        """The store counts what has no mark; where that is not all, those with the mark have to be looked at.

        A narrowed list is not counted: its records have to be looked at.
        """
        assert self._narrowed == Narrowed()
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
            marked = Condition("contains(body, :text)", {":text": mark})
            stretch = self._table.read_slice(
                self._pk, self._prefix, start, descending=descending, most=seen, only=marked
            )
            found += sum(map(self._is_listed, stretch.items))
        return Counted(found, seen, self._position(end))

    def at(self, positions: Sequence[str]) -> Sequence[Record]:
        return [entry.read() for entry in self.entries_at(positions)]

    def entries_at(self, positions: Sequence[str]) -> list[Entry[Record]]:
        keys = [f"{self._prefix}{position}" for position in positions]
        stored = {item[SORT_KEY]: item for item in self._table.batch_get([(self._pk, key) for key in keys])}
        return [self._entry(stored[key]) for key in keys if key in stored]

    def _entry(self, item: Item) -> Entry[Record]:
        return Entry(item[SORT_KEY][len(self._prefix) :], lambda: self._read(item))

    def _is_listed(self, item: Item) -> bool:
        unlisted = self._unlisted
        return unlisted is None or unlisted.mark not in item["body"] or not unlisted.is_one(self._read(item))

    def _key(self, position: str | None) -> str | None:
        return None if position is None else f"{self._prefix}{position}"

    def _position(self, key: str | None) -> str | None:
        return None if key is None else key[len(self._prefix) :]
