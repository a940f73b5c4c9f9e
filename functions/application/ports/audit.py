"""What auditing the ledger needs of its storage: to read everything, and to keep what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from functions.application.ports.ledger import ArchivedEvent, LedgerReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions.domain.metering.ledger.audit import LaneDay
    from functions.domain.metering.ledger.ledger import Commit, Counts
    from functions.domain.metering.meters.meter import MeterSet


class AuditedLedger(LedgerReader, Protocol):
    def last_commit_number(self, lane: int) -> int: ...

    def commit(self, lane: int, n: int) -> Commit | None: ...

    def commits_from(self, lane: int, n: int) -> Iterable[Commit]:
        """The commits n and later that are stored, in order, as they are consumed."""
        ...

    def tallies(self, lane: int, start: int, end: int) -> Sequence[Counts]:
        """The counts of batches that made no commit and arrived in [start, end)."""
        ...

    def chunk(self, lane: int, bucket: int) -> bytes: ...

    def meter_set(self, tenant: str) -> MeterSet: ...


class AuditedArchive(Protocol):
    def lines_of(
        self, lane: int, commits: Sequence[tuple[int, int]]
    ) -> Iterable[tuple[int, Sequence[ArchivedEvent] | None]]:
        """(commit, its lines) of commits (number, hour it was decided in), in order; None for a missing object."""
        ...


class AuditResults(Protocol):
    def put(self, result: LaneDay) -> None: ...

    def put_begun(self, result: LaneDay) -> bool:
        """Keep an audit that goes on later, or say that it has ended; False if it is too large to be kept."""
        ...

    def begun(self, lane: int, day: str) -> LaneDay | None:
        """The last one that was kept for later, ended or not."""
        ...

    def of_day(self, day: str) -> Sequence[LaneDay]:
        """The latest result of each lane, by lane."""
        ...
