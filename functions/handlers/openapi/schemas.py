"""Schemas as pydantic makes them, told more plainly.

No titles, no field that may only be null, names as in JSON, and keywords of JSON Schema only: pydantic leaves the
bounds of a decimal, which comes as a number or as a text, in words of its own.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from functions.handlers.openapi.component_names import NAMES

SCHEMAS = "#/components/schemas"
NUMBER_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
PLACES = "decimal_places"
WITHOUT = object()
OWN_NAME = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def public(name: str) -> str:
    """What a model is called in the document: ShownMeter is the Meter; of two namesakes one says its module too."""
    *_, module, name = ("", *name.split("__"))
    prefix = "".join(word.title() for word in module.split("_"))
    plain = name.removeprefix("Shown") if prefix in ("", name) else f"{prefix}{name}"
    return NAMES.get(plain, plain)


def told(schema: Any, renamed: Mapping[str, str]) -> Any:
    """Part of a body."""
    return _mapped(schema, renamed, lambda each: _without_null_default(_bounded(each)))


def told_in_answer(schema: Any) -> Any:
    """An answer has no defaults that are null, and may gain fields."""
    return _mapped(schema, {}, lambda each: _shown(_bounded(each)))


def _mapped(schema: Any, renamed: Mapping[str, str], finish: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if isinstance(schema, list):
        return [_mapped(each, renamed, finish) for each in schema]
    if not isinstance(schema, dict):
        return schema
    mapped: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            known = {field: each for field, each in value.items() if each.get("type") != "null"}
            mapped[name] = {field: _mapped(each, renamed, finish) for field, each in known.items()}
        elif name == "discriminator":
            targets = value.get("mapping", {})
            if all(isinstance(target, str) for target in targets.values()):  # unions in unions are only oneOf
                mapped[name] = value | {"mapping": {tag: _reference(each, renamed) for tag, each in targets.items()}}
        elif name == "$ref":
            mapped[name] = _reference(value, renamed)
        elif name == "description" and isinstance(value, str):
            mapped[name] = OWN_NAME.sub(lambda found: f"`{to_camel(found[1])}`", value)
        elif name == "default":
            mapped[name] = value
        elif name != "title" or not isinstance(value, str):
            mapped[name] = _mapped(value, renamed, finish)
    return finish(mapped)


def _reference(target: str, renamed: Mapping[str, str]) -> str:
    name = public(target.rpartition("/")[2])
    return f"{SCHEMAS}/{renamed.get(name, name)}"


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The bounds of a decimal where a client reads them: on the number, and as the pattern of the text."""
    said = {word: schema[word] for word in (*NUMBER_BOUNDS, PLACES) if word in schema}
    if not said:
        return schema
    schema = {name: value for name, value in schema.items() if name not in said}
    bounds = {NUMBER_BOUNDS[word]: value for word, value in said.items() if word != PLACES}
    if "anyOf" in schema:
        return schema | {"anyOf": [_bounded_kind(each, bounds, said.get(PLACES)) for each in schema["anyOf"]]}
    return _bounded_kind(schema, bounds, said.get(PLACES))


def _bounded_kind(schema: dict[str, Any], bounds: Mapping[str, Any], places: int | None) -> dict[str, Any]:
    match schema.get("type"):
        case "number" | "integer":
            return {**schema, **bounds}
        case "string":
            sign = "" if min(bounds.get("minimum", -1), 0) == 0 or "exclusiveMinimum" in bounds else "-?"
            fraction = "[0-9]+" if places is None else f"[0-9]{{1,{places}}}"
            return {**schema, "pattern": rf"^{sign}[0-9]+(\.{fraction})?$"}
    return schema


def _shown(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") is False:
        schema = {name: value for name, value in schema.items() if name != "additionalProperties"}
    # Absent or null, by model: the plan's own fields are left out, those of its phases stay null.
    return _without_null_default(schema)


def _without_null_default(schema: dict[str, Any]) -> dict[str, Any]:
    """Left out and null are the same; generators take a field with a default for one that is always there."""
    return schema if schema.get("default", WITHOUT) is not None else {k: v for k, v in schema.items() if k != "default"}
