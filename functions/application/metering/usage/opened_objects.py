"""The archive as one question reads it, or those about one invoice: what is looked at twice is opened once."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import chain

from functions.application.ports.ledger import ArchivedEvent, ArchiveReader
from functions.domain.metering.usage.usage import UsageQuery

KEPT_BYTES = 50_000_000  # of 1 GB: a line keeps all of its unpacked object in memory
LINE_BYTES = 300  # of a line without its data


class OpenedObjects:
    """Keeps of the objects it opens the tenant's lines of that type (None: of all), as far as there is room."""

    def __init__(self, archive: ArchiveReader, tenant: str, event_type: str | None = None, *, room: int) -> None:
        self._archive = archive
        self._tenant, self._type = tenant, event_type
        self._room = room
        self._kept: dict[tuple[int, int], list[ArchivedEvent]] = {}

    @classmethod
    def of_question(cls, archive: ArchiveReader, query: UsageQuery) -> "OpenedObjects":
        """Has room if the question may look at some of them again.

        It does where it ends inside the last half hour of a level, or shows an open range to the minute.
        """
        shows_open_range = query.window is None and None in (query.first_second, query.end_second)
        is_seen_again = not query.is_exact and (query.has_overhang or shows_open_range)
        return cls(archive, query.tenant, query.meter.event_type, room=KEPT_BYTES if is_seen_again else 0)

    def events_of(self, lane: int, newest_first: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        """The lines of those commits, (number, hour it was decided in); of a kept one those that matter."""
        kept = [self._kept[lane, n] for n, _ in newest_first if (lane, n) in self._kept]
        others = [commit for commit in newest_first if (lane, commit[0]) not in self._kept]
        if not kept and self._room <= 0:
            yield from self._archive.events_of(lane, others)
            return
        yield from merge(chain.from_iterable(kept), self._opened(lane, others), key=lambda line: -line.commit)

    def _opened(self, lane: int, newest_first: Sequence[tuple[int, int]]) -> Iterator[ArchivedEvent]:
        if not newest_first:
            return
        opened: dict[tuple[int, int], list[ArchivedEvent]] = {(lane, n): [] for n, _ in newest_first}
        for line in self._archive.events_of(lane, newest_first):
            yield line
            if self._room > 0:
                self._room -= LINE_BYTES + len(line.raw_data)
                if line.tenant == self._tenant and (line.voids or self._type in (None, line.type)):
                    opened[lane, line.commit].append(line)
        if self._room > 0:
            self._kept |= opened
