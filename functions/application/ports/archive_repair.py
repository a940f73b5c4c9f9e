"""What repairing archived objects needs of their storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from functions.application.ports.ledger import ArchivedEvent
    from functions.domain.metering.ledger.archive_repair import Location
    from functions.domain.metering.ledger.ledger import Reject


class Mended(Protocol):
    """An object as every reader can read it: `aside` are the events whose data lie aside, `lost` the numbers of the
    lines, counted from 1, that are left out.
    """

    @property
    def body(self) -> bytes: ...
    @property
    def lines(self) -> int: ...
    @property
    def aside(self) -> Sequence[ArchivedEvent]: ...
    @property
    def lost(self) -> Sequence[int]: ...


class RepairableArchive(Protocol):
    def keys_of(self, lane: int, day: date, after: str) -> Iterable[str]:
        """The keys of the objects that a lane's commits decided on a day have, in order, behind `after`."""
        ...

    def mended(self, key: str) -> Mended | None:
        """None when there is nothing to mend; raises BrokenObject for what holds no lines at all."""
        ...

    def quarantine(self, key: str) -> None:
        """Keep the object's bytes as they are now."""
        ...

    def replace(self, key: str, mended: Mended) -> None: ...

    def location_of(self, key: str) -> Location: ...


class RejectLog(Protocol):
    def put_rejects(self, rejects: Sequence[Reject]) -> None: ...
