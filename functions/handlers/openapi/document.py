"""The OpenAPI document of everything this service answers, made from its routes, its models and its table of errors."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.handlers.edge import problem
from functions.handlers.edge.query_model import Parameter
from functions.handlers.edge.routes import Route
from functions.handlers.openapi.fixed import DESCRIPTION, FIXED_EXAMPLES, FIXED_PATHS, FIXED_SCHEMAS
from functions.handlers.openapi.forms import Schema, models_of, reference, schema_of
from functions.handlers.openapi.schemas import SCHEMAS, public, told, told_in_answer
from functions.names import SCOPE_PORTAL

READ_ONLY_TOO = (
    "What can be changed, in full. The whole answer of the GET is taken as well; what of it cannot be changed must be "
    "as it is stored, or is refused by name."
)
EXAMPLES: Mapping[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text())
PORTAL_TOKEN = "portalToken"
LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
# A wrong key, a body beyond 10 MB, all callers together too fast, a function that broke, and one that took too long.
BY_THE_GATEWAY_TOO = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
RATE_HEADERS = {
    "RateLimit-Policy": 'The limits that apply, such as `"tenant-calls";q=200;w=1`: 200 in a second.',
    "RateLimit": 'What is left of them, such as `"tenant-calls";r=0;t=1`, and in how many seconds there is more.',
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """What is not behind routes is in `fixed`."""
    routes = sorted(routes, key=lambda route: route.key)
    paths: dict[str, dict[str, Any]] = {path: dict(operations) for path, operations in FIXED_PATHS.items()}
    for route in routes:
        paths.setdefault(_template(route.path), {})[route.method.lower()] = _operation(route)
    used = {status for methods in paths.values() for each in methods.values() for status in each["responses"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tollbooth",
            "version": "1",
            "description": DESCRIPTION,
            "license": LICENSE,
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}, {"apiKeyHeader": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**FIXED_SCHEMAS, **_schemas(routes)},
            "responses": {name: found for status, name, found in _problems() if str(status) in used},
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "tb_<id>_<secret>"},
                "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                PORTAL_TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }


def _example(operation: Mapping[str, Any], part: str) -> dict[str, Any]:
    """Of a test's request or answer: `make examples`."""
    found = {**EXAMPLES, **FIXED_EXAMPLES}.get(operation["operationId"], {}).get(part)
    return {} if found is None else {"example": found}


def _template(path: str) -> str:
    return re.sub(r"<(\w+)>", r"{\1}", path)


def _operation(route: Route) -> dict[str, Any]:
    success = {"description": problem.phrase_of(HTTPStatus(route.status))}
    operation: dict[str, Any] = {
        "operationId": _operation_id(route.summary),
        "summary": route.summary,
        "tags": [_tag(route.path)],
        "parameters": [*_path_parameters(route), *map(_query_parameter, route.parameters.values())],
    }
    also = {str(status): {"description": meaning} for status, meaning in route.also.items()}
    operation["responses"] = {str(route.status): success | _content(route, operation), **also, **_errors(route)}
    if text := inspect.cleandoc(route.function.__doc__ or ""):
        operation["description"] = text
    if route.scope is None:
        operation["security"] = []
    else:
        operation["x-scope"] = route.scope
    if route.scope == SCOPE_PORTAL:
        operation["security"] = [{PORTAL_TOKEN: []}]
    if body := _body_schema(route):
        content = {"application/json": {"schema": body} | _example(operation, "request")}
        operation["requestBody"] = {"required": not route.may_lack_body, "content": content}
    return operation


def _tag(path: str) -> str:
    """What room of the API it is in, in any version."""
    segments = path.replace("/openmeter/", "/").split("/")
    return segments[3 if path.startswith("/api/") else 1].removesuffix(".json")


def _operation_id(summary: str) -> str:
    words: list[str] = [
        word for word in re.findall(r"\w+", summary.replace("'s", "")) if word.lower() not in ("a", "an", "the")
    ]
    return words[0].lower() + "".join(word[0].upper() + word[1:] for word in words[1:])


def _body_schema(route: Route) -> Schema:
    """A replacement is what can be changed, or the whole answer with changes in that."""
    if route.body_model is None:
        return {}
    asked = reference(route.body_model)
    if not route.is_replacement:
        return asked
    return {"anyOf": [asked, schema_of(route.answers)], "description": READ_ONLY_TOO}


def _path_parameters(route: Route) -> Iterator[Schema]:
    for name, meaning in route.in_path.items():
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": meaning}


def _query_parameter(parameter: Parameter[Any]) -> Schema:
    shown: Schema = {"name": parameter.name, "in": "query"}
    if parameter.is_json:
        schema = reference(parameter.model) if parameter.model else dict(parameter.schema)
        shown["content"] = {"application/json": {"schema": schema}}
    else:
        shown["schema"] = dict(parameter.schema)
        if parameter.schema["type"] == "object":
            shown |= {"style": "deepObject", "explode": True}
    return shown | {"description": parameter.says}


def _content(route: Route, operation: Mapping[str, Any]) -> dict[str, Any]:
    if route.status == HTTPStatus.NO_CONTENT:
        return {}
    kind = "text/plain" if route.is_text else "application/json"
    content = {kind: {"schema": schema_of(route.answers)} | _example(operation, "answer")}
    if route.is_csv_too:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"content": content}


def _errors(route: Route) -> dict[str, Any]:
    statuses = {HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, *map(HTTPStatus, route.fails)}
    statuses |= {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE}
    if route.scope is not None:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.NOT_FOUND}
    if route.method != "GET":
        statuses |= {HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return {str(int(status)): {"$ref": f"#/components/responses/{component_of(status)}"} for status in sorted(statuses)}


def component_of(status: HTTPStatus) -> str:
    return problem.phrase_of(status).upper().replace(" ", "_")


def _problems() -> Iterator[tuple[int, str, Any]]:
    """One response per status of the table of errors, and the one for what is not in it."""
    for status in sorted({*problem.STATUS.values(), HTTPStatus.INTERNAL_SERVER_ERROR}):
        content = {problem.CONTENT_TYPE: {"schema": {"$ref": f"{SCHEMAS}/Problem"}}}
        if status in BY_THE_GATEWAY_TOO:
            # First, because some generators read the first type alone.
            content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}/Refusal"}}, **content}
        response: dict[str, Any] = {"description": problem.phrase_of(status), "content": content}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            response["headers"] |= {name: _text_header(told) for name, told in RATE_HEADERS.items()}
        yield int(status), component_of(status), response


def _text_header(description: str) -> Schema:
    return {"schema": {"type": "string"}, "description": description}


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    """Bodies and answers; a part of both is called ...Create in bodies, where an answer shows it differently."""
    bodies = {route.body_model for route in routes if route.body_model}
    bodies |= {each.model for route in routes for each in route.parameters.values() if each.model is not None}
    answers = {model for route in routes for model in models_of(route.answers)}
    shown = {name: told_in_answer(schema) for name, schema in _generated(answers, "serialization").items()}
    raw = _generated(bodies, "validation")
    renamed: dict[str, str] = {}
    while True:
        asked = {renamed.get(name, name): told(schema, renamed) for name, schema in raw.items()}
        clashes = {name for name in shown.keys() & asked.keys() if shown[name] != asked[name]}
        if not clashes:
            break
        renamed |= {name: f"{name}Create" for name in clashes}
    assert not renamed.keys() & {public(each.__name__) for each in bodies}, "a body has a name of its own"
    return dict(sorted({**asked, **shown}.items()))


def _generated(models: set[type[BaseModel]], mode: Any) -> dict[str, Any]:
    wanted = [(model, mode) for model in sorted(models, key=lambda model: model.__name__)]
    _, generated = models_json_schema(wanted, by_alias=True, ref_template=f"{SCHEMAS}/{{model}}")
    return {public(name): schema for name, schema in generated.get("$defs", {}).items()}
