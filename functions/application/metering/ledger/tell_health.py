"""How far counting lags behind what lanes have decided, and when anything was counted last."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.metering.ledger.recall_lane import LEAST_SECONDS
from functions.application.metering.ledger.tell_lag import LEFT_SECONDS
from functions.application.ports.health import LaneProgress, Progress

# The sweeper finishes what a dead writer left within five minutes; twice that is no hiccup.
BEHIND_SECONDS = 600


@dataclass(frozen=True)
class Health:
    """`counted_age` is the age of the oldest decision that is not in the stored counters; 0 while its writer may still
    write it, as questions read it from the log until then.

    What lies in the stream and no lane has decided yet is not in it: an old `last_counted_at` while events are sent
    says that. An event sent again is known in every lane, also with a new time, if it was counted from
    `remembered_since` on; the acceptance window ends that.
    """

    counted_age: int
    last_counted_at: int | None
    remembered_since: int

    @property
    def is_behind(self) -> bool:
        return self.counted_age > BEHIND_SECONDS


def tell_health(progress: Progress, lanes: int, now: datetime, accept_past_seconds: int) -> Health:
    found = progress.of_lanes(lanes)
    waiting = [each.waiting_since for each in found if each.waiting_since is not None]
    counted = [each.counted_at for each in found if each.counted_at is not None]
    seconds = int(now.timestamp())
    age = seconds - min(waiting) if waiting else 0
    since = [_remembered_since(each, seconds) for each in found]
    return Health(
        age if age > LEFT_SECONDS else 0, max(counted, default=None), max([*since, seconds - accept_past_seconds])
    )


def _remembered_since(lane: LaneProgress, now: int) -> int:
    if lane.remembered_since is not None:
        return lane.remembered_since
    return 0 if lane.counted_at is None else now - LEAST_SECONDS
