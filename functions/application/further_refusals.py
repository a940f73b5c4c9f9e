"""Values that were left out beyond those listed one by one: the commit says which lines of its object they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from functions.application.ports.ledger import ArchivedEvent, ArchiveReader
from functions.application.ports.registry import Refusals
from functions.domain.metering.refusal import FurtherRefusals, KeptRefusal, Reason, event_json, refusal_id, time_of

DAY = 86_400
# Their ids name the commit and the line, so that each is found again; the cursor of a list names the last one shown.
_IDENTITY = re.compile(r"more-(\d{8}-\d{3}-\d{12})-(\d+)", re.ASCII)
_PLACE = re.compile(r"00\d{10}\.more\.(\d{8}-\d{3}-\d{12})-(\d+)", re.ASCII)


@dataclass(frozen=True)
class Further:
    """Those of a deployment; raises what the archive raises for an object that is not there."""

    refusals: Refusals
    archive: ArchiveReader

    def of_day(self, tenant: str, day: int, first: int, last: int, before: str | None) -> Iterator[KeptRefusal]:
        """Those of events in the seconds first..last, the latest commit first; `before` is the place of one of them."""
        date = datetime.fromtimestamp(day * DAY, UTC).date()
        begun = _PLACE.fullmatch(before) if before else None
        if begun and (found := self.refusals.further(tenant, date, begun[1])):
            for position, kept in self._shown(day, found):
                if position > int(begun[2]) and first <= time_of(kept.id) <= last:
                    yield kept
        for found in self.refusals.further_of_day(tenant, date, begun[1] if begun else None):
            for _, kept in self._shown(day, found):
                if first <= time_of(kept.id) <= last:
                    yield kept

    def get(self, tenant: str, wanted: str) -> KeptRefusal | None:
        time, identity, code, meter_id = (*wanted.split("."), "")[:4]
        named = _IDENTITY.fullmatch(identity)
        if named is None:
            return None
        found = self.refusals.further(tenant, datetime.fromtimestamp(int(time), UTC).date(), named[1])
        if found is None:
            return None
        for reason in found.reasons:
            if (reason.code, reason.meter_id) == (code, meter_id) and int(named[2]) in reason.lines:
                kept = _kept(found, reason, int(named[2]), self._lines(found)[int(named[2])])
                return kept if kept.id == wanted else None
        return None

    def _shown(self, day: int, found: FurtherRefusals) -> Iterator[tuple[int, KeptRefusal]]:
        lines = self._lines(found)
        every = [(lines[line].time_seconds, line, reason) for reason in found.reasons for line in reason.lines]
        every.sort(key=lambda each: (-each[0], each[1], each[2].meter_id))
        for position, (_, line, reason) in enumerate(every):
            place = f"{day * DAY:012d}.more.{found.name}-{position}"
            yield position, _kept(found, reason, line, lines[line], place)

    def _lines(self, found: FurtherRefusals) -> list[ArchivedEvent]:
        return list(self.archive.events(found.lane, found.n, found.decided_hour))


def is_among_further(cursor: str) -> bool:
    return _PLACE.fullmatch(cursor) is not None


def _kept(found: FurtherRefusals, reason: Reason, line: int, event: ArchivedEvent, place: str = "") -> KeptRefusal:
    return KeptRefusal(
        id=refusal_id(event.time_seconds, f"more-{found.name}-{line}", reason.code, reason.meter_id),
        code=reason.code,
        reason=reason.reason,
        received_at=found.received_at,
        is_counted_elsewhere=True,
        event=event_json(event),
        meter_id=reason.meter_id,
        place=place,
    )
