"""What counting and reading a meter's history needs of its storage and of who runs the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from functions.domain.metering.ledger.backfill_slots import Slots
    from functions.domain.metering.ledger.history import Backfill, HistoryPart, Status
    from functions.domain.metering.ledger.hour_index import HourEntry
    from functions.domain.metering.meters.meter import MeterSet


class HistoryReader(Protocol):
    """What a meter's history holds. Reads are strongly consistent."""

    def history(
        self, tenant: str, lane: int, subject: str | None, meter_id: str, first_span: int, last_span: int
    ) -> Iterable[HistoryPart]:
        """The parts of a subject, or of the whole lane, in the spans first..last."""
        ...

    def backfill(self, tenant: str, meter_id: str) -> Backfill | None: ...


class HistoryLog(Protocol):
    """What of the lanes' log a worker needs."""

    def hour_index(self, lane: int, newest_hour: int, oldest_hour: int) -> Iterable[HourEntry]: ...

    def oldest_hour(self, lane: int) -> int | None:
        """The first hour that any commit of the lane has events in."""
        ...

    def marked_lanes(self, marker: str) -> dict[int, int]: ...

    def meter_set(self, tenant: str) -> MeterSet: ...


class Histories(HistoryReader, Protocol):
    def put_history(self, parts: Sequence[HistoryPart]) -> None:
        """Write whole parts, over any that were there before."""
        ...

    def begin_backfill(self, backfill: Backfill, before: Backfill | None) -> bool:
        """Write a new run if the stored one is still `before`; False when it is not."""
        ...

    # Of a run that is queued or running; a word of an older run, or of one that has ended, changes nothing.

    def queue_backfill(self, run: Backfill, status: Status, reason: str | None) -> None:
        """It waits, and for what; or it runs."""
        ...

    def plan_backfill(self, run: Backfill, total: int) -> None: ...

    def finish_work(self, run: Backfill, number: int) -> None:
        """Piece `number` of the work is done; saying so twice does not count twice."""
        ...

    def end_backfill(self, run: Backfill, status: Status, at: datetime, reason: str | None = None) -> None: ...


class BackfillSlots(Protocol):
    """The slots of running backfills, under a version; 0 before the first."""

    def load(self) -> tuple[Slots, int]: ...

    def save(self, slots: Slots, version: int) -> bool:
        """False when they were changed since."""
        ...


class BackfillRuns(Protocol):
    def start(self, run: Backfill) -> None:
        """A run already started is left alone; raises Unavailable."""
        ...
