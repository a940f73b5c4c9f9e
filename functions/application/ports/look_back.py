"""Where the look-backs of lanes are kept for the next process, so that it need not read an hour of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from functions.domain.metering.ledger.look_back import Further, Whole


class KeptLookBack(NamedTuple):
    """The parts in their order, a whole one first; `n` is the commit they lead to, `since` as of the look-back."""

    version: int
    n: int
    since: int
    parts: tuple[str, ...]


class LookBacks(Protocol):
    def find(self, lane: int) -> KeptLookBack | None: ...

    def part(self, name: str) -> Whole | Further | None:
        """None for one that is gone, or that a newer version wrote."""
        ...

    def keep(
        self, lane: int, before: KeptLookBack | None, part: Whole | Further, n: int, since: int
    ) -> KeptLookBack | None:
        """Add a further part, or begin anew with a whole one; None when others have kept something since `before`."""
        ...
