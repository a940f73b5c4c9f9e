"""Schemas as pydantic makes them, told more plainly: no titles, no field that may only be null, names as in JSON."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic.alias_generators import to_camel

SCHEMAS = "#/components/schemas"
WITHOUT = object()
OWN_NAME = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")


def public(name: str) -> str:
    """What a model is called in the document: ShownMeter is the Meter; of two namesakes one says its module too."""
    *_, module, name = ("", *name.split("__"))
    prefix = "".join(word.title() for word in module.split("_"))
    return name.removeprefix("Shown") if prefix in ("", name) else f"{prefix}{name}"


def told(schema: Any) -> Any:
    """Part of a body."""
    return _mapped(schema, {}, lambda each: each)


def told_in_answer(schema: Any, renamed: Mapping[str, str]) -> Any:
    """An answer has no defaults that are null, and may gain fields."""
    return _mapped(schema, renamed, _shown)


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


def _shown(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("additionalProperties") is False:
        schema = {name: value for name, value in schema.items() if name != "additionalProperties"}
    # Absent or null, by model: the plan's own fields are left out, those of its phases stay null.
    if schema.get("default", WITHOUT) is None:
        return {name: value for name, value in schema.items() if name != "default"}
    return schema
