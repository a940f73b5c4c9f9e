"""Deciding again when what a decision was built on has changed meanwhile."""

from collections.abc import Callable
from typing import TypeVar

from functions.application.ports.stored import Stale
from functions.domain.errors import Unavailable

Result = TypeVar("Result")

# Several changes of the same record in the same milliseconds are rare, a fourth in a row is a flood.
MAX_DECISIONS = 5


def decide_again_when_stale(decide: Callable[[], Result]) -> Result:
    """Run a read-decide-write until nobody wrote in between; raises Unavailable when somebody always does."""
    for _ in range(MAX_DECISIONS):
        try:
            return decide()
        except Stale:
            continue
    raise Unavailable("Others are changing the same record; try again.", retry_after_seconds=1)
