"""What a list needs of a store: its records in the order they lie there, a slice at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Record = TypeVar("Record", covariant=True)


@dataclass(frozen=True)
class Entry(Generic[Record]):
    """A stored record: where it lies, and how to read it, which costs far more than passing it by."""

    position: str
    read: Callable[[], Record]


@dataclass(frozen=True)
class Slice(Generic[Record]):
    """What lies in a slice of the store; `end` is the position to go on behind, None behind the last record."""

    entries: Sequence[Entry[Record]]
    looked_at: int
    end: str | None


@dataclass(frozen=True)
class Counted:
    """How many records a slice holds; `looked_at` includes those that are kept but not listed."""

    records: int
    looked_at: int
    end: str | None


class Listing(Protocol[Record]):
    """The records of one kind; each call is a bounded number of reads of the store."""

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[Record]:
        """Looks at `most` records or fewer behind a position, or at the beginning; fewer does not mean the end."""
        ...

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        """The same, without reading what the records say."""
        ...

    def at(self, positions: Sequence[str]) -> Sequence[Record]:
        """The records at these positions, in this order; what is gone is left out."""
        ...
