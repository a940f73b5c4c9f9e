"""The OpenAPI document says what the handlers do: their routes, parameters, bodies, answers and refusals."""

import base64
import json
from collections.abc import Iterator
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import BaseModel

from functions.handlers import http_api, http_openapi
from functions.handlers.edge import problem
from functions.handlers.openapi.component_names import NAMES
from functions.handlers.openapi.forms import MODELS
from functions.handlers.openapi.rendering import rendered
from tests.compat.test_models import CUSTOMER, FEATURE, METER
from tests.handlers.conformity import differences, document
from tests.handlers.gateway import Client, Response, payload

ROUTES = {route.key: route for route in http_api.routes()}
PATH = "/api/v1/openapi.json"
BEHIND_THE_GATEWAY_ALONE = {"POST /api/v1/events", "POST /api/v1/apps/{id}/stripe/webhook"}


def test_the_committed_document_is_what_the_code_says() -> None:
    assert http_openapi.DOCUMENT.read_text() == rendered(), "Routes or models changed: run `make openapi`, commit it."


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def _schemas_in(value: Any) -> Iterator[dict[str, Any]]:
    """Each schema of a schema, but not the names of its properties."""
    yield value
    for word, inner in value.items():
        if word in ("properties", "patternProperties"):
            inner = list(inner.values())
        elif word not in ("items", "additionalProperties", "not", "allOf", "anyOf", "oneOf", "prefixItems"):
            continue
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict):
                yield from _schemas_in(each)


def test_schemas_speak_json_schema_and_nothing_else() -> None:
    parts = Draft202012Validator.META_SCHEMA["allOf"]
    retriever = Draft202012Validator(Draft202012Validator.META_SCHEMA)._resolver
    known = {word for part in parts for word in retriever.lookup(part["$ref"]).contents["properties"]}
    known |= {"discriminator"}  # OpenAPI's own
    schemas = [*document()["components"]["schemas"].values()]
    for methods in document()["paths"].values():
        for operation in methods.values():
            for each in operation["parameters"]:
                schemas.append(each.get("schema") or each["content"]["application/json"]["schema"])
    said = {word for schema in schemas for each in _schemas_in(schema) for word in each}
    assert said <= known, sorted(said - known)
    assert {"minimum", "exclusiveMinimum", "pattern", "maxLength"} <= said


def test_every_body_and_every_answer_has_an_example_that_is_one() -> None:
    missing, wrong = [], []
    for methods in document()["paths"].values():
        for operation in methods.values():
            parts = [("body", operation.get("requestBody", {}))]
            parts += [(status, each) for status, each in operation["responses"].items() if int(status) < 300]
            for part, found in parts:
                for kind, content in found.get("content", {}).items():
                    if kind != "application/json":
                        continue
                    if "example" not in content:
                        missing.append((operation["operationId"], part))
                        continue
                    schema = {"components": document()["components"], **content["schema"]}
                    errors = list(Draft202012Validator(schema).iter_errors(content["example"]))
                    wrong += [(operation["operationId"], part, each.message[:200]) for each in errors]
    assert missing == [], "Run `make openapi`, `make examples`, `make openapi` again; a test must call the operation."
    assert wrong == []


def test_components_are_called_as_the_trade_calls_them() -> None:
    private = ("Shown", "Wish", "Draft", "Offer", "Choice", "Kept", "Asked")
    assert [name for name in document()["components"]["schemas"] if name.endswith(private)] == []
    unknown = NAMES.keys() - {each.rpartition("__")[2] for each in _class_names()}
    assert not unknown, "NAMES names classes that are gone."


def _class_names() -> set[str]:
    shown = {name.removeprefix("Shown") for name in _subclasses(BaseModel)}
    return shown | set(_subclasses(StrEnum))


def _subclasses(of: type[object]) -> Iterator[str]:
    for each in of.__subclasses__():
        yield each.__name__
        yield from _subclasses(each)


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    described = {f"{method.upper()} {path}" for path, methods in document()["paths"].items() for method in methods}
    declared = {key.replace("<", "{").replace(">", "}") for key in ROUTES}
    assert described == declared | BEHIND_THE_GATEWAY_ALONE


def test_every_route_says_what_it_answers() -> None:
    assert [key for key, route in ROUTES.items() if bool(route.answers) == (route.status == 204)] == []


def test_every_model_of_an_answer_is_shown_itself_or_as_a_part_of_another() -> None:
    text = json.dumps(document())
    shown = {model for name, model in MODELS.items() if f'schemas/{name}"' in text}
    assert [name for name, model in MODELS.items() if not any(issubclass(each, model) for each in shown)] == []


def test_every_parameter_of_every_operation_says_what_it_means() -> None:
    silent = [
        f"{method.upper()} {path}: {each['name']}"
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        for each in operation["parameters"]
        if not each.get("description")
    ]
    assert not silent, "Say it where the parameter is declared, then run `make openapi`."


def test_a_description_says_the_bounds_and_the_default_that_the_handler_has() -> None:
    described = {
        each["name"]: each["description"] for each in document()["paths"]["/api/v1/features"]["get"]["parameters"]
    }
    assert described["pageSize"] == "Items on a page, where `page` asks for one. 1 to 1000; 100 unless given."
    assert described["orderBy"] == "What the list is sorted by. `createdAt` unless given."


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_scope() -> None:
    operations = [each for methods in document()["paths"].values() for each in methods.values()]
    ids = [each["operationId"] for each in operations]
    assert len(set(ids)) == len(ids)
    assert all(each["summary"] for each in operations)
    assert {each.get("x-scope") for each in operations if each.get("security") != []} == {
        "read",
        "admin",
        "ingest",
        "operator",
        "portal",
    }


def test_every_refusal_that_an_operation_may_answer_is_described() -> None:
    described = document()["components"]["responses"]
    operations = [each for methods in document()["paths"].values() for each in methods.values()]
    answered = {status for each in operations for status in each["responses"] if int(status) >= 400}
    statuses = (*problem.STATUS.values(), HTTPStatus.INTERNAL_SERVER_ERROR)
    table = {str(int(status)): problem.phrase_of(status).upper().replace(" ", "_") for status in statuses}
    assert set(described) == {table[status] for status in answered}


def test_no_line_of_a_description_is_indented_into_code() -> None:
    operations = [each for methods in document()["paths"].values() for each in methods.values()]
    described = [each.get("description", "") for each in (*operations, *document()["components"]["schemas"].values())]
    assert [text for text in described if "\n " in text] == []


def test_a_parameter_says_once_what_it_is_unless_given() -> None:
    operations = [each for methods in document()["paths"].values() for each in methods.values()]
    said = {each["description"] for operation in operations for each in operation["parameters"]}
    assert [text for text in said if text.count("unless given") > 1 or "counted from 1; without it" in text] == []


def test_a_page_that_is_not_asked_for_is_no_first_page() -> None:
    parameters = {each["name"]: each for each in document()["paths"]["/api/v1/features"]["get"]["parameters"]}
    assert "default" not in parameters["page"]["schema"]


def test_what_the_gateway_says_itself_is_described_of_every_operation() -> None:
    message, operations = '{"message":"x"}', 0
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            operations += 1
            keyed = [] if operation.get("security") == [] else [401, 403, 413]
            for status in (*keyed, 429, 500, 503):
                assert differences(method.upper(), path, status, "application/json", message, strict=True) == []
    assert operations > len(ROUTES)


def test_a_body_the_handler_takes_is_a_body_the_document_describes() -> None:
    for path, body in (("meters", METER), ("features", FEATURE), ("customers", CUSTOMER)):
        content = document()["paths"][f"/api/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]
        validator = Draft202012Validator({"components": document()["components"], **content["schema"]})
        assert validator.is_valid(body)
        assert not validator.is_valid({**body, "unknown": 1})


def test_an_answer_that_differs_is_noticed() -> None:
    found = differences("GET", "/api/v1/meters/x", 200, "application/json", '{"id": 1, "extra": 2}', strict=True)
    assert any("'slug' is a required property" in each for each in found)
    assert any("extra" in each for each in found)
    assert differences("GET", "/api/v1/meters", 418, None, "", strict=False)


@pytest.mark.parametrize("page", [{}, {"page": 1, "pageSize": 10, "totalCount": 0}])
def test_a_page_that_differs_is_noticed(page: dict[str, Any]) -> None:
    def found(answer: dict[str, Any]) -> list[str]:
        return differences("GET", "/api/v1/plans", 200, "application/json", json.dumps(answer), strict=True)

    assert found(page | {"items": []} | ({} if page else {"nextCursor": "x"})) == []
    assert found(page)
    assert found(page | {"items": [], "extra": 2})
    assert found(page | {"items": [{"id": 1}]})


def served(**headers: str) -> Response:
    """To nobody in particular."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    event = payload("GET", PATH, headers=sent)
    del event["requestContext"]["authorizer"]
    return Client(http_api.handler).send(event)


def test_the_document_is_served_to_anybody_and_kept_by_caches() -> None:
    answer = served()
    assert (answer.status, json.loads(answer.text)) == (200, document())
    assert len(answer.text.encode()) * 3 < http_openapi.DOCUMENT.stat().st_size * 2
    assert answer.headers["cache-control"] == "public, max-age=3600"
    again = served(if_none_match=answer.headers["etag"])
    assert (again.status, again.text, again.headers["etag"]) == (304, "", answer.headers["etag"])


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*", "GZIP", "identity, gzip ; q=1.0"])
def test_the_document_is_packed_for_a_caller_that_takes_gzip(accepted: str) -> None:
    plain, packed = served(), served(accept_encoding=accepted)
    assert (packed.headers["content-encoding"], packed.text) == ("gzip", plain.text)
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    assert served(accept_encoding=accepted, if_none_match=packed.headers["etag"]).status == 304
    assert served(accept_encoding=accepted, if_none_match=plain.headers["etag"]).status == 200


def test_the_packed_document_is_an_eighth_of_it() -> None:
    answer = http_api.handler(payload("GET", PATH, headers={"accept-encoding": "gzip"}), None)
    assert len(base64.b64decode(answer["body"])) * 8 < len(served().text)


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "*, gzip;q=0.000", "identity", "x-gzip-like"])
def test_the_document_is_plain_for_a_caller_that_does_not_take_gzip(accepted: str) -> None:
    answer = served(accept_encoding=accepted)
    assert json.loads(answer.text) == document()
    assert "content-encoding" not in answer.headers


def test_the_document_holds_no_secret_and_no_address() -> None:
    text = http_openapi.DOCUMENT.read_text()
    assert not any(word in text for word in ("amazonaws", "arn:aws", "localhost", "127.0.0.1", "/work"))
