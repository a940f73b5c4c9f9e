"""Waits for what other programs bring about, for as long as it moves; no clock says how fast it must be.

How long something takes says how busy the machine is. Whether it still moves says whether it works.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from infra.local.failure import StepFailed

# Far above the longest pause of what works: a cold start, a visible wait of a workflow (60 s), and other programs.
IDLE_SECONDS = 300.0
POLL_SECONDS = 0.3

Seen = TypeVar("Seen")


class StoodStill(StepFailed):
    """Nothing has moved for as long as anybody should wait; says what was seen last."""

    def __init__(self, what: str, seen: object, seconds: float) -> None:
        super().__init__(
            f"Waited for {what}, and nothing moved for {seconds:.0f} s; seen last: {seen}",
            "`make logs` shows what the functions said.",
        )


def wait_while_it_moves(
    look: Callable[[], Seen],
    enough: Callable[[Seen], object],
    what: str,
    *,
    idle_seconds: float = IDLE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> Seen:
    """Look until it is `enough`; raises StoodStill when looks stayed equal for `idle_seconds`.

    What is looked at must stay equal when nothing happens: a total or a status does, an age or a time of day does not.
    """
    seen = look()
    moved_at = time.monotonic()
    while not enough(seen):
        if time.monotonic() - moved_at > idle_seconds:
            raise StoodStill(what, seen, idle_seconds)
        time.sleep(poll_seconds)
        before, seen = seen, look()
        if seen != before:
            moved_at = time.monotonic()
    return seen


def cpu_seconds(pid: int) -> float:
    """What a process has worked so far, with the children it has waited for; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
