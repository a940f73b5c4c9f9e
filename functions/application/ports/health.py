"""What telling the health of a deployment needs: how far each lane is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class LaneProgress:
    """Epoch seconds: when the newest commit that is applied was decided, and the oldest that is not; None if none.

    `remembered_since`: an event is known again, also with a new time, if it was decided from then on (0: if ever); None
    where nothing was kept of the lane's look-back.
    """

    counted_at: int | None = None
    waiting_since: int | None = None
    remembered_since: int | None = None


class Progress(Protocol):
    def of_lanes(self, lanes: int) -> Sequence[LaneProgress]: ...
