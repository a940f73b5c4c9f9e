"""API Gateway on loopback, as small as the genuine client needs it: authorizer, routes, payload 2.0."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.metering import http_ingest
from tests.handlers.gateway import payload


@contextmanager
def gateway() -> Iterator[str]:
    """The address of a server that answers with the real handlers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def respond(method: str, target: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    path, _, query = target.partition("?")
    if "authorization" not in headers:
        return {"statusCode": 401, "body": '{"message":"Unauthorized"}'}
    verdict = http_authorize.handler({"headers": headers}, None)
    if not verdict["isAuthorized"]:
        return {"statusCode": 403, "body": '{"message":"Forbidden"}'}
    event = payload(method, unquote(path), params=query, body=body.decode() or None, headers=headers)
    event["requestContext"]["authorizer"]["lambda"] = verdict["context"]
    is_ingest = (method, path) == ("POST", "/api/v1/events")
    handler = http_ingest.handler if is_ingest else http_api.handler
    answer: dict[str, Any] = json.loads(json.dumps(handler(event, None)))
    return answer


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = respond(self.command, self.path, headers, self.rfile.read(int(headers.get("content-length", 0))))
        body = (answer.get("body") or "").encode()
        self.send_response(answer["statusCode"])
        for name, value in answer.get("headers", {"Content-Type": "application/json"}).items():
            self.send_header(name, value)
        for name, values in (answer.get("multiValueHeaders") or {}).items():
            self.send_header(name, ",".join(values))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        return
