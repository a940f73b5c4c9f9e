"""Lists that a client puts into one text, as ['small', 'large']: as one value they would match nothing, silently."""

import ast
from collections.abc import Iterable
from typing import Any

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.edge import json_body

MAX_SHOWN = 100  # of a name that has a key of the client
_BEGINNINGS = ("[", "(", "{")
_MISREAD = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def values_in(name: str, text: str) -> list[str]:
    """The values in a text of the Python SDK, which puts a list into one; mostly the text itself."""
    written = _written(text)
    if written is None:
        return [text]
    if isinstance(written, dict) or not written or not all(isinstance(each, str) for each in written):
        raise _refusal(name)
    return list(written)


def require_no_list(name: str, values: Iterable[str]) -> None:
    """Raises InvalidInput for a list or a mapping that came as the text of one value."""
    if any(_written(value) is not None for value in values):
        raise _refusal(name)


def _refusal(name: str) -> InvalidInput:
    name = name[:MAX_SHOWN]
    right = f"send each value by itself, {name}=a&{name}=b, or as a list of texts by POST"
    message = f"{name} is a list or a mapping in one text; {right}. POST also takes a value that is such a text."
    return InvalidInput(message, fields=[FieldError(name, "invalid_parameter", message)])


def _written(text: str) -> Any:
    """The list or mapping that a text is in Python or in JSON; None for any other text."""
    if not text.startswith(_BEGINNINGS):
        return None
    try:
        found = ast.literal_eval(text)
    except _MISREAD:
        try:
            found = json_body.parse(text.encode())
        except InvalidInput:
            return None
    return found if isinstance(found, list | tuple | set | dict) else None
