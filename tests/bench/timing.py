"""How long work takes, on a machine that may be busy."""

import time
from collections.abc import Callable
from typing import Any


def best(runs: int, prepare: Callable[[], Any], work: Callable[[Any], Any]) -> float:
    """The least process time of `work`, each time on freshly prepared input."""
    least = float("inf")
    for _ in range(runs):
        prepared = prepare()
        started = time.process_time()
        work(prepared)
        least = min(least, time.process_time() - started)
    return least
