"""The OpenAPI document of everything this service answers, made from its routes, its models and its table of errors."""

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.handlers.edge import problem
from functions.handlers.edge.parameters import EVERYWHERE, PARAMETERS, taken_by
from functions.handlers.metering.events_request import EventsFilter
from functions.handlers.openapi.fixed import DESCRIPTION, FIXED_PATHS, FIXED_SCHEMAS, PUBLIC
from functions.handlers.openapi.meanings import ACTING, IN_PATH, WITHOUT_EFFECT, meaning
from functions.handlers.openapi.reading import Route, Schema, read_route
from functions.handlers.openapi.routes import (
    ROUTES,
    Answered,
    Described,
    Each,
    EachOrByCursor,
    EachOrPaged,
    EachText,
    OneOf,
    Paged,
)
from functions.handlers.openapi.schemas import SCHEMAS, public, told, told_in_answer

# What a parameter holds where the code does not say it in one word.
SHAPES: Mapping[tuple[str, str], Schema] = {
    ("GET /api/v1/events", "id"): {"type": "string"},
    ("GET /api/v1/events", "subject"): {"type": "string"},
    ("GET /api/v1/subscriptions", "planVersion"): {"type": "integer", "minimum": 1},
}
READ_ONLY_TOO = (
    "What can be changed, in full. The whole answer of the GET is taken as well; what of it cannot be changed must be "
    "as it is stored, or is refused by name."
)
JSON_PARAMETERS: Mapping[tuple[str, str], type[BaseModel]] = {("GET /api/v2/events", "filter"): EventsFilter}
# What they ask for may need archived events that are gone.
FROM_THE_ARCHIVE = (
    "GET /api/v1/meters/<id_or_slug>/query",
    "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice",
    "GET /api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation",
)


RATE_HEADERS = {
    "RateLimit-Policy": 'The limits that apply, such as `"tenant-calls";q=200;w=1`: 200 in a second.',
    "RateLimit": 'What is left of them, such as `"tenant-calls";r=0;t=1`, and in how many seconds there is more.',
}


def document(routes: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """`routes` as `http.routes_of` lists them; what is not behind them is in `fixed`."""
    read = [read_route(key, function) for key, function in sorted(routes.items())]
    paths: dict[str, dict[str, Any]] = {path: dict(operations) for path, operations in FIXED_PATHS.items()}
    for route in read:
        paths.setdefault(_template(route.rule), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tollbooth", "version": "1", "description": DESCRIPTION, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}, {"apiKeyHeader": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**FIXED_SCHEMAS, **_schemas(read)},
            "responses": dict(_problems()),
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "tb_<id>_<secret>"},
                "apiKeyHeader": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def _body_schema(route: Route, answer: Answered) -> Schema:
    """A replacement is what can be changed, or the whole answer with changes in that."""
    asked = _reference(route.body) if route.body else {}
    if route.method != "PUT" or not isinstance(answer, type):
        return asked
    return {"anyOf": [asked, _reference(answer)], "description": READ_ONLY_TOO}


def _template(rule: str) -> str:
    return re.sub(r"<(\w+)>", r"{\1}", rule)


def _operation(route: Route) -> dict[str, Any]:
    described = ROUTES.get(route.key, Described(f"{route.method.title()} {route.rule}"))
    success = {"description": HTTPStatus(route.status).phrase}
    operation: dict[str, Any] = {
        "operationId": _operation_id(described.summary),
        "summary": described.summary,
        "tags": [route.rule.split("/")[3 if route.rule.startswith("/api/") else 1].removesuffix(".json")],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {str(route.status): success | _content(route, described.answer), **_errors(route)},
    }
    if text := (route.function.__doc__ or "").strip():
        operation["description"] = text
    if route.key in PUBLIC:
        operation["security"] = []
    elif route.scope:
        operation["x-scope"] = route.scope
    if route.body:
        content = {"application/json": {"schema": _body_schema(route, described.answer)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _operation_id(summary: str) -> str:
    words: list[str] = [
        word for word in re.findall(r"\w+", summary.replace("'s", "")) if word.lower() not in ("a", "an", "the")
    ]
    return words[0].lower() + "".join(word[0].upper() + word[1:] for word in words[1:])


def _path_parameters(route: Route) -> Iterator[Schema]:
    for found in re.finditer(r"<(\w+)>", route.rule):
        parameter = {"name": found[1], "in": "path", "required": True, "schema": {"type": "string"}}
        yield _described(parameter, IN_PATH.get(route.rule[: found.end()]))


def _query_parameters(route: Route) -> Iterator[Schema]:
    for name in taken_by(PARAMETERS.get(route.key, ())):
        yield _query_parameter(route, name)
    for name in EVERYWHERE if route.key not in PUBLIC else ():
        yield {"name": name, "in": "query", "schema": {"type": "string"}, "description": ACTING}


def _query_parameter(route: Route, name: str) -> Schema:
    parameter: Schema = {"name": name, "in": "query"}
    if model := JSON_PARAMETERS.get((route.key, name)):
        content = {"application/json": {"schema": _reference(model)}}
        return _described(parameter | {"content": content}, meaning(route.key, name, {}))
    schema = route.parameters.get(name) or SHAPES.get((route.key, name))
    if schema is None:
        return _described(parameter | {"schema": {"type": "string"}}, WITHOUT_EFFECT)
    if "contentMediaType" in schema:
        parameter["content"] = {schema["contentMediaType"]: {"schema": {"type": schema["type"]}}}
    else:
        parameter["schema"] = schema
        if schema["type"] == "object":
            parameter |= {"style": "deepObject", "explode": True}
    return _described(parameter, meaning(route.key, name, schema))


def _described(parameter: Schema, description: str | None) -> Schema:
    return parameter | {"description": description} if description else parameter


def _content(route: Route, answer: Answered) -> dict[str, Any]:
    if route.status == HTTPStatus.NO_CONTENT:
        return {}
    content: dict[str, Any] = {"application/json": {"schema": _answer_schema(answer)}}
    if route.is_csv_too:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"content": content}


def _answer_schema(answer: Answered) -> Schema:
    match answer:
        case None:
            return {}
        case EachText():
            return {"type": "array", "items": {"type": "string"}}
        case Each(model):
            return {"type": "array", "items": _reference(model)}
        case Paged(model):
            return _either_page_of(model)
        case EachOrByCursor(model):
            return {"oneOf": [{"type": "array", "items": _reference(model)}, _page_of(model, "CursorPage")]}
        case OneOf(model, other):
            return {"oneOf": [_reference(model), _reference(other)]}
        case EachOrPaged(model):
            return {"oneOf": [{"type": "array", "items": _reference(model)}, _either_page_of(model)]}
    return _reference(answer)


def _either_page_of(model: type[BaseModel]) -> Schema:
    """By number, or by cursor if `cursor` or `limit` is sent."""
    return {"anyOf": [_page_of(model, "Page"), _page_of(model, "CursorPage")]}


def _page_of(model: type[BaseModel], page: str) -> Schema:
    items: Schema = {"type": "array", "items": _reference(model)}
    return {"allOf": [{"$ref": f"{SCHEMAS}/{page}"}, {"type": "object", "properties": {"items": items}}]}


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": f"{SCHEMAS}/{public(model.__name__)}"}


def _errors(route: Route) -> dict[str, Any]:
    statuses = {HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR}
    if not route.rule.startswith("/api/"):  # it says how the deployment is, which may be: not there
        statuses |= {HTTPStatus.SERVICE_UNAVAILABLE}
    if route.key not in PUBLIC:
        statuses |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}
        statuses |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.NOT_FOUND}
    statuses.add(HTTPStatus.TOO_MANY_REQUESTS)
    if route.key in FROM_THE_ARCHIVE:
        statuses.add(HTTPStatus.CONFLICT)
    if route.method != "GET":
        statuses |= {HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return {str(int(status)): {"$ref": f"#/components/responses/{status.name}"} for status in sorted(statuses)}


def _problems() -> Iterator[tuple[str, Any]]:
    """One response per status of the table of errors, and the one for what is not in it."""
    for status in sorted({*problem.STATUS.values(), HTTPStatus.INTERNAL_SERVER_ERROR}):
        content = {problem.CONTENT_TYPE: {"schema": {"$ref": f"{SCHEMAS}/Problem"}}}
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
            # Said by the gateway itself about a wrong key, or when all callers together are too fast.
            content["application/json"] = {"schema": {"$ref": f"{SCHEMAS}/GatewayMessage"}}
        response: dict[str, Any] = {"description": status.phrase, "content": content}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            response["headers"] |= {name: _text_header(told) for name, told in RATE_HEADERS.items()}
        yield status.name, response


def _text_header(description: str) -> Schema:
    return {"schema": {"type": "string"}, "description": description}


def _schemas(routes: list[Route]) -> dict[str, Any]:
    """Bodies and answers; a part of both gets a second name where an answer shows it differently."""
    bodies = {route.body for route in routes if route.body} | set(JSON_PARAMETERS.values())
    answers = {model for route in routes for model in _models(ROUTES.get(route.key, Described("")).answer)}
    asked = {name: told(schema) for name, schema in _generated(bodies, "validation").items()}
    raw = _generated(answers, "serialization")
    renamed: dict[str, str] = {}
    while True:
        shown = {renamed.get(name, name): told_in_answer(schema, renamed) for name, schema in raw.items()}
        clashes = {name for name in shown.keys() & asked.keys() if shown[name] != asked[name]}
        if not clashes:
            return dict(sorted({**asked, **shown}.items()))
        renamed |= {name: f"{name}Shown" for name in clashes}


def _generated(models: set[type[BaseModel]], mode: Any) -> dict[str, Any]:
    wanted = [(model, mode) for model in sorted(models, key=lambda model: model.__name__)]
    _, generated = models_json_schema(wanted, by_alias=True, ref_template=f"{SCHEMAS}/{{model}}")
    return {public(name): schema for name, schema in generated.get("$defs", {}).items()}


def _models(answer: Answered) -> Iterator[type[BaseModel]]:
    if isinstance(answer, Each | EachOrByCursor | Paged | EachOrPaged):
        yield answer.model
    elif isinstance(answer, OneOf):
        yield answer.model
        yield answer.other
    elif isinstance(answer, type):
        yield answer
