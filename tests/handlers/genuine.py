"""An answer against the genuine Python package's model of it: every field it does not call optional, at every depth."""

import types
import typing
from typing import Any

from openmeter._generated import _unions
from openmeter._generated import models as public_models
from openmeter._generated._utils.model_base import Model
from openmeter._generated.models import _models

NAMES = {**vars(_models), "_models": public_models, "_unions": _unions}


def problems(model: type[Model], answer: Any, path: str = "$") -> list[str]:
    """What the package's user would miss or could not read; empty when all is well."""
    if not isinstance(answer, dict):
        return [f"{path} is not an object"]
    read = model(answer)
    hints = typing.get_type_hints(model, NAMES)
    found = []
    for attribute, field in read._attr_to_rest_field.items():
        name, hint = field._rest_name, hints[attribute]
        is_optional = type(None) in typing.get_args(hint)
        if name not in answer:
            found += [] if is_optional else [f"{path}.{name} is missing"]
        elif answer[name] is not None:
            found += _of(hint, answer[name], f"{path}.{name}")
    if not found:
        for attribute in read._attr_to_rest_field:
            getattr(read, attribute)
    return found


def _of(hint: Any, value: Any, path: str) -> list[str]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [each for i, item in enumerate(value) for each in _of(inner[0], item, f"{path}[{i}]")]
    if origin is dict:
        return [each for key, item in value.items() for each in _of(inner[1], item, f"{path}[{key}]")]
    if origin in (typing.Union, types.UnionType):
        tried = [_of(each, value, path) for each in inner if each is not type(None)]
        return min(tried, key=len)
    if isinstance(hint, type) and issubclass(hint, Model):
        return problems(hint, value, path)
    return []
