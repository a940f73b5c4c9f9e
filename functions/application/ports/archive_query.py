"""What answers questions to the archive, and what remembers who asked which."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from functions.domain.analytics.archive_query import ArchiveQuestion, AskedQuery, Progress

Cell = str | int | Decimal | None


@dataclass(frozen=True)
class Look:
    """How far a query is; `is_too_large` says that it was stopped at the byte limit."""

    progress: Progress
    scanned_bytes: int = 0
    is_too_large: bool = False


@dataclass(frozen=True)
class ResultPage:
    """`cursor` continues behind the last row; None when there is no more."""

    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = field(default_factory=list)
    cursor: str | None = None


class ArchiveEngine(Protocol):
    def start(self, question: ArchiveQuestion, token: str) -> str:
        """The execution's id, the same for the same token; raises InvalidInput for a value it has no room for."""
        ...

    def look(self, execution_id: str) -> Look: ...

    def page(self, execution_id: str, cursor: str | None, limit: int) -> ResultPage:
        """Rows of a query that succeeded, `limit` or one more; raises InvalidInput for a cursor it never gave."""
        ...


class CommitNumbers(Protocol):
    """The numbers of commits by lane. They have no gap, and a commit has at most one object: numbers count objects."""

    def before(self, day: str) -> Mapping[int, int]:
        """Numbers that what was decided on the day or later is above; 0 where nothing is known."""
        ...

    def until(self, day: str) -> Mapping[int, int]:
        """Numbers that nothing decided on the day or earlier is above, but for what is counted while this is asked."""
        ...


class AskedQueries(Protocol):
    def add(self, query: AskedQuery, expires_at: datetime) -> None: ...

    def get(self, tenant: str, query_id: str) -> AskedQuery | None: ...

    def count_since(self, tenant: str, first_id: str, limit: int) -> int:
        """How many queries have an id from `first_id` on; stops counting at `limit`."""
        ...

    def unsettled(self, tenant: str, first_id: str) -> Sequence[AskedQuery]:
        """The queries with an id from `first_id` on that still have bytes reserved."""
        ...

    def reserve(self, tenant: str, day: str, size: int, limit: int, expires_at: datetime) -> bool:
        """Take bytes from the budget of a day; False when less than that is left."""
        ...

    def release(self, tenant: str, day: str, size: int) -> None: ...

    def settle(self, query: AskedQuery, day: str, size: int) -> None:
        """Charge what the query did cost in place of what was reserved; once, however often it is said."""
        ...
