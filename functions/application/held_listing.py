"""A list that is short by its nature and was read as a whole, paged like any other."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from functions.application.ports.listing import Counted, Entry, Slice

Record = TypeVar("Record")


class HeldListing(Generic[Record]):
    """In the order of the places, which are texts of which no two are alike."""

    def __init__(self, records: Sequence[Record], place_of: Callable[[Record], str]) -> None:
        self._records = {place_of(record): record for record in sorted(records, key=place_of)}

    def read_slice(self, *, after: str | None, descending: bool, most: int) -> Slice[Record]:
        places = self._behind(after, descending)
        taken = places[:most]
        end = taken[-1] if len(taken) < len(places) else None
        return Slice([Entry(place, self._reader(place)) for place in taken], len(taken), end)

    def count(self, *, after: str | None, descending: bool, most: int) -> Counted:
        found = self.read_slice(after=after, descending=descending, most=most)
        return Counted(found.looked_at, found.looked_at, found.end)

    def at(self, places: Sequence[str]) -> Sequence[Record]:
        return [self._records[place] for place in places if place in self._records]

    def _behind(self, after: str | None, descending: bool) -> list[str]:
        places = list(reversed(self._records)) if descending else list(self._records)
        if after is None:
            return places
        return [place for place in places if (place < after if descending else place > after)]

    def _reader(self, place: str) -> Callable[[], Record]:
        return lambda: self._records[place]
