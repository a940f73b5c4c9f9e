"""Reads out of a route's code what it takes and answers: its scope, its body, its query parameters, its statuses.

Only for making the document: nothing here runs in a function. A route and the helpers it hands its request or its
query to are parsed, so that a document cannot say anything else than the code.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from functions.handlers.edge import query_string

Schema = dict[str, Any]
Call = tuple[Callable[..., Any], Mapping[str, Any]]
OURS = "functions.handlers"
# How the answers of functions.handlers.edge.http are made, and their status.
STATUSES = {"ok": 200, "created": 201, "accepted": 202, "no_content": 204}
INSTANT: Schema = {"type": "string", "format": "date-time"}


@dataclass
class Route:
    """What the code of one route says; `parameters` are the query parameters it reads, each with its schema."""

    method: str
    rule: str
    function: Callable[..., Any]
    scope: str | None = None
    body: type[BaseModel] | None = None
    is_csv_too: bool = False
    statuses: set[int] = field(default_factory=set)
    parameters: dict[str, Schema] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.method} {self.rule}"

    @property
    def status(self) -> int:
        """Of success."""
        return min(self.statuses, default=200)


def read_route(key: str, function: Callable[..., Any]) -> Route:
    method, _, rule = key.partition(" ")
    route = Route(method, rule, function)
    seen: set[str] = set()
    waiting: list[Call] = [(function, {})]
    while waiting:
        called, constants = waiting.pop()
        if (place := f"{called.__module__} {called.__qualname__} {constants}") not in seen:
            seen.add(place)
            waiting += _read(route, called, constants)
    return route


def _read(route: Route, function: Callable[..., Any], constants: Mapping[str, Any]) -> Iterator[Call]:
    """Notes what one function says and yields those it hands its request or its query to."""
    names = {**function.__globals__, **constants}
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Attribute) and node.attr == "wants_csv":
            route.is_csv_too = True
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute):
            _note_request(route, called, node, names)
            if isinstance(called.value, ast.Name | ast.Attribute) and _last_name(called.value) in ("query", "asked"):
                _note_parameter(route.parameters, called.attr, node, names)
        if any(_last_name(argument) in ("request", "query") for argument in node.args):
            yield from _followed(_value(called, names), [_value(argument, names) for argument in node.args])


def _note_request(route: Route, called: ast.Attribute, node: ast.Call, names: Mapping[str, Any]) -> None:
    if called.attr == "Request" and len(node.args) > 1:
        route.scope = _value(node.args[1], names)
    elif called.attr in ("body", "replacement") and node.args:
        model = _value(node.args[0], names)
        route.body = model if isinstance(model, type) and issubclass(model, BaseModel) else route.body
    elif _last_name(called.value) == "http" and called.attr in STATUSES:
        route.statuses.add(STATUSES[called.attr])


def _note_parameter(found: dict[str, Schema], getter: str, node: ast.Call, names: Mapping[str, Any]) -> None:
    if getter == "page":
        found["page"] = _whole(1, 1, query_string.MAX_PAGE)
        found["pageSize"] = _whole(query_string.DEFAULT_PAGE_SIZE, 1, query_string.MAX_PAGE_SIZE)
        return
    if getter == "is_descending":
        found["order"] = {"type": "string", "enum": ["ASC", "DESC"], "default": "ASC"}
        return
    arguments = [_value(argument, names) for argument in node.args]
    match getter, arguments:
        case "text" | "text_or_empty", [str(name)]:
            found.setdefault(name, {"type": "string"})
        case "texts", [str(name), *_]:
            found[name] = {"type": "array", "items": {"type": "string"}}
        case "flag", [str(name)]:
            found[name] = {"type": "boolean", "default": False}
        case "instant", [str(name)]:
            found[name] = INSTANT
        case "json", [str(name)]:
            found[name] = {"type": "object", "contentMediaType": "application/json"}
        case "mapping", [str(name)]:
            found[name] = {"type": "object", "additionalProperties": {"type": "string"}}
        case "whole", [str(name), default, least, most]:
            found[name] = _whole(default, least, most)
        case "choice", [str(name), allowed, default]:
            found[name] = {"type": "string", "enum": list(allowed or ()), "default": default}


def _whole(default: Any, least: Any, most: Any) -> Schema:
    return {"type": "integer", "default": default, "minimum": least, "maximum": most}


def _followed(called: Any, arguments: list[Any]) -> Iterator[Call]:
    """One of our own helpers, with the constants it is given: the name of a parameter is often handed on."""
    if inspect.isclass(called):
        called, arguments = called.__dict__.get("__init__"), [None, *arguments]
    if inspect.isfunction(called) and called.__module__.startswith(OURS):
        given = zip(inspect.signature(called).parameters, arguments, strict=False)
        yield called, {name: value for name, value in given if isinstance(value, str)}


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a constant, a name, an attribute, or a tuple or list of those; None for anything else."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names.get(node.id)
        case ast.Attribute():
            return getattr(_value(node.value, names), node.attr, None)
        case ast.Tuple() | ast.List():
            return [_value(each, names) for each in node.elts]
        case ast.Call(func=ast.Name(id="tuple" | "list" | "sorted"), args=[inner]):
            return list(_value(inner, names) or ())
    return None
