"""The front door changes the address of a request and nothing else."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from infra.local.front_door import MAX_BODY_BYTES, FrontDoor
from infra.local.ports import LOOPBACK, free_port

PREFIX = "/_aws/execute-api/0123abcd/$default"


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked: the status wanted by the path, the rest in headers and body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.headers.get("X-Want-Status", "200")))
        self.send_header("X-Seen-Path", self.path)
        self.send_header("X-Seen-Type", self.headers.get("Content-Type", ""))
        self.send_header("X-Seen-Encoding", self.headers.get("Content-Encoding", ""))
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_response(204)
        self.send_header("X-Seen-Path", self.path)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def door() -> Iterator[str]:
    """The address of a front door before an echoing upstream."""
    upstream = ThreadingHTTPServer((LOOPBACK, 0), Echo)
    front_door = FrontDoor(0, f"http://{LOOPBACK}:{upstream.server_port}{PREFIX}")
    for server in (upstream, front_door):
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://{LOOPBACK}:{front_door.server_port}"
    for server in (front_door, upstream):
        server.shutdown()
        server.server_close()


def test_path_query_headers_status_and_body_pass_unchanged(door: str) -> None:
    body = bytes(range(256))
    answer = httpx.post(
        f"{door}/api/v1/meters/a%2Fb?subject=a&subject=%C3%A9",
        content=body,
        headers={"Content-Type": "application/cloudevents+json", "Content-Encoding": "gzip", "X-Want-Status": "409"},
    )
    assert answer.status_code == 409
    assert answer.content == body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-seen-path"] == f"{PREFIX}/api/v1/meters/a%2Fb?subject=a&subject=%C3%A9"
    assert answer.headers["x-seen-type"] == "application/cloudevents+json"
    assert answer.headers["x-seen-encoding"] == "gzip"


def test_204_has_neither_body_nor_length(door: str) -> None:
    answer = httpx.get(f"{door}/api/v1/events")
    assert answer.status_code == 204
    assert answer.content == b""
    assert "content-length" not in answer.headers


def test_one_connection_carries_many_requests(door: str) -> None:
    with httpx.Client(base_url=door) as client:
        bodies = [client.post("/api", content=str(number).encode()).text for number in range(5)]
    assert bodies == ["0", "1", "2", "3", "4"]


def test_a_chunked_body_arrives_whole(door: str) -> None:
    chunks = [b"first,", b"second,", b"third"]
    assert httpx.post(f"{door}/api", content=iter(chunks)).content == b"first,second,third"


def test_a_body_above_the_bound_is_refused_before_it_is_read(door: str) -> None:
    port = int(door.rpartition(":")[2])
    with socket.create_connection((LOOPBACK, port), timeout=5) as raw:
        raw.sendall(f"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "get"])
def test_an_unknown_method_is_a_405_problem_that_names_the_known_ones(door: str, method: str) -> None:
    port = int(door.rpartition(":")[2])
    with socket.create_connection((LOOPBACK, port), timeout=5) as raw:
        raw.sendall(f"{method} /api HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = http.client.HTTPResponse(raw)
        answer.begin()
        body = json.loads(answer.read())
    assert (answer.status, body["status"], answer.getheader("content-type")) == (405, 405, "application/problem+json")
    assert method in body["detail"] and "DELETE" in (answer.getheader("allow") or "")


def test_a_header_beyond_the_bound_is_a_431_problem(door: str) -> None:
    answer = httpx.get(f"{door}/api", headers={"X-Long": "x" * 70_000})
    assert (answer.status_code, answer.headers["content-type"]) == (431, "application/problem+json")


def test_a_nonsense_length_is_a_bad_request(door: str) -> None:
    port = int(door.rpartition(":")[2])
    with socket.create_connection((LOOPBACK, port), timeout=5) as raw:
        raw.sendall(b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_without_an_emulator_behind_it_the_answer_is_503() -> None:
    front_door = FrontDoor(0, f"http://{LOOPBACK}:{free_port()}{PREFIX}")
    threading.Thread(target=front_door.serve_forever, args=(0.01,), daemon=True).start()
    try:
        assert httpx.get(f"http://{LOOPBACK}:{front_door.server_port}/api/v1/meters").status_code == 503
    finally:
        front_door.shutdown()
        front_door.server_close()
