"""What a full replacement may say beside what can be changed: everything its GET shows, as long as it is so."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.edge import json_body

CODE = "read_only"
MAX_SHOWN = 80

Shown = Callable[[], Mapping[str, Any] | None]


def without_read_only(value: Any, model: type[BaseModel], record: type[BaseModel], shown: Shown) -> Any:
    """The body without the fields of `record` and of what is shown that `model` has not.

    Raises InvalidInput naming each that differs from what is stored: ignoring it would be a lie. `shown` is asked only
    if there is one; it answers None for what does not exist.
    """
    if not isinstance(value, Mapping):
        return value
    changeable = _names(model)
    others = [name for name in value if name not in changeable]
    if not others:
        return value
    stored = shown()
    current: Mapping[str, Any] = json_body.parse(json_body.encode(stored).encode()) if stored is not None else {}
    fixed = [name for name in others if name in current or name in _names(record)]
    if stored is not None:
        wrong = [name for name in fixed if not _is_same(value[name], current.get(name))]
        if wrong:
            raise _refusal(wrong, current)
    return {name: each for name, each in value.items() if name not in fixed}


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _refusal(wrong: list[str], current: Mapping[str, Any]) -> InvalidInput:
    fields = []
    for name in wrong:
        is_so = json_body.encode(current[name]) if name in current else "absent"
        said = is_so if len(is_so) <= MAX_SHOWN else "another"
        fields.append(
            FieldError(name, CODE, f"{name} cannot be changed here and is {said}; leave it out or read again.")
        )
    return InvalidInput(" ".join(each.message for each in fields), code=CODE, fields=fields)


def _is_same(sent: Any, stored: Any) -> bool:
    """As JSON values, and instants however they are written."""
    if isinstance(sent, Mapping) and isinstance(stored, Mapping):
        return all(_is_same(sent.get(name), stored.get(name)) for name in {**sent, **stored})
    if isinstance(sent, list) and isinstance(stored, list):
        return len(sent) == len(stored) and all(map(_is_same, sent, stored))
    if isinstance(sent, bool) or isinstance(stored, bool):
        return sent is stored
    return bool(sent == stored) or (_instant(sent) is not None and _instant(sent) == _instant(stored))


def _instant(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
