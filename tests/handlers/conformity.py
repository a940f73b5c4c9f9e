"""Holds answers of the handlers against the committed OpenAPI document."""

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from functions.handlers.http_openapi import DOCUMENT

PARTS = ("CursorPage", "Page")


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return found


@cache
def _operations() -> list[tuple[re.Pattern[str], str, dict[str, Any]]]:
    """Fixed paths first, as the router does."""
    ordered = sorted(document()["paths"].items(), key=lambda item: item[0].count("{"))
    return [
        (re.compile(re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(path))), method, operation)
        for path, methods in ordered
        for method, operation in methods.items()
    ]


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """None for what the document does not know, such as the routers that tests make."""
    path = re.sub("^/v3/", "/api/v3/", path)  # which has the same answers
    return next((each for rule, verb, each in _operations() if verb == method.lower() and rule.fullmatch(path)), None)


def differences(method: str, path: str, status: int, content_type: str | None, text: str, *, strict: bool) -> list[str]:
    """Where an answer is not what the document says; strictly, a field that is not described is one."""
    operation = operation_of(method, path)
    if operation is None:
        return []
    described = operation["responses"].get(str(status))
    if described is None:
        return [f"{method} {path}: status {status} is not described"]
    if "$ref" in described:
        described = document()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    contents = described.get("content", {})
    if not contents:
        return [f"{method} {path}: {status} is described without content"] if text else []
    kind = (content_type or "").partition(";")[0]
    if kind not in contents:
        return [f"{method} {path}: {status} is described as {', '.join(contents)}, not as {kind}"]
    if "json" not in kind:
        return []
    validator = _validator(json.dumps(contents[kind]["schema"]), strict)
    return [
        f"{method} {path} {found.json_path}: {found.message[:300]}" for found in validator.iter_errors(json.loads(text))
    ]


@cache
def _validator(schema: str, strict: bool) -> Draft202012Validator:
    components = {"schemas": _closed() if strict else document()["components"]["schemas"]}
    content = json.loads(schema, object_hook=_closed_page if strict else None)
    return Draft202012Validator(
        {"components": components, **content}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


@cache
def _closed() -> dict[str, Any]:
    schemas: dict[str, Any] = deepcopy(document()["components"]["schemas"])
    for name, schema in schemas.items():
        if "properties" in schema and "additionalProperties" not in schema and name not in PARTS:
            schema["additionalProperties"] = False
    return schemas


def _closed_page(schema: dict[str, Any]) -> dict[str, Any]:
    """A page is two parts, neither of which knows the fields of the other."""
    return schema | {"unevaluatedProperties": False} if "allOf" in schema else schema
