"""What was read, given again: as long as there is room, and for as long as somebody holds the memo."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")


class Memo:
    """Keeps what was read to its end. What comes when the room of so many bytes is used up passes through."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: dict[Hashable, list[Any]] = {}

    def once(
        self, key: Hashable, read: Callable[[], Iterable[Item]], bytes_of: Callable[[Item], int]
    ) -> Iterator[Item]:
        kept = self._kept.get(key)
        return self._reading(key, read(), bytes_of) if kept is None else iter(kept)

    def _reading(self, key: Hashable, items: Iterable[Item], bytes_of: Callable[[Item], int]) -> Iterator[Item]:
        taken: list[Item] = []
        for item in items:
            if self._room > 0:
                self._room -= bytes_of(item)
                taken.append(item)
            yield item
        if self._room > 0:
            self._kept[key] = taken
