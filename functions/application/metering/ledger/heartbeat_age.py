"""How long ago the newest heartbeat was put that is counted, in the lane where that is longest."""

from collections.abc import Mapping


def heartbeat_age(counted: Mapping[int, int], lanes: int, now: int) -> int | None:
    """Seconds; None while there is a lane that has never counted one. `counted` is by lane, in epoch seconds."""
    if any(lane not in counted for lane in range(lanes)):
        return None
    return max(0, now - min(counted[lane] for lane in range(lanes)))
