"""CloudEvents in binary mode: attributes in headers, data in the body, and the same checks as any other event."""

import base64
import json
from typing import Any

import pytest

from functions.adapters.memory.ledger import MemoryStream
from functions.domain.metering.values.event import Event, Pack
from functions.domain.metering.values.event_json import MAX_DEPTH
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.metering import http_ingest, ingest_body
from functions.handlers.wiring import metering

JSON = ingest_body.JSON
HEADERS = {
    "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/gateway", "ce-type": "prompt", "ce-subject": "acme",
}  # fmt: skip


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> MemoryStream:
    memory = MemoryStream()
    monkeypatch.setattr(metering, "event_stream", lambda: memory)
    monkeypatch.setattr(metering, "lanes", lambda: Lanes(4, b"a key of the test"))
    return memory


def post(body: bytes = b'{"n":1}', content_type: str | None = JSON, query: str = "", **more: str) -> dict[str, Any]:
    """`more` are headers, with _ for -; an empty one is left out."""
    headers = HEADERS | {name.replace("_", "-"): value for name, value in more.items()}
    headers = {name: value for name, value in headers.items() if value}
    return http_ingest.handler(
        {
            "headers": headers | ({"content-type": content_type} if content_type is not None else {}),
            "rawQueryString": query,
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
            "requestContext": {
                "requestId": "r1",
                "authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}},
            },
        },
        None,
    )


def taken(stream: MemoryStream) -> Event:
    (pack,) = stream.records
    assert isinstance(pack, Pack)
    (event,) = pack.events
    return event


def refused(answer: dict[str, Any]) -> list[tuple[str, str]]:
    assert answer["statusCode"] == 400
    problem = json.loads(answer["body"])
    return [(error["field"], error["code"]) for error in problem["extensions"]["validationErrors"]]


def test_attributes_are_headers_and_data_is_the_body(stream: MemoryStream) -> None:
    body = b'{"id":"of the data","type":"x","subject":"y","tokens":5}'
    assert post(body, ce_time="2999-01-01T00:00:00Z")["statusCode"] == 400
    assert post(body, ce_traceparent="00-1", ce_dataschema="https://s") == {"statusCode": 204}
    event = taken(stream)
    assert (event.id, event.source, event.type, event.subject) == ("1", "/gateway", "prompt", "acme")
    assert event.data == body
    assert json.loads(event.extensions) == {"traceparent": "00-1", "dataschema": "https://s"}


@pytest.mark.parametrize(
    "content_type",
    [JSON, f"{JSON}; charset=utf-8", "text/json", "application/vnd.acme+json", "Application/JSON", "", None],
)
def test_data_of_every_json_type_is_taken(stream: MemoryStream, content_type: str | None) -> None:
    assert post(content_type=content_type) == {"statusCode": 204}
    assert taken(stream).data == b'{"n":1}'


def test_header_names_come_in_any_case(stream: MemoryStream) -> None:
    headers = {name.title(): value for name, value in HEADERS.items()}
    payload = {
        "headers": {"Content-Type": JSON, **headers},
        "body": '{"n":1}',
        "requestContext": {"authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}}},
    }
    assert http_ingest.handler(payload, None) == {"statusCode": 204}
    assert taken(stream).id == "1"


@pytest.mark.parametrize("body", [b"", b"  \n", b"null"])
@pytest.mark.parametrize("content_type", [JSON, None])
def test_without_a_body_there_is_no_data(stream: MemoryStream, body: bytes, content_type: str | None) -> None:
    assert post(body, content_type) == {"statusCode": 204}
    assert taken(stream).data == b""


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € \U0001f600"),
        ("%e2%82%ac", "€"),
        ("50%25", "50%"),
        ("%2525", "%25"),
        ('"quoted \\"text\\" 50%25"', 'quoted "text" 50%'),
        ('"', '"'),
        ("a%2Cb,c", "a,b,c"),
        ("gr\u00f6\u00dfe", "gr\u00f6\u00dfe"),
        ("half \ud83d", "half \ufffd"),
        ("a+b", "a+b"),
    ],
)
def test_header_values_are_decoded_once(stream: MemoryStream, sent: str, meant: str) -> None:
    assert post(ce_subject=sent, ce_note=sent) == {"statusCode": 204}
    assert taken(stream).subject == meant
    assert json.loads(taken(stream).extensions) == {"note": meant}


@pytest.mark.parametrize("value", ["50%", "%4", "%zz", "%ff", "%ed%a0%bd", "%c0%af"])
def test_a_value_that_cannot_be_decoded_is_named(stream: MemoryStream, value: str) -> None:
    assert refused(post(ce_subject=value)) == [("[0].subject", "invalid_header")]
    assert stream.records == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"ce_specversion": "0.3"}, ("[0].specversion", "unsupported")),
        ({"ce_specversion": ""}, ("[0].specversion", "required")),
        ({"ce_subject": ""}, ("[0].subject", "required")),
        ({"ce_id": ""}, ("[0].id", "required")),
        ({"ce_time": "now"}, ("[0].time", "invalid")),
        ({"ce_data": "1"}, ("[0].data", "unknown_field")),
        ({"ce_data_base64": "1"}, ("[0].data-base64", "unknown_field")),
        ({"ce_trace_id": "1"}, ("[0].trace-id", "unknown_field")),
        ({"ce_id": "a%00b"}, ("[0].id", "control_character")),
        ({"ce_source": "x" * 1_025}, ("[0].source", "too_long")),
    ],
)
def test_a_wrong_header_is_named(stream: MemoryStream, change: dict[str, Any], error: tuple[str, str]) -> None:
    assert refused(post(**change)) == [error]
    assert stream.records == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"text", ("[0].data", "malformed_json")),
        (b'{"n":1},"id":"2"', ("[0].data", "malformed_json")),
        (b'{"n":1}}', ("[0].data", "malformed_json")),
        (b"[1]", ("[0].data", "not_an_object")),
        (b'"text"', ("[0].data", "not_an_object")),
        (b'{"k":"\xff"}', ("[0].data", "invalid_utf8")),
        (b'{"k":1,"k":2}', ("[0].data", "duplicate_key")),
        (b'{"k":1e999}', ("[0].data", "number_out_of_range")),
        (b'{"k":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", ("[0].data", "too_deep")),
        (b"[" * 50_000 + b"]" * 50_000, ("[0].data", "too_deep")),
    ],
)
def test_data_that_meters_cannot_read_is_refused(stream: MemoryStream, body: bytes, error: tuple[str, str]) -> None:
    assert refused(post(body)) == [error]
    assert stream.records == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/octet-stream", "text/csv; x=y"])
def test_data_of_another_type_is_told_which_types_are_taken(stream: MemoryStream, content_type: str) -> None:
    answer = post(b"1,2", content_type)
    assert refused(answer) == [("[0].datacontenttype", "unsupported")]
    assert JSON in answer["body"] and content_type in answer["body"]


def test_data_in_another_charset_is_refused_by_name(stream: MemoryStream) -> None:
    answer = post(content_type=f"{JSON}; charset=latin-1")
    assert (answer["statusCode"], "latin-1" in answer["body"]) == (400, True)


def test_a_structured_type_means_what_it_says(stream: MemoryStream) -> None:
    structured = {"specversion": "1.0", "id": "2", "source": "s", "type": "t", "subject": "c"}
    assert post(json.dumps(structured).encode(), ingest_body.EVENT) == {"statusCode": 204}
    assert taken(stream).id == "2"
    assert post(json.dumps([structured]).encode(), ingest_body.BATCH) == {"statusCode": 204}
    assert post(b"", "application/cloudevents+avro")["statusCode"] == 400


def test_without_ce_headers_json_is_an_event_as_ever(stream: MemoryStream) -> None:
    none = dict.fromkeys(("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject"), "")
    event = {"specversion": "1.0", "id": "2", "source": "s", "type": "t", "subject": "c"}
    assert post(json.dumps(event).encode(), **none, ce_note="x") == {"statusCode": 204}
    assert taken(stream).id == "2"


def test_half_a_surrogate_pair_in_the_body_is_replaced(stream: MemoryStream) -> None:
    assert post(b'{"k":"\\ud83d"}') == {"statusCode": 204}
    assert json.loads(taken(stream).data) == {"k": "\ufffd"}


def test_partial_answers_for_the_one_event(stream: MemoryStream) -> None:
    answer = post(query="partial=true")
    assert (answer["statusCode"], json.loads(answer["body"])["accepted"]) == (200, 1)
    answer = post(query="partial=true", ce_subject="")
    (result,) = json.loads(answer["body"])["results"]
    assert (result["index"], result["id"], result["code"]) == (0, "1", "required")
