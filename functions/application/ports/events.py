"""What keeps corrections, and what was not counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from functions.domain.metering.ledger.correction import Correction
    from functions.domain.metering.ledger.reject import FurtherRejects, StoredReject


class Corrections(Protocol):
    """Who took which events back; the process that applies the commit writes what came of it."""

    def add(self, tenant: str, correction: Correction) -> Correction:
        """Keep it unless there is one of the same id; answers the one that is kept."""
        ...

    def newest(self, tenant: str, *, before: str | None, limit: int) -> tuple[Sequence[Correction], str | None]:
        """Newest first, and what continues behind the last one; None when there are no more."""
        ...

    def with_effects(self, tenant: str, corrections: Sequence[Correction]) -> Sequence[Correction]: ...


class Rejects(Protocol):
    def of_day(
        self, tenant: str, day: date, *, first: int, last: int, before: str | None, page_size: int
    ) -> Iterable[StoredReject]:
        """What was refused of that day's events, those of the seconds first..last, newest first.

        `before` is the id of a reject, of this or another day: those behind it. Read as it is consumed.
        """
        ...

    def get(self, tenant: str, reject_id: str) -> StoredReject | None: ...

    def further_of_day(self, tenant: str, day: date, before: str | None) -> Iterable[FurtherRejects]:
        """What commits left uncounted of that day's events beyond the first, by falling name, from below `before`."""
        ...

    def further(self, tenant: str, day: date, name: str) -> FurtherRejects | None: ...

    def mark_replayed(self, tenant: str, reject: StoredReject, at: int, by: str) -> StoredReject:
        """As it is then; one that was refused anew since it was read stays unmarked."""
        ...
