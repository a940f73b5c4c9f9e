"""What telling the health of a deployment needs: how far each lane is counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LaneProgress:
    """Epoch seconds: when the newest commit that is applied was decided, and the oldest that is not; None if none."""

    counted_at: int | None = None
    waiting_since: int | None = None


class Progress(Protocol):
    def of_lanes(self, lanes: int) -> Sequence[LaneProgress]: ...
