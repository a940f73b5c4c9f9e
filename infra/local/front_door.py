"""A reverse proxy that gives the emulated HTTP API the address of a website: `http://127.0.0.1:<port>/api/v1/...`.

The emulator keeps its APIs under `/_aws/execute-api/<id>/$default`, which shells expand and clients escape. Nothing
but the address changes: method, path, query, headers, body and status pass through as they are.

    python -m infra.local.front_door --port 8080 --target http://127.0.0.1:4566/_aws/execute-api/<id>/$default
"""

import argparse
import http.client
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from infra.local import paths, processes
from infra.local.ports import LOOPBACK, is_free

NAME = "api"
START_SECONDS = 15.0

# Three times what AWS's gateway lets through, so that the service's own limits are met first.
MAX_BODY_BYTES = 32 * 1024 * 1024
# A little longer than the 30 s after which API Gateway gives up on a function.
UPSTREAM_SECONDS = 40.0
# A client that stops talking must not hold a thread for ever.
CLIENT_SECONDS = 75.0

# They belong to one connection, not to the message (RFC 9110, 7.6.1).
SAID_ANEW = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect"),
}


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PROBLEM = "application/problem+json"
MAX_SHOWN = 20


class Refused(Exception):
    """The front door answers itself, in the words API Gateway uses where that has any."""

    def __init__(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.content_type = content_type


def _problem(status: HTTPStatus, detail: str) -> bytes:
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return json.dumps(body).encode()


class FrontDoor(ThreadingHTTPServer):
    daemon_threads = True
    # Bursts of clients wait in line instead of being refused.
    request_queue_size = 256

    def __init__(self, port: int, target: str) -> None:
        super().__init__((LOOPBACK, port), Passage)
        address = urlsplit(target)
        self.upstream = address.netloc
        self.prefix = address.path.rstrip("/")


class Passage(BaseHTTPRequestHandler):
    """One client connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = CLIENT_SECONDS
    server: FrontDoor

    def pass_through(self) -> None:
        try:
            self._answer(*self._ask_upstream(self._read_body()))
        except Refused as refused:
            self._refuse(refused)
        except ValueError:
            self._refuse(Refused(400, b'{"message":"Bad Request"}'))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = pass_through

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the server below refuses on its own: methods without a meaning, lines that are not HTTP."""
        status = HTTPStatus(code)
        if status is HTTPStatus.NOT_IMPLEMENTED:
            status = HTTPStatus.METHOD_NOT_ALLOWED
            message = f"There is no method {(self.command or '')[:MAX_SHOWN]!r} here; use one of {', '.join(METHODS)}."
        self._refuse(Refused(status, _problem(status, message or status.phrase), PROBLEM))

    def finish(self) -> None:
        with suppress(OSError):  # the client may have gone already
            super().finish()

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            raise Refused(413, b'{"message":"Request Entity Too Large"}')
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            if len(body) + size > MAX_BODY_BYTES:
                raise Refused(413, b'{"message":"Request Entity Too Large"}')
            body += self.rfile.read(size)
            self.rfile.readline(64)
        while self.rfile.readline(1024).strip():
            pass
        return bytes(body)

    def _ask_upstream(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        # A new connection each time: a kept one may be closed by the other side just as we use it.
        connection = http.client.HTTPConnection(self.server.upstream, timeout=UPSTREAM_SECONDS)
        try:
            connection.putrequest(
                self.command, self.server.prefix + self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self._headers_upstream(body):
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, _end_to_end(answer.getheaders()), answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(503, b'{"message":"Service Unavailable"}') from error
        finally:
            connection.close()

    def _headers_upstream(self, body: bytes) -> Iterable[tuple[str, str]]:
        yield "Host", self.server.upstream
        yield from _end_to_end(self.headers.items())
        if body or self.command in {"POST", "PUT", "PATCH"}:
            yield "Content-Length", str(len(body))

    def _answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status >= 200 and status not in {204, 304}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, refused: Refused) -> None:
        # What is left of the request was not read, so nothing more can come over this connection.
        self.close_connection = True
        headers = [("Content-Type", refused.content_type), ("Connection", "close")]
        if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", ", ".join(METHODS)))
        self._answer(refused.status, headers, refused.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing per request: requests may carry customers' data."""


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that travel on; length and host are said anew on each side."""
    return [(name, value) for name, value in headers if name.lower() not in SAID_ANEW]


def start(target: str, choose_port: Callable[[], int]) -> processes.Process:
    """Run a front door to `target` in the background; one that leads there already is kept."""
    running = processes.running(NAME)
    if running and target in running.identity:
        return running
    processes.stop(NAME)
    port = running.port if running else choose_port()
    command = [sys.executable, "-m", "infra.local.front_door", "--port", str(port), "--target", target]
    process = processes.start(NAME, command, port=port, environment={"PYTHONPATH": str(paths.REPOSITORY)})
    processes.wait_until(process, lambda: not is_free(port), seconds=START_SECONDS)
    return process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--target", required=True)
    arguments = parser.parse_args()
    with FrontDoor(arguments.port, arguments.target) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
