"""`data_base64`: bytes that are JSON are data like any other, everything else is refused by its index."""

import base64
import json
from typing import Any

import pytest

from functions.domain.errors import InvalidInput
from functions.domain.metering.values.cloudevents import parse_events, parse_partially
from functions.domain.metering.values.event import AcceptanceWindow, Event
from functions.domain.metering.values.event_json import MAX_DEPTH
from functions.domain.metering.values.lanes import Lanes

NOW = 1_790_000_000
LANES = Lanes(8, b"a key of the test")
GOOD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "c"}


def parse(*events: dict[str, Any]) -> list[Event]:
    return parse_events(json.dumps(events).encode(), "default", LANES, AcceptanceWindow(), NOW)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "taken"),
    [
        (b'{"n":1}', b'{"n":1}'),
        (b' {"n":\n 1} ', b'{"n":1}'),
        (b'{"n":0.10000000000000000000000001}', b'{"n":0.10000000000000000000000001}'),
        (b'{"k":"\\ud83d"}', b'{"k":"\\ufffd"}'),
        ('{"k":"größe"}'.encode(), '{"k":"größe"}'.encode()),
        (b"null", b""),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("content_type", [None, "application/json", "application/vnd.acme+json; charset=utf-8"])
def test_json_in_base64_is_data(data: bytes, taken: bytes, content_type: str | None) -> None:
    (_, event) = parse(GOOD, GOOD | {"data_base64": encoded(data), "datacontenttype": content_type})
    assert event.data == taken


def test_null_is_no_data() -> None:
    assert parse(GOOD | {"data_base64": None})[0].data == b""
    assert parse(GOOD | {"data_base64": None, "data": {"n": 1}})[0].data == b'{"n": 1}'


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"data_base64": encoded(b'{"n":1}'), "data": {"n": 2}}, "data_base64", "data_twice"),
        ({"data_base64": encoded(b'{"n":1}'), "data": None}, "data_base64", "data_twice"),
        ({"data_base64": "no base64"}, "data_base64", "invalid_base64"),
        ({"data_base64": "eyJuIjoxfQ"}, "data_base64", "invalid_base64"),
        ({"data_base64": {"n": 1}}, "data_base64", "invalid_base64"),
        ({"data_base64": "\u00e9\u00e9\u00e9\u00e9"}, "data_base64", "invalid_base64"),
        ({"data_base64": encoded(b"plain text")}, "data_base64", "malformed_json"),
        ({"data_base64": encoded(b'{"n":1},"id":"2"')}, "data_base64", "malformed_json"),
        ({"data_base64": encoded(b"[1]")}, "data", "not_an_object"),
        ({"data_base64": encoded(b'{"k":"\xff"}')}, "data", "invalid_utf8"),
        ({"data_base64": encoded(b'{"k":1,"k":2}')}, "data", "duplicate_key"),
        ({"data_base64": encoded(b'{"k":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}")}, "data", "too_deep"),
        ({"data_base64": encoded(b"[" * 50_000 + b"]" * 50_000)}, "data_base64", "too_deep"),
        ({"data_base64": encoded(b"{}"), "datacontenttype": "text/plain"}, "datacontenttype", "unsupported"),
    ],
)
def test_what_is_no_json_object_in_base64_is_refused_by_its_index(
    change: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(GOOD, GOOD | change, GOOD)
    assert [(error.field, error.code) for error in refused.value.fields] == [(f"[1].{field}", code)]
    body = json.dumps([GOOD, GOOD | change]).encode()
    judged = parse_partially(body, "default", LANES, AcceptanceWindow(), NOW)
    assert judged[0].event and judged[1].errors[0].code == code


def test_only_an_object_is_taken_as_data() -> None:
    for data in ("text", [1], 5, True, encoded(b"x")):
        with pytest.raises(InvalidInput, match='"value": 5') as refused:
            parse(GOOD | {"data": data})
        assert refused.value.fields[0].code == "not_an_object"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "text/json",
        "application/vnd.acme.usage.v1+json",
        "application/cloudevents+json",
        "image/svg+json ; q=1",
    ],
)
def test_every_media_type_of_json_is_taken(content_type: str) -> None:
    (event,) = parse(GOOD | {"data": {"n": 1}, "datacontenttype": content_type})
    assert json.loads(event.data) == {"n": 1}


@pytest.mark.parametrize(
    "content_type", ["", "json", "application/", "application/jsonl", "application/json+xml", "+json", "text/plain"]
)
def test_another_media_type_of_data_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(GOOD | {"data": {"n": 1}, "datacontenttype": content_type})
    assert refused.value.fields[0].field == "[0].datacontenttype"


def test_a_long_extension_name_is_taken_and_kept() -> None:
    name = "averylongextensionname" * 2
    (event,) = parse(GOOD | {name: "x"})
    assert json.loads(event.extensions) == {name: "x"}
