"""Values that were left out beyond those listed one by one: the commit says which lines of its object they are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from functions.application.ports.events import Rejects
from functions.application.ports.ledger import ArchivedEvent, ArchiveReader
from functions.domain.metering.ledger.reject import (
    FurtherRejects,
    Reason,
    StoredReject,
    event_json,
    reject_id,
    time_of,
)
from functions.domain.metering.meters.values import REASONS

DAY = 86_400
MAX_OBJECTS = 10  # opened by a call; each may hold 30 MB
# Their ids name the commit and the line, so that each is found again; the cursor of a list names the last one shown.
_IDENTITY = re.compile(r"more-(\d{8}-\d{3}-\d{12}-\d{4})-(\d+)", re.ASCII)
_PLACE = re.compile(r"00\d{10}\.more\.(\d{8}-\d{3}-\d{12}-\d{4})-(\d+)", re.ASCII)


@dataclass
class Objects:
    """How many one call may still open."""

    left: int = field(default_factory=lambda: MAX_OBJECTS)


class Spent(Exception):
    """A call has opened what it may; the next one goes on behind `position`."""

    def __init__(self, position: str) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True)
class Further:
    """Those of a deployment; raises what the archive raises for an object that is not there."""

    rejects: Rejects
    archive: ArchiveReader

    def of_day(
        self, tenant: str, day: int, first: int, last: int, before: str | None, budget: "Objects"
    ) -> Iterator[StoredReject]:
        """Those of events in the seconds first..last, the latest commit first; `before` is the position of one of them.

        Raises Spent when the budget of objects is.
        """
        date = datetime.fromtimestamp(day * DAY, UTC).date()
        begun = _PLACE.fullmatch(before) if before else None
        if begun and (found := self.rejects.further(tenant, date, begun[1])):
            yield from self._between(tenant, day, found, first, last, int(begun[2]), budget)
        for found in self.rejects.further_of_day(tenant, date, begun[1] if begun else None):
            yield from self._between(tenant, day, found, first, last, 0, budget)

    def _between(
        self, tenant: str, day: int, found: FurtherRejects, first: int, last: int, behind: int, budget: "Objects"
    ) -> Iterator[StoredReject]:
        if not budget.left:
            raise Spent(_position(day, found, behind))
        budget.left -= 1
        for position, kept in self._shown(tenant, day, found):
            if position > behind and first <= time_of(kept.id) <= last:
                yield kept

    def get(self, tenant: str, wanted: str) -> StoredReject | None:
        time, identity, code, meter_id = (*wanted.split("."), "")[:4]
        named = _IDENTITY.fullmatch(identity)
        if named is None:
            return None
        number = int(named[2])
        found = self.rejects.further(tenant, datetime.fromtimestamp(int(time), UTC).date(), named[1])
        for reason in found.reasons if found else ():
            if found and (reason.code, reason.meter_id) == (code, meter_id) and number in reason.lines:
                line = self._lines(tenant, found).get(number)
                kept = _kept(found, reason, number, line) if line else None
                return kept if kept and kept.id == wanted else None
        return None

    def _shown(self, tenant: str, day: int, found: FurtherRejects) -> Iterator[tuple[int, StoredReject]]:
        lines = self._lines(tenant, found)
        named = [(line, reason) for reason in found.reasons for line in reason.lines if line in lines]
        named.sort(key=lambda each: (-lines[each[0]].time_seconds, each[0], each[1].meter_id, each[1].code))
        for position, (line, reason) in enumerate(named, 1):
            yield position, _kept(found, reason, line, lines[line], _position(day, found, position))

    def _lines(self, tenant: str, found: FurtherRejects) -> Mapping[int, ArchivedEvent]:
        """The tenant's own: an object holds the events of all."""
        every = enumerate(self.archive.events(found.lane, found.n, found.decided_hour))
        return {number: line for number, line in every if line.tenant == tenant}


def _position(day: int, found: FurtherRejects, position: int) -> str:
    return f"{day * DAY:012d}.more.{found.name}-{position}"


def is_among_further(cursor: str) -> bool:
    return _PLACE.fullmatch(cursor) is not None


def _kept(found: FurtherRejects, reason: Reason, line: int, event: ArchivedEvent, position: str = "") -> StoredReject:
    return StoredReject(
        id=reject_id(event.time_seconds, f"more-{found.name}-{line}", reason.code, reason.meter_id),
        code=reason.code,
        reason=REASONS.get(reason.code, reason.code),
        received_at=found.received_at,
        is_counted_elsewhere=True,
        event=event_json(event),
        meter_id=reason.meter_id,
        position=position,
    )
