"""Yes and no of a body: "off" is neither, wherever it is sent."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from functions.handlers import http_api


def bodies() -> Iterator[type[BaseModel]]:
    """Every model that a body may hold, each once."""
    waiting: list[Any] = [route.body_model for route in http_api.routes() if route.body_model]
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            yield kind
            waiting += [field.annotation for field in kind.model_fields.values()]


def flags() -> list[tuple[str, type[BaseModel], str]]:
    found = [
        (f"{model.__name__}.{name}", model, name)
        for model in bodies()
        for name, field in model.model_fields.items()
        if field.annotation is bool or bool in get_args(field.annotation)
    ]
    return sorted(found, key=lambda each: each[0])


def test_those_that_change_what_is_done_are_among_them() -> None:
    assert {"PlanMigrationCreate.dry_run", "UsageRequest.exact"} <= {name for name, _, _ in flags()}


@pytest.mark.parametrize(("model", "name"), [each[1:] for each in flags()], ids=[each[0] for each in flags()])
def test_a_text_or_a_number_is_no_yes_and_no_no(model: type[BaseModel], name: str) -> None:
    field = model.model_fields[name]
    adapter = TypeAdapter(field.rebuild_annotation())
    assert adapter.validate_python(True) is True
    for other in ("off", "yes", "true", 1, 0):
        with pytest.raises(ValidationError):
            adapter.validate_python(other)
