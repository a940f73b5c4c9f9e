"""The shared HTTP layer on a router made for the test: statuses, problem bodies, parsing, pages."""

import gzip
import json
import zlib
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import pytest

from functions.application.held_listing import HeldListing
from functions.domain import errors
from functions.domain.errors import FieldError
from functions.domain.wire import Name, WireModel
from functions.handlers import http_api
from functions.handlers.edge import answer_size, http
from functions.handlers.edge.http import Request
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.query_model import Paged, Sorted
from functions.handlers.edge.resolver import resolver
from functions.handlers.edge.routes import Routes
from functions.handlers.metering import http_ingest
from functions.names import SCOPE_ADMIN, SCOPE_READ
from tests.handlers.gateway import Client, payload

routes = Routes()
ThingName = Annotated[str, "The name of a thing."]


class Thing(WireModel):
    name: Name
    size: Decimal | int | None = None
    labels: dict[str, str] | None = None


@routes.post("/api/v3/things", "Create a thing as the third version has it", scope=SCOPE_ADMIN, status=201)
def create_v3(request: Request, body: Thing) -> http.Answer:
    return http.created({"name": body.name})


class ThingQuery(Sorted, Paged):
    pass


@routes.post("/things", "Create a thing", scope=SCOPE_ADMIN, status=201)
def create(request: Request, body: Thing) -> http.Answer:
    return http.created({"name": body.name, "size": body.size, "tenant": request.tenant})


@routes.get("/things", "List things", scope=SCOPE_READ)
def listed(request: Request[ThingQuery]) -> http.Answer:
    ten = HeldListing(range(10), str)
    found = Listed(ten, lambda n: {"n": n}, descending=request.query.is_descending)
    return http.ok(by_cursor_or_number(request, found))


@routes.get("/things/<name>", "Get a thing", scope=SCOPE_READ)
def one(request: Request, name: ThingName) -> http.Answer:
    return http.ok({"name": name})


@routes.get("/things/<name>/parts/<part>", "Get a part", scope=SCOPE_READ)
def part_of(request: Request, name: ThingName, part: ThingName) -> http.Answer:
    return http.ok({"name": name, "part": part})


@routes.post("/things/<name>/archive", "Archive a thing", scope=SCOPE_ADMIN)
def archived(request: Request, name: ThingName) -> http.Answer:
    return http.ok({"name": name})


@routes.get("/things.json", "Get a file", scope=SCOPE_READ)
def file(request: Request) -> http.Answer:
    return http.ok({"is": "a file"})


@routes.delete("/things/<name>", "Delete a thing", scope=SCOPE_ADMIN)
def removed(request: Request, name: ThingName) -> http.Answer:
    return http.no_content()


@routes.get("/fails/<kind>", "Fail", scope=SCOPE_READ)
def fails(request: Request, kind: ThingName) -> http.Answer:
    match kind:
        case "Unavailable":
            raise errors.Unavailable("Busy.", retry_after_seconds=7)
        case "coded":
            raise errors.InvalidInput("No lines.", code="invoice_create_no_lines")
        case "fields":
            raise errors.Conflict("Taken.", fields=[FieldError("slug", "taken", "Taken.")])
        case "bug":
            raise RuntimeError(f"secret payload {4000 + 711}")
    raise getattr(errors, kind)("Because.")


client = Client(resolver([routes]))

STATUSES = [
    ("InvalidInput", 400, "Bad Request"),
    ("Unauthorized", 401, "Unauthorized"),
    ("Forbidden", 403, "Forbidden"),
    ("NotFound", 404, "Not Found"),
    ("Conflict", 409, "Conflict"),
    ("PreconditionFailed", 412, "Precondition Failed"),
    ("TooLarge", 413, "Request Entity Too Large"),
    ("UnsupportedMedia", 415, "Unsupported Media Type"),
    ("NotSupported", 400, "Bad Request"),
]


@pytest.mark.parametrize(("kind", "status", "title"), STATUSES)
def test_each_refusal_has_its_status_and_a_problem_body(kind: str, status: int, title: str) -> None:
    response = client.get(f"/fails/{kind}")
    assert response.status == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json
    assert body.pop("title") == title
    assert body == {"type": "about:blank", "status": status, "detail": "Because.", "instance": "urn:request:req-1"}


def test_a_title_does_not_depend_on_the_python_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "phrase", "Content Too Large")  # as 3.13 has it
    assert client.get("/fails/TooLarge").json["title"] == "Request Entity Too Large"


def test_unavailable_says_when_to_come_back() -> None:
    response = client.get("/fails/Unavailable")
    assert (response.status, response.headers["retry-after"], response.json["detail"]) == (503, "7", "Busy.")


def test_a_refusal_lists_its_fields() -> None:
    listed = client.get("/fails/fields").json["extensions"]["validationErrors"]
    assert listed == [{"field": "slug", "code": "taken", "message": "Taken."}]


def test_a_refusal_with_a_code_of_its_own_shows_it() -> None:
    listed = client.get("/fails/coded").json["extensions"]["validationErrors"]
    assert listed == [{"field": "$", "code": "invoice_create_no_lines", "message": "No lines."}]


def test_the_unexpected_is_500_without_internals_and_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    response = client.get("/fails/bug")
    assert (response.status, response.json["instance"]) == (500, "urn:request:req-1")
    assert "4711" not in response.text and "RuntimeError" not in response.text
    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["error"], logged["request_id"]) == ("RuntimeError", "req-1")
    assert "in fails" in logged["stack"] and "4711" not in line


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PATCH", "/things"), ("GET", "/"), ("GET", "/a\n")])
def test_an_unknown_route_or_method_is_a_404_problem(method: str, path: str) -> None:
    response = client.call(method, path)
    assert (response.status, response.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/v3/openmeter/events", "/v3/nothing", "/v3/", "/v3", "/v3/openmeter"])
def test_a_path_that_is_taken_for_another_one_is_named_as_it_was_sent(path: str) -> None:
    answer = Client(http_api.handler).post(path, {})
    assert (answer.status, answer.json["detail"]) == (404, f"There is no POST {path}.")


def test_the_third_version_names_what_is_wrong_as_openmeter_does_too() -> None:
    refused = client.post("/api/v3/things", {"name": 1, "colour": "red", "labels": {"a": "x", "b": None}})
    assert {each["field"]: each["rule"] for each in refused.json["invalid_parameters"]} == {
        "name": "type",
        "colour": "unknown_property",
        "labels.b": "type",
    }
    assert len(refused.fields) == 3
    whole = client.post("/api/v3/things", "{").json
    assert [each["field"] for each in whole["invalid_parameters"]] == ["$"]
    assert whole["invalid_parameters"][0]["reason"] == whole["detail"]
    assert "invalid_parameters" not in client.post("/things", "{").json
    assert "invalid_parameters" not in client.acting_as("read").post("/api/v3/things", {"name": "a"}).json


def test_a_payload_that_is_not_from_the_gateway_still_gets_an_answer() -> None:
    answer = client.handler({"hello": "world"}, None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (500, "application/problem+json")


NOBODY: list[dict[str, Any]] = [
    {},
    {"authorizer": {}},
    {"authorizer": {"lambda": {}}},
    {"authorizer": {"lambda": None}},
]


def test_without_a_caller_every_route_of_the_api_is_401_and_so_is_what_is_none() -> None:
    """The authorizer lets a request without a key pass, with an empty context."""
    routes = [route.key for route in http_api.routes()]
    opened = {route.key for route in http_api.routes() if route.scope is None}
    assert opened == {"GET /healthz", "GET /api/v1/openapi.json"}
    for route in [*routes, "GET /nowhere", "POST /api/v1/meters/x/y/z", "PUT /healthz"]:
        method, _, path = route.partition(" ")
        for context in NOBODY:
            event = payload(method, path, params="surprise=1", body="{}")
            del event["requestContext"]["authorizer"]
            event["requestContext"] |= context
            answer = http_api.handler(event, None)
            if route not in opened:
                assert answer["statusCode"] == 401, route
                assert answer["headers"]["WWW-Authenticate"] == "Bearer"
                assert "X-Api-Key" in answer["body"]


def test_without_a_caller_nothing_is_ingested() -> None:
    event = payload("POST", "/api/v1/events", body="{}")
    event["requestContext"]["authorizer"] = {"lambda": {}}
    answer = http_ingest.handler(event, None)
    assert (answer["statusCode"], answer["headers"]["WWW-Authenticate"]) == (401, "Bearer")


def test_a_missing_scope_is_403_and_admin_implies_every_scope() -> None:
    assert client.acting_as("ingest").get("/things").status == 403
    assert client.acting_as("read ingest").get("/things").status == 200
    assert client.acting_as("read").post("/things", {"name": "a"}).status == 403
    assert client.acting_as("admin").get("/things").status == 200


def test_only_an_operator_acts_for_another_tenant() -> None:
    body, operator = {"name": "a"}, client.acting_as("admin operator")
    assert operator.post("/things", body, params={"tenant": "acme"}).json["tenant"] == "acme"
    assert client.acting_as("admin").post("/things", body, params={"tenant": "acme"}).status == 403
    assert client.acting_as("admin").post("/things", body, params={"tenant": "default"}).status == 201
    assert client.acting_as("admin", "acme").post("/things", body).json["tenant"] == "acme"
    assert client.acting_as("admin", "acme").post("/things", body, params={"tenant": "acme"}).status == 201
    assert client.acting_as("admin", "acme").post("/things", body, params={"tenant": "default"}).status == 403
    assert client.acting_as("read").get("/things", {"tenant": "acme"}).status == 403
    assert operator.post("/things", body, params={"tenant": "a#b"}).status == 400


def test_an_operator_may_do_in_another_tenant_what_its_other_scopes_allow() -> None:
    reads, alone = client.acting_as("read operator"), client.acting_as("operator")
    assert reads.get("/things", {"tenant": "acme"}).status == 200
    assert reads.post("/things", {"name": "a"}, params={"tenant": "acme"}).status == 403
    assert alone.get("/things").status == 403


def test_numbers_keep_every_digit_in_and_out() -> None:
    response = client.post("/things", '{"name": "a", "size": 0.1234567890123456789012345678}')
    assert '"size":0.1234567890123456789012345678' in response.text


def test_a_base64_body_is_read() -> None:
    assert client.post("/things", b'{"name": "a"}').json["name"] == "a"


@pytest.mark.parametrize("body", ['\ufeff{"name": "a"}', b'\xef\xbb\xbf{"name": "a"}'], ids=["text", "bytes"])
def test_a_byte_order_mark_before_a_body_is_not_part_of_it(body: str | bytes) -> None:
    assert client.post("/things", body).json["name"] == "a"


SENT_TO_NO_READER: list[tuple[str, str, Any]] = [
    (method, path, body)
    for method, path in (("DELETE", "/things/a"), ("POST", "/things/a/archive"))
    for body in ('{"at": "2026-01-01T00:00:00Z"}', "[]", '""', "0", "x", b"\x1f\x8b\x08", b'{"a": null}')
]


@pytest.mark.parametrize(("method", "path", "body"), SENT_TO_NO_READER)
def test_a_body_that_no_route_reads_is_refused(method: str, path: str, body: Any) -> None:
    answer = client.call(method, path, body)
    assert (answer.status, answer.json["detail"][:25]) == (400, "This route reads no body:")


@pytest.mark.parametrize("body", [None, "", " \n", "{}", " { } ", "null", b"{}"])
def test_a_body_that_says_nothing_is_sent_by_many_clients(body: Any) -> None:
    assert client.call("DELETE", "/things/a", body).status == 204
    assert client.call("POST", "/things/a/archive", body).status == 200


MALFORMED: list[Any] = [
    "\ufeff",
    "{",
    "",
    "  ",
    "[]",
    '"text"',
    "null",
    '{"name": NaN}',
    '{"name": "a", "size": Infinity}',
    '{"name": "a", "size": 1' + "0" * 400 + "}",
    '{"name": "a", "size": 0.' + "1" * 400 + "}",
    '{"name": "a", "size": 1e999999999}',
    '{"name": "a", "size": 1e-999999999}',
    '{"name": "a", "size": 1e99999999999999999999999}',
    '{"name": "\\ud800"}',
    '{"\\udfff": 1}',
    "[" * 100_000,
    '{"a":' * 20_000,
    '{"labels": ' + "[" * 100 + "]" * 100 + "}",
    '{"labels": ' + '{"a":' * 900 + "1" + "}" * 900 + "}",
    '{"name": "a", "name": "b"}',
    '{"name": "a", "labels": {"x": "1", "\\u0078": "2"}}',
    '{"name": "a"} trailing',
    '{"name": "a", "unknown": 1}',
    '{"name": 1}',
    '{"name": ""}',
    '{"name": "' + "x" * 257 + '"}',
    b"\xff\xfe",
    b'{"name": "\xc3("}',
    "\x00",
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body)[:30])
def test_a_bad_body_is_a_400_that_says_why(body: Any) -> None:
    response = client.post("/things", body)
    assert response.status == 400, response.text
    assert len(response.json["detail"]) > 20


def test_an_empty_body_is_told_what_it_needs() -> None:
    assert client.post("/things", " ").json["detail"] == "The body is empty; send a JSON object with at least name."


def test_nesting_is_bounded_at_a_hundred_levels_beside_any_other_error() -> None:
    deepest = '{"labels": ' + "[" * 99 + "]" * 99 + "}"
    assert sorted(client.post("/things", deepest).fields) == ["labels", "name"]
    too_deep = client.post("/things", deepest.replace("[]", "[[]]"))
    assert "more than 100 arrays and objects in each other" in too_deep.json["detail"]
    in_a_text = client.post("/things", {"name": "[" * 200})
    assert in_a_text.status == 201


def test_a_name_that_comes_twice_is_named() -> None:
    assert "'name' comes more than once" in client.post("/things", '{"name": "a", "name": "b"}').json["detail"]


def test_malformed_json_names_the_position() -> None:
    assert "line 2, column 9" in client.post("/things", '{\n"name": }').json["detail"]


def test_each_wrong_field_is_named_with_its_path() -> None:
    response = client.post("/things", {"name": "", "labels": {"a": 1}, "colour": "red"})
    assert sorted(response.fields) == ["colour", "labels.a", "name"]


def test_an_escaped_pair_of_surrogates_is_a_character() -> None:
    assert client.post("/things", '{"name": "\\ud83d\\ude80"}').json["name"] == "🚀"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "\x00"])
def test_another_media_type_is_415(media_type: str) -> None:
    assert client.post("/things", "{}", headers={"content-type": media_type}).status == 415


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", ""])
def test_json_is_recognised_however_it_is_written(media_type: str) -> None:
    assert client.post("/things", {"name": "a"}, headers={"content-type": media_type}).status == 201


@pytest.mark.parametrize("charset", ["utf-8", '"UTF-8"', "us-ascii"])
def test_json_in_utf8_may_say_so(charset: str) -> None:
    declared = {"content-type": f"application/json; profile=x; charset={charset}"}
    assert client.post("/things", {"name": "é"}, headers=declared).json["name"] == "é"


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", '"latin1"', "windows-1252"])
def test_another_charset_is_refused_by_name(charset: str) -> None:
    answer = client.post("/things", {"name": "a"}, headers={"content-type": f"application/json; charset={charset}"})
    assert answer.status == 400
    assert f"charset {charset.strip(chr(34))!r} is not taken" in answer.json["detail"]


ZIPPED = gzip.compress(b'{"name": "a"}', mtime=0)
PACKED: list[tuple[str, str | bytes]] = [
    ("gzip", ZIPPED),
    ("GZIP", ZIPPED.decode(errors="replace")),
    ("", ZIPPED),
    ("", ZIPPED.decode(errors="replace")),
    ("deflate", zlib.compress(b'{"name": "a"}')),
    ("zstd", b"\x28\xb5\x2f\xfd"),
]


@pytest.mark.parametrize(("encoding", "body"), PACKED)
def test_a_packed_body_is_415_and_says_where_one_may_be_sent(encoding: str, body: str | bytes) -> None:
    answer = client.post("/things", body, headers={"content-encoding": encoding})
    assert answer.status == 415
    named = f"Content-Encoding {encoding.lower()!r}" if encoding else "gzip"
    assert answer.json["detail"] == f"Send the body as it is, not in {named}: only events may be sent packed."


@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "br"])
@pytest.mark.parametrize("before", ["", " \n", "\ufeff"])
def test_a_body_that_a_gateway_unpacked_is_taken_whatever_the_header_says(encoding: str, before: str) -> None:
    made = client.post("/things", before + '{"name": "a"}', headers={"content-encoding": encoding})
    assert made.status == 201


def test_a_body_beyond_the_bound_is_413() -> None:
    assert client.post("/things", {"name": "x" * 300_000}).status == 413


def test_broken_base64_is_400() -> None:
    event = payload("POST", "/things", body=b"{}") | {"body": "%%%"}
    assert client.handler(event, None)["statusCode"] == 400


def test_a_deletion_answers_204_with_an_empty_text() -> None:
    # Not a missing one: an emulator or proxy may fail on it.
    answer = client.handler(payload("DELETE", "/things/a"), None)
    assert (answer["statusCode"], answer["body"]) == (204, "")


def test_an_answer_too_large_for_a_function_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_size, "MAX_ANSWER_BYTES", 20)
    answer = client.get("/things")
    assert answer.status == 413
    assert "shorter range" in answer.json["detail"]


def test_a_page_has_items_size_and_total() -> None:
    first = client.get("/things").json
    assert (first["page"], first["pageSize"], first["totalCount"], len(first["items"])) == (1, 100, 10, 10)
    last = client.get("/things", {"page": 3, "pageSize": 4, "order": "DESC"}).json
    assert last == {"items": [{"n": 1}, {"n": 0}], "page": 3, "pageSize": 4, "totalCount": 10}
    beyond = client.get("/things", {"page": 1_000_000, "pageSize": 1000}).json
    assert (beyond["items"], beyond["totalCount"]) == ([], 10)


def test_an_unknown_parameter_is_refused_with_all_that_are_known() -> None:
    answer = client.get("/things", "page=1&pagesize=5&filter[a]=b&pagesize=6")
    assert (answer.status, answer.fields) == (400, ["pagesize", "filter"])
    assert "Did you mean 'pageSize'?" in answer.json["detail"]
    assert "It takes page, pageSize, cursor, limit, order, orderBy, tenant." in answer.json["detail"]


def test_a_route_without_parameters_takes_none() -> None:
    assert client.get("/things/a", "page=1").fields == ["page"]
    assert client.post("/things", {"name": "a"}, params="dryRun=true").fields == ["dryRun"]
    assert client.get("/nowhere", "page=1").status == 404


BAD_PAGES = [
    "page=0",
    "page=-1",
    "page=one",
    "page=1000001",
    "page=" + "9" * 400,
    "page=%D9%A1",
    "pageSize=0",
    "pageSize=1001",
    "order=UP",
    "page=%ff",
    "&".join("a=b" for _ in range(1001)),
]


@pytest.mark.parametrize("query", BAD_PAGES, ids=lambda query: query[:20])
def test_a_page_out_of_bounds_is_400(query: str) -> None:
    assert client.get("/things", query).status == 400


NAMES = [
    "a b é",
    "o\u2019neil",
    "\u20ac",
    '"',
    "#",
    "?",
    "\\",
    "`",
    "🚀",
    "a\u00a0b",
    "हिन्दी",
    "a\u0301",
    "a\nb",
    "\x01",
    "<&>",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_parameter_may_be_percent_encoded(name: str) -> None:
    for sent in (name, quote(name, safe="")):
        assert client.get(f"/things/{sent}").json == {"name": name}
        assert client.get(f"/things/{sent}/parts/{sent}").json == {"name": name, "part": name}
        assert client.get(f"/things/{sent}/other").status == 404


def test_a_path_parameter_may_have_an_encoded_slash_but_no_plain_one() -> None:
    assert client.get("/things/a%20b%2Fc").json == {"name": "a b/c"}
    assert client.get("/things/a b/c").status == 404
    assert client.get("/things/").status == 404


def test_a_dot_in_a_path_is_a_dot() -> None:
    assert client.get("/things.json").json == {"is": "a file"}
    assert client.get("/thingsxjson").status == 404


def test_what_an_answer_takes_inside_of_the_functions_answer_is_counted() -> None:
    text = json.dumps({"a": 'quote " and \\ and ü\n'}, ensure_ascii=False) + "\r\n"
    assert answer_size.carried_bytes(text) == len(json.dumps(text, ensure_ascii=False).encode()) - 2
