"""POST /api/v1/events at the edge: types, encodings, sizes, scopes, and what a caller sees when the stream is full."""

import base64
import gzip
import json
from typing import Any

import pytest

from functions.adapters.memory.ledger import MemoryStream
from functions.domain.errors import Unavailable
from functions.domain.metering.values.event import Pack
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.edge import answer_size
from functions.handlers.metering import http_ingest, ingest_body
from functions.handlers.wiring import metering

EVENT = {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "subject": "c1", "data": {"n": 1}}
SINGLE, BATCH, JSON = ingest_body.EVENT, ingest_body.BATCH, ingest_body.JSON


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> MemoryStream:
    memory = MemoryStream()
    monkeypatch.setattr(metering, "event_stream", lambda: memory)
    monkeypatch.setattr(metering, "lanes", lambda: Lanes(4, b"a key of the test"))
    return memory


def post(
    body: Any, content_type: str = SINGLE, *, encoding: str | None = None, scopes: str = "ingest", encoded: bool = False
) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": content_type} | ({"content-encoding": encoding} if encoding else {})
    return http_ingest.handler(
        {
            "headers": headers,
            "body": base64.b64encode(raw).decode() if encoded or encoding else raw.decode(),
            "isBase64Encoded": bool(encoded or encoding),
            "requestContext": {
                "requestId": "r1",
                "authorizer": {"lambda": {"tenant": "acme", "scopes": scopes, "key_id": "k"}},
            },
        },
        None,
    )


def detail(answer: dict[str, Any]) -> str:
    problem = json.loads(answer["body"])
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert problem["status"] == answer["statusCode"]
    assert problem["instance"] == "urn:request:r1"
    return str(problem["detail"])


def ids(stream: MemoryStream) -> list[str]:
    return [event.id for pack in stream.records if isinstance(pack, Pack) for event in pack.events]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (EVENT, SINGLE),
        (EVENT, f"{SINGLE}; charset=utf-8"),
        ([EVENT], BATCH),
        (EVENT, JSON),
        ([EVENT], f"{JSON};charset=UTF-8"),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_events_leave_for_their_lane_and_the_answer_is_an_empty_204(
    stream: MemoryStream, body: Any, content_type: str, encoded: bool
) -> None:
    assert post(body, content_type, encoded=encoded) == {"statusCode": 204}
    assert ids(stream) == ["1"]
    (pack,) = stream.records
    assert isinstance(pack, Pack)
    assert (pack.tenant, pack.lane) == ("acme", Lanes(4, b"a key of the test").lane_of("acme", "c1"))


@pytest.mark.parametrize("content_type", [BATCH, JSON, f"{JSON}; charset=utf-8"])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_taken_with_every_type(stream: MemoryStream, content_type: str, encoding: str) -> None:
    body = gzip.compress(json.dumps([EVENT]).encode())
    assert post(body, content_type, encoding=encoding) == {"statusCode": 204}
    assert ids(stream) == ["1"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "compress", "gzip, gzip"])
def test_another_encoding_is_refused_by_name(stream: MemoryStream, encoding: str) -> None:
    answer = post(gzip.compress(json.dumps([EVENT]).encode()), BATCH, encoding=encoding)
    assert (answer["statusCode"], encoding in detail(answer)) == (415, True)
    assert stream.records == []


def test_gzip_that_a_gateway_took_for_a_text_is_told_which_types_it_takes_for_bytes(stream: MemoryStream) -> None:
    broken = gzip.compress(json.dumps([EVENT]).encode()).decode("utf-8", "replace")
    payload = {
        "headers": {"content-type": JSON, "content-encoding": "gzip"},
        "body": broken,
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "r1",
            "authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}},
        },
    }
    answer = http_ingest.handler(payload, None)
    assert answer["statusCode"] == 415
    assert SINGLE in detail(answer) and BATCH in detail(answer)


def test_gzip_members_one_behind_the_other_are_one_body(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [EVENT | {"id": str(number), "data": {"x": "y" * 40}} for number in range(3_000)]
    whole = json.dumps(events).encode()
    parts = [whole[start : start + 997] for start in range(0, len(whole), 997)]
    zipped = b"".join(map(gzip.compress, parts))
    assert post(zipped, BATCH, encoding="gzip") == {"statusCode": 204}
    assert sorted(ids(stream), key=int) == [str(number) for number in range(3_000)]
    monkeypatch.setattr(ingest_body, "MAX_GZIP_MEMBERS", 3)
    assert post(zipped, BATCH, encoding="gzip")["statusCode"] == 413


def test_members_are_bounded_together(stream: MemoryStream) -> None:
    bomb = gzip.compress(b" " * 7_000_000)
    assert post(bomb + bomb, BATCH, encoding="gzip")["statusCode"] == 400
    assert post(bomb + bomb + bomb, BATCH, encoding="gzip")["statusCode"] == 413


def test_what_follows_gzip_is_gzip_or_refused(stream: MemoryStream) -> None:
    whole = gzip.compress(json.dumps([EVENT]).encode())
    for rest in (b"x", b"\0", whole[:5], json.dumps([EVENT]).encode()):
        assert post(whole + rest, BATCH, encoding="gzip")["statusCode"] == 400
    assert stream.records == []


@pytest.mark.parametrize(
    ("parameters", "is_taken"),
    [
        ("; charset=UTF-8; profile=x", True),
        (';profile="a;charset=latin-1";charset="utf-8"', True),
        ("; CHARSET = us-ascii", True),
        (";", True),
        ("; profile=x", True),
        ("; charset=latin-1", False),
        ('; profile=x; charset="UTF-16"', False),
        ("; charset=", False),
    ],
)
def test_parameters_of_a_content_type_come_in_any_order(stream: MemoryStream, parameters: str, is_taken: bool) -> None:
    for content_type in (SINGLE, JSON):
        answer = post(EVENT, content_type + parameters)
        assert answer["statusCode"] == (204 if is_taken else 400)
        assert is_taken or "charset" in detail(answer)


def test_a_byte_order_mark_is_no_part_of_the_body(stream: MemoryStream) -> None:
    marked = b"\xef\xbb\xbf" + json.dumps([EVENT]).encode()
    assert post(marked, BATCH) == {"statusCode": 204}
    assert post(gzip.compress(marked), BATCH, encoding="gzip") == {"statusCode": 204}
    assert "the body is empty" in detail(post(b"\xef\xbb\xbf", BATCH))
    assert post(b"\xef\xbb\xbf" + marked, BATCH)["statusCode"] == 400


@pytest.mark.parametrize("form", ["utf-16", "utf-16-be", "utf-32"])
def test_utf_16_and_32_are_not_taken_for_utf_8(stream: MemoryStream, form: str) -> None:
    answer = post(base64.b64decode(base64.b64encode(json.dumps([EVENT]).encode(form))), BATCH, encoded=True)
    assert answer["statusCode"] == 400
    assert stream.records == []


@pytest.mark.parametrize("content_type", [SINGLE, BATCH, JSON])
def test_gzip_that_nobody_declared_is_told_how_to_declare_it(stream: MemoryStream, content_type: str) -> None:
    zipped = gzip.compress(json.dumps([EVENT]).encode())
    for body in (zipped, zipped.decode("utf-8", "replace").encode()):
        answer = post(body, content_type, encoded=True)
        assert answer["statusCode"] in (400, 415)
        assert "Content-Encoding: gzip" in detail(answer)
    assert stream.records == []


def test_header_names_come_in_any_case(stream: MemoryStream) -> None:
    payload = {
        "headers": {"Content-Type": BATCH, "CONTENT-ENCODING": "gzip"},
        "body": base64.b64encode(gzip.compress(json.dumps([EVENT]).encode())).decode(),
        "isBase64Encoded": True,
        "requestContext": {"authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}}},
    }
    assert http_ingest.handler(payload, None) == {"statusCode": 204}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/xml", f"{JSON}; charset=latin-1"])
def test_another_content_type_is_refused(stream: MemoryStream, content_type: str) -> None:
    answer = post(EVENT, content_type)
    assert answer["statusCode"] == 400
    assert detail(answer).startswith("invalid content type: ")
    assert stream.records == []


@pytest.mark.parametrize("content_type", [SINGLE, BATCH, JSON])
@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body_is_told_what_a_body_looks_like(stream: MemoryStream, body: bytes, content_type: str) -> None:
    answer = post(body, content_type)
    assert answer["statusCode"] == 400
    told = detail(answer)
    assert "the body is empty" in told
    assert all(each in told for each in (SINGLE, BATCH, JSON))
    shown, _ = json.JSONDecoder().raw_decode(told, told.index("{"))
    assert post(shown, SINGLE) == {"statusCode": 204}


def test_a_gzip_body_of_nothing_is_empty_too(stream: MemoryStream) -> None:
    assert "the body is empty" in detail(post(gzip.compress(b""), BATCH, encoding="gzip"))


def test_a_missing_content_type_is_called_none(stream: MemoryStream) -> None:
    assert detail(post(b"", "")).startswith("invalid content type: none; send ")


def test_an_array_is_not_one_event_and_one_event_no_batch(stream: MemoryStream) -> None:
    assert "array" in detail(post([EVENT], SINGLE))
    assert "array" in detail(post(EVENT, BATCH))
    assert stream.records == []


def test_a_bomb_is_not_inflated_and_broken_gzip_is_refused(stream: MemoryStream) -> None:
    assert post(gzip.compress(b" " * 21_000_000), BATCH, encoding="gzip")["statusCode"] == 413
    assert post(b"no gzip", BATCH, encoding="gzip")["statusCode"] == 400
    whole = gzip.compress(json.dumps([EVENT]).encode())
    assert post(whole[:-9], BATCH, encoding="gzip")["statusCode"] == 400
    assert post(whole + whole, BATCH, encoding="gzip")["statusCode"] == 400
    assert stream.records == []


def test_too_large_a_body_is_413(stream: MemoryStream) -> None:
    assert post(b" " * 4_000_001, JSON)["statusCode"] == 413
    assert post(b" " * 11_000_000, JSON, encoded=True)["statusCode"] == 413


def test_a_batch_with_one_invalid_event_is_refused_whole(stream: MemoryStream) -> None:
    answer = post([EVENT, EVENT | {"subject": ""}], BATCH)
    assert answer["statusCode"] == 400
    (error,) = json.loads(answer["body"])["extensions"]["validationErrors"]
    assert (error["field"], error["code"]) == ("[1].subject", "required")
    assert stream.records == []


def test_the_scope_is_checked(stream: MemoryStream) -> None:
    assert post(EVENT, scopes="read")["statusCode"] == 403
    assert post(EVENT, scopes="admin")["statusCode"] == 204


def test_a_full_stream_is_503_with_retry_after(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_records: object) -> None:
        raise Unavailable("later", retry_after_seconds=2)

    monkeypatch.setattr(stream, "put", full)
    answer = post(EVENT)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "2")


def test_an_unexpected_error_shows_and_logs_nothing_of_the_payload(
    stream: MemoryStream, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(records: object) -> None:
        raise RuntimeError(f"broken by {records}")

    monkeypatch.setattr(stream, "put", broken)
    answer = post(EVENT | {"subject": "a-customers-name"})
    logged = capsys.readouterr().out
    assert answer["statusCode"] == 500
    assert "unexpected error" in logged
    assert "a-customers-name" not in answer["body"] + logged


def test_a_large_batch_is_cut_into_packs_the_stream_takes(stream: MemoryStream) -> None:
    events = [EVENT | {"id": str(number), "data": {"x": "y" * 3_000}} for number in range(1_000)]
    assert post(events, BATCH) == {"statusCode": 204}
    assert len(stream.records) >= 5
    assert sorted(ids(stream), key=int) == [str(number) for number in range(1_000)]


def partial(body: Any, content_type: str = BATCH, query: str = "partial=true") -> tuple[int, Any]:
    raw = body if isinstance(body, str) else json.dumps(body)
    context = {"requestId": "r1", "authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}}}
    request = {"headers": {"content-type": content_type}, "body": raw, "requestContext": context}
    answer = http_ingest.handler(request | {"rawQueryString": query}, None)
    return answer["statusCode"], json.loads(answer["body"]) if "body" in answer else None


def test_partial_takes_what_is_valid_and_says_what_is_not(stream: MemoryStream) -> None:
    wrong = [
        EVENT | {"id": "2", "subject": "", "time": "2020-01-01T00:00:00Z"},
        "no event",
        EVENT | {"id": "4", "x_": 1},
    ]
    status, answer = partial([EVENT, *wrong, EVENT | {"id": "5", "traceid": "t"}, {"id": "6"}])
    assert status == 200
    assert (answer["accepted"], answer["invalid"]) == (2, 4)
    results = answer["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4, 5]
    assert [result.get("id") for result in results] == ["1", "2", None, "4", "5", "6"]
    assert [result["status"] for result in results] == ["accepted", *["invalid"] * 3, "accepted", "invalid"]
    assert [result.get("code") for result in results] == [
        None,
        "too_old",
        "not_an_object",
        "unknown_field",
        None,
        "required",
    ]
    assert [error["field"] for error in results[1]["errors"]] == ["[1].time", "[1].subject"]
    assert results[1]["message"].startswith("[1].time: ")
    assert ids(stream) == ["1", "5"]


def test_partial_takes_a_valid_batch_and_one_event_too(stream: MemoryStream) -> None:
    accepted = {"accepted": 1, "invalid": 0, "results": [{"index": 0, "id": "1", "status": "accepted"}]}
    assert partial(EVENT, SINGLE) == (200, accepted)
    assert partial([EVENT]) == (200, accepted)
    assert partial([EVENT], query="partial=false") == (204, None)
    assert ids(stream) == ["1", "1", "1"]


def test_partial_with_nothing_valid_sends_nothing(stream: MemoryStream) -> None:
    assert partial([{"id": "1"}])[1]["accepted"] == 0
    assert stream.records == []


@pytest.mark.parametrize("body", ["[]", "[1,", '"text"', "", "{"])
def test_partial_of_what_holds_no_events_is_400(stream: MemoryStream, body: str) -> None:
    assert partial(body, JSON)[0] == 400
    assert stream.records == []


@pytest.mark.parametrize("query", ["partial=maybe", "partial=true&partial=false", "partial=true&partial=true"])
def test_partial_is_true_or_false_and_said_once(stream: MemoryStream, query: str) -> None:
    status, problem = partial([EVENT], query=query)
    assert (status, problem["extensions"]["validationErrors"][0]["field"]) == (400, "partial")
    assert partial([EVENT], query="partial=false")[0] == 204


def test_an_answer_too_large_names_the_invalid_ones_only(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_size, "MAX_ANSWER_BYTES", 240)
    status, answer = partial([EVENT, EVENT | {"subject": ""}])
    assert (status, answer["accepted"]) == (200, 1)
    (result,) = answer["results"]
    assert (result["index"], result["status"], result["code"]) == (1, "invalid", "required")


def test_a_full_stream_takes_nothing_of_a_partial_batch(stream: MemoryStream, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_records: object) -> None:
        raise Unavailable("later", retry_after_seconds=2)

    monkeypatch.setattr(stream, "put", full)
    assert partial([EVENT, {"id": "1"}])[0] == 503


@pytest.mark.parametrize("query", ["partal=true", "partial=true&tenant=acme", "tenant=acme"])
def test_a_parameter_it_does_not_know_is_refused_by_name(stream: MemoryStream, query: str) -> None:
    status, answer = partial([EVENT], query=query)
    (error,) = answer["extensions"]["validationErrors"]
    assert (status, error["code"]) == (400, "unknown_parameter")
    assert error["field"] == query.rpartition("&")[2].partition("=")[0]
    assert stream.records == []
