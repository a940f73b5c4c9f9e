"""What a workflow caught, as a tenant may read it: a stable code and a sentence of ours, never an exception's text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.application.ports.gateway import (
    GatewayBusy,
    GatewayFault,
    GatewayKeyMismatch,
    GatewayRefused,
    GatewayUnauthorized,
    GatewayUnreachable,
    PushBusy,
)
from functions.domain.errors import Conflict, InvalidInput, NotFound, TollboothError, TooLarge, Unavailable, Unbillable

# Long enough for any sentence of ours, short enough for an item.
MAX_MESSAGE_CHARACTERS = 1_000

# What a step raises on purpose, by the name the workflow sees: each has a sentence for the caller.
_ON_PURPOSE: tuple[type[TollboothError], ...] = (
    *(Unbillable, Conflict, InvalidInput, NotFound, TooLarge, Unavailable, PushBusy),
    *(GatewayBusy, GatewayFault, GatewayKeyMismatch, GatewayRefused, GatewayUnauthorized, GatewayUnreachable),
)
# Fail states of the workflows themselves, whose sentences stand in their definitions.
_OF_WORKFLOWS = ("LanesNotCounted", "QueuedTooLong", "WorkLost")
TELLING = frozenset({*(kind.__name__ for kind in _ON_PURPOSE), *_OF_WORKFLOWS})
LATE = frozenset({"States.Timeout", "Sandbox.Timedout"})


@dataclass(frozen=True)
class StepFailure:
    code: str
    message: str


TIMED_OUT = StepFailure("TimedOut", "A step took longer than it may. It is tried again with the next run.")
INTERNAL = StepFailure(
    "InternalError", "Something went wrong on our side; the operator finds the reason in the log of this run."
)


def step_failure(error: Mapping[str, Any]) -> StepFailure:
    """`error` is what a workflow catches: an `Error` name and a `Cause`, often a function's JSON with its message."""
    name = str(error.get("Error") or "")
    if name in LATE:
        return TIMED_OUT
    sentence = _sentence(str(error.get("Cause") or "")) if name in TELLING else ""
    return StepFailure(name, sentence) if sentence else INTERNAL


def _sentence(cause: str) -> str:
    try:
        parsed = json.loads(cause)
    except (ValueError, RecursionError):
        parsed = None
    text = parsed.get("errorMessage", "") if isinstance(parsed, dict) else cause
    return str(text)[:MAX_MESSAGE_CHARACTERS]
