"""A list that is short by its nature and was read as a whole, paged like any other."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from functions.application.ports.listing import Counted, Entry, Slice

Record = TypeVar("Record")


class HeldListing(Generic[Record]):
    """In the order of the positions, which are texts of which no two are alike."""

    def __init__(self, records: Sequence[Record], position_of: Callable[[Record], str]) -> None:
        self._records = {position_of(record): record for record in sorted(records, key=position_of)}

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[Record]:
        positions = self._behind(after, descending)
        taken = positions[:most]
        end = taken[-1] if len(taken) < len(positions) else None
        return Slice([Entry(position, self._reader(position)) for position in taken], len(taken), end)

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        found = self.read_slice(after=after, descending=descending, most=most)
        return Counted(found.looked_at, found.looked_at, found.end)

    def at(self, positions: Sequence[str]) -> Sequence[Record]:
        return [self._records[position] for position in positions if position in self._records]

    def _behind(self, after: str | None, descending: bool) -> list[str]:
        positions = list(reversed(self._records)) if descending else list(self._records)
        if after is None:
            return positions
        return [position for position in positions if (position < after if descending else position > after)]

    def _reader(self, position: str) -> Callable[[], Record]:
        return lambda: self._records[position]
