"""What a route says it answers with, as JSON Schema: `Feature`, `Each[Feature]`, `Paged[Feature]`, ...

| form | the answer |
|---|---|
| `Feature` | one |
| `Each[Feature]` | a bare array |
| `Paged[Feature]` | a page: `items, page, pageSize, totalCount`; by cursor: `items, nextCursor` |
| `ByCursor[Feature]` | a page by cursor alone: `items, nextCursor` |
| `EachOrPaged[Feature]` | a bare array, or a page when one is asked for |
| `EachOrByCursor[Feature]` | a bare array, or `items` and `nextCursor` where a cursor or a limit is sent |
| `OneOf[Feature, Plan]` | the first, or the second where the request asks for it |
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from functions.handlers.openapi import (
    answers,
    answers_access,
    answers_entitlements,
    answers_lookup,
    answers_migration,
    answers_rating,
    answers_selling,
)
from functions.handlers.openapi.schemas import SCHEMAS, public

Schema = dict[str, Any]
ANSWERS = (
    answers,
    answers_access,
    answers_entitlements,
    answers_lookup,
    answers_migration,
    answers_rating,
    answers_selling,
)
MODELS: dict[str, type[BaseModel]] = {
    public(name): model
    for module in ANSWERS
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
}
_FORM = re.compile(r"(?:(\w+)\[)?([\w, ]+)\]?")


def reference(model: type[BaseModel]) -> Schema:
    return {"$ref": f"{SCHEMAS}/{public(model.__name__)}"}


def models_of(form: str) -> Iterator[type[BaseModel]]:
    """Raises ValueError for a name that no model of the answers has."""
    for name in _parts(form)[1]:
        if name != "str":
            yield _model(name, form)


def schema_of(form: str) -> Schema:
    kind, names = _parts(form)
    items = [{"type": "string"} if name == "str" else reference(_model(name, form)) for name in names]
    match kind:
        case "" if not names:
            return {}
        case "":
            return items[0]
        case "Each":
            return _array(items[0])
        case "OneOf":
            return {"oneOf": items}
        case "Paged":
            return _either_page_of(items[0])
        case "ByCursor":
            return _page_of(items[0], "CursorPage")
        case "EachOrByCursor":
            return {"oneOf": [_array(items[0]), _page_of(items[0], "CursorPage")]}
        case "EachOrPaged":
            return {"oneOf": [_array(items[0]), _either_page_of(items[0])]}
    raise ValueError(f"{form} has a form that nobody knows.")


def _model(name: str, form: str) -> type[BaseModel]:
    if name not in MODELS:
        raise ValueError(
            f"answers={form!r}: no class {name} or Shown{name} is defined in functions/handlers/openapi/answers*.py. "
            f"A model that is shown as it is needs an empty one there: class Shown{name}({name})."
        )
    return MODELS[name]


def _parts(form: str) -> tuple[str, list[str]]:
    if not form:
        return "", []
    found = _FORM.fullmatch(form)
    if found is None:
        raise ValueError(f"{form} is neither a model nor Form[Model].")
    return found[1] or "", found[2].split(", ")


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _either_page_of(item: Schema) -> Schema:
    """By number, or by cursor if `cursor` or `limit` is sent."""
    return {"anyOf": [_page_of(item, "Page"), _page_of(item, "CursorPage")]}


def _page_of(item: Schema, page: str) -> Schema:
    items = {"type": "object", "properties": {"items": _array(item)}, "required": ["items"]}
    return {"allOf": [{"$ref": f"{SCHEMAS}/{page}"}, items]}
