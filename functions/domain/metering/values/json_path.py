"""JSONPath (RFC 9535): the path of names and indexes is one look-up a step, any other a bounded search.

A path that may select several nodes stands for the first scalar among them, in the order of RFC 9535; for the first
node when none is a scalar.
"""

import re
from collections.abc import Callable
from typing import Any

from functions.domain.errors import FieldError, InvalidInput

MAX_PATH_LENGTH = 256

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['([^'\\]+)'\]|\[(0|[1-9]\d{0,3})\]", re.ASCII)

MISSING = object()

Step = str | int
Steps = tuple[Step, ...]
Find = Callable[[Any], Any]


class TooCostly(Exception):
    """A path visits more of an event's data than it may."""


def parse_path(path: str) -> Steps | str:
    """The steps of a path of names and indexes, else its normal form; equal for equal paths; raises InvalidInput."""
    if len(path) > MAX_PATH_LENGTH:
        raise _invalid(path, f"has more than {MAX_PATH_LENGTH} characters")
    if steps := _simple_steps(path):
        return steps
    from functions.domain.metering.values import json_path_query

    try:
        return json_path_query.normal_form(path)
    except json_path_query.NotAPath as error:
        raise _invalid(path, str(error)) from error


def finder(path: str) -> Find:
    """The look-up of a path in decoded JSON: gives MISSING for nothing, raises TooCostly (itself InvalidInput)."""
    steps = parse_path(path)
    if isinstance(steps, str):
        from functions.domain.metering.values import json_path_query

        return json_path_query.finder(path)
    if len(steps) > 1 or not isinstance(steps[0], str):
        return lambda data: _look_up(data, steps)
    name = steps[0]
    return lambda data: data.get(name, MISSING) if type(data) is dict else MISSING


def _simple_steps(path: str) -> Steps:
    steps: list[Step] = []
    at = 1
    while path.startswith("$") and at < len(path) and (match := _STEP.match(path, at)):
        name, quoted, index = match.groups()
        steps.append(int(index) if index else name or quoted)
        at = match.end()
    return tuple(steps) if at == len(path) else ()


def _look_up(data: Any, steps: Steps) -> Any:
    for step in steps:
        if isinstance(step, str):
            if type(data) is not dict:
                return MISSING
            data = data.get(step, MISSING)
        else:
            if type(data) is not list or step >= len(data):
                return MISSING
            data = data[step]
        if data is MISSING:
            return MISSING
    return data


def _invalid(path: str, reason: str) -> InvalidInput:
    message = f"{path[:80]!r} {reason}; write a JSONPath such as $.tokens, $.usage[0].n or $.items[?@.kind == 'gpu'].n."
    return InvalidInput(message, fields=[FieldError("path", "invalid_json_path", message)])
