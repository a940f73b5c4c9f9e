"""Repairing archived objects that not every reader can read: what cannot be read lies aside, and nothing is lost.

The bytes go into quarantine first, then what is wrong is listed, then the object is written again. A process that
dies in between leaves an object that is still damaged, and a second try does all of it again without harm.
"""

from collections.abc import Callable, Iterator
from datetime import date

from functions.application.ports.archive_repair import Mended, RejectLog, RepairableArchive
from functions.domain.metering.ledger.archive_repair import MAX_DAMAGED, MAX_NAMED, QUARANTINE, Damage, Location, Repair
from functions.domain.metering.ledger.ledger import HOUR_SECONDS, Reject
from functions.domain.metering.ledger.reject import event_identity
from functions.domain.metering.values.event import Event
from functions.domain.metering.values.lanes import Lanes

UNREADABLE_DATA = "unreadable_data"
UNREADABLE_LINE = "unreadable_line"


class BrokenObject(ValueError):
    """What lies under the key holds no lines."""


class ArchiveRepairer:
    """`operator` is the tenant that hears of lines nobody can say whose they are."""

    def __init__(self, archive: RepairableArchive, rejects: RejectLog, lanes: Lanes, operator: str) -> None:
        self._archive = archive
        self._rejects = rejects
        self._lanes = lanes
        self._operator = operator

    def repair(
        self, lane: int, day: date, *, is_applied: bool, after: str = "", has_time: Callable[[], bool] = lambda: True
    ) -> Repair:
        """Looks at the objects behind the key `after`; changes something only when `is_applied`."""
        result = Repair(lane, day, is_applied)
        for key in self._archive.keys_of(lane, day, after):
            if result.objects and (len(result.damaged) >= MAX_DAMAGED or not has_time()):
                result.next_after = after
                break
            damage = self._repair_object(key, is_applied)
            if damage is not None:
                result.damaged.append(damage)
            result.objects += 1
            after = key
        return result

    def _repair_object(self, key: str, is_applied: bool) -> Damage | None:
        try:
            mended = self._archive.mended(key)
        except BrokenObject as problem:
            return Damage(key, reason=str(problem))
        if mended is None:
            return None
        if is_applied:
            self._archive.quarantine(key)
            self._rejects.put_rejects([*self._unreadable(mended), *self._lost(key, mended)])
            self._archive.replace(key, mended)
        named = tuple((line.tenant, line.id) for line in mended.aside[:MAX_NAMED])
        return Damage(key, mended.lines, len(mended.aside), len(mended.lost), named)

    def _unreadable(self, mended: Mended) -> Iterator[Reject]:
        """The same rejects as the aggregator's, which has listed what it could not read itself."""
        for line in mended.aside:
            fingerprint = self._lanes.fingerprint(line.tenant, line.subject, line.source, line.id)
            time = line.time_seconds
            event = Event(
                fingerprint,
                time,
                line.id,
                line.source,
                line.type,
                line.subject,
                line.raw_data,
                line.raw_extensions,
                line.micros,
            )
            yield Reject(
                line.tenant,
                event_identity(fingerprint, time),
                UNREADABLE_DATA,
                "invalid event: data that were accepted by an earlier version cannot be read by everybody",
                line.received_seconds,
                event,
                is_counted_elsewhere=True,
            )

    def _lost(self, key: str, mended: Mended) -> Iterator[Reject]:
        location = self._archive.location_of(key)
        for number in mended.lost:
            yield Reject(
                self._operator,
                _identity(location, number),
                UNREADABLE_LINE,
                f"Line {number} of {key} says neither whose event it is nor which; its bytes are in the kept object.",
                location.decided_hour * HOUR_SECONDS,
                is_counted_elsewhere=True,
                object_key=f"{QUARANTINE}{key}",
            )


def _identity(location: Location, number: int) -> str:
    return f"{location.lane:03d}-{location.n:012d}-{number}"
