"""What the genuine CloudEvents packages of Python and Node put on the wire is taken, in both content modes."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents import conversion
from cloudevents.http import CloudEvent

from functions.adapters.memory.ledger import MemoryStream
from functions.domain.metering.values.event import Event, Pack
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.metering import http_ingest, ingest_body
from functions.handlers.wiring import base, metering
from infra.local import paths
from tests.handlers.gateway import payload

SCRIPT = Path(__file__).with_name("node_cloudevents.mjs")
MOST_SECONDS = 60
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)

Message = tuple[dict[str, Any], bytes]
Make = Callable[[CloudEvent], tuple[dict[str, str], Any]]


class Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> MemoryStream:
    memory = MemoryStream()
    monkeypatch.setattr(metering, "event_stream", lambda: memory)
    monkeypatch.setattr(metering, "lanes", lambda: Lanes(4, b"a key of the test"))
    monkeypatch.setattr(base, "clock", Clock)
    return memory


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    """What Node made, by name."""
    folder = tmp_path_factory.mktemp("node")
    # A module is looked for beside the script that imports it.
    (folder / "node_modules").symlink_to(paths.NODE_TOOLS / "node_modules")
    command = ["node", shutil.copy(SCRIPT, folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    made: dict[str, Any] = json.loads(ran.stdout)
    return {name: (each["headers"], (each.get("body") or "").encode()) for name, each in made.items()}


def send(message: Message) -> dict[str, Any]:
    headers, body = message
    sent = payload("POST", "/api/v1/events", body=body, headers={name: str(value) for name, value in headers.items()})
    if "content-type" not in headers:
        del sent["headers"]["content-type"]
    return http_ingest.handler(sent, None)


def taken(stream: MemoryStream, message: Message) -> list[Event]:
    answer = send(message)
    assert answer == {"statusCode": 204}, answer
    packs = [stream.records.pop(0) for _ in stream.records[:]]
    return [event for pack in packs if isinstance(pack, Pack) for event in pack.events]


def made(data: Any = None, **attributes: str) -> CloudEvent:
    named = {"id": "py-1", "source": "/py", "type": "prompt", "subject": "acme", "time": "2026-11-28T10:00:00.25+00:00"}
    return CloudEvent(named | attributes, data)


def binary(event: CloudEvent) -> Message:
    headers, body = conversion.to_binary(event)
    return headers, body or b""


def structured(event: CloudEvent) -> Message:
    headers, body = conversion.to_structured(event)
    return headers, body


@pytest.mark.parametrize("mode", [binary, structured])
def test_python_sends_in_both_modes(stream: MemoryStream, mode: Make) -> None:
    data = {"tokens": 5, "model": "größe \U0001f600"}
    (event,) = taken(stream, mode(made(data, traceparent="00-1", averylongextensionname="x")))
    assert (event.id, event.source, event.type, event.subject) == ("py-1", "/py", "prompt", "acme")
    assert (json.loads(event.data), event.micros) == (data, 250_000)
    assert json.loads(event.extensions) == {"traceparent": "00-1", "averylongextensionname": "x"}
    (event,) = taken(stream, mode(made()))
    assert event.data == b""
    (event,) = taken(stream, mode(made({"n": 1}, datacontenttype="application/vnd.acme+json")))
    assert json.loads(event.data) == {"n": 1}


@pytest.mark.parametrize("mode", [binary, structured])
def test_python_sends_json_it_holds_as_bytes(stream: MemoryStream, mode: Make) -> None:
    (event,) = taken(stream, mode(made(b'{"n":1}')))
    assert event.data == b'{"n":1}'


@pytest.mark.parametrize("mode", [binary, structured])
def test_python_is_told_when_its_data_is_no_json(stream: MemoryStream, mode: Make) -> None:
    answer = send(mode(made("five", datacontenttype="text/plain")))
    assert answer["statusCode"] == 400
    assert "application/json" in answer["body"]
    assert stream.records == []


def test_pythons_batch_is_an_array_of_its_structured_events(stream: MemoryStream) -> None:
    bodies = [structured(made({"n": number}, id=str(number)))[1] for number in range(3)]
    body = b"[" + b",".join(bodies) + b"]"
    events = taken(stream, ({"content-type": ingest_body.BATCH}, body))
    assert [event.id for event in events] == ["0", "1", "2"]


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_node_sends_in_both_modes(stream: MemoryStream, node: dict[str, Message], mode: str) -> None:
    (event,) = taken(stream, node[mode])
    assert (event.id, event.source, event.type, event.subject) == ("node-1", "/node", "prompt", "acme")
    assert (json.loads(event.data), event.micros) == ({"tokens": 5, "model": "größe \U0001f600"}, 250_000)
    (event,) = taken(stream, node[f"{mode} with extensions"])
    read = json.loads(event.extensions)
    assert {name: str(value).lower() for name, value in read.items()} == {
        "traceparent": "00-1",
        "attempt": "3",
        "sampled": "true",
    }
    (event,) = taken(stream, node[f"{mode} without data"])
    assert event.data == b""
    (event,) = taken(stream, node[f"{mode} of another json"])
    assert json.loads(event.data)["tokens"] == 5


def test_node_sends_bytes_and_batches(stream: MemoryStream, node: dict[str, Message]) -> None:
    assert b"data_base64" in node["structured of bytes"][1]
    (event,) = taken(stream, node["structured of bytes"])
    assert event.data == b'{"tokens":5}'
    assert [event.id for event in taken(stream, node["batch"])] == ["node-1", "node-2"]


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_node_is_told_when_its_data_is_no_json(stream: MemoryStream, node: dict[str, Message], mode: str) -> None:
    answer = send(node[f"{mode} of a text"])
    assert answer["statusCode"] == 400
    assert "application/json" in answer["body"]
    assert stream.records == []
