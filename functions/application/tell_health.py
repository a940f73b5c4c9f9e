"""How far counting lags behind what lanes have decided, and when anything was counted last."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.ports.health import Progress

# The sweeper finishes what a dead writer left within five minutes; twice that is no hiccup.
BEHIND_SECONDS = 600


@dataclass(frozen=True)
class Health:
    """`counted_age` is the age of the oldest decision that is not in the counters; 0 when all are.

    What lies in the stream and no lane has decided yet is not in it: an old `last_counted_at` while events are sent
    says that.
    """

    counted_age: int
    last_counted_at: int | None

    @property
    def is_behind(self) -> bool:
        return self.counted_age > BEHIND_SECONDS


def tell_health(progress: Progress, lanes: int, now: datetime) -> Health:
    found = progress.of_lanes(lanes)
    waiting = [each.waiting_since for each in found if each.waiting_since is not None]
    counted = [each.counted_at for each in found if each.counted_at is not None]
    age = max(0, int(now.timestamp()) - min(waiting)) if waiting else 0
    return Health(age, max(counted, default=None))
