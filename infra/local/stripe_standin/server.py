"""The sockets: an HTTP server on loopback that turns requests into service calls and pages."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from infra.local.stripe_standin import collecting, pages
from infra.local.stripe_standin.idempotency import Answer
from infra.local.stripe_standin.refusal import Refusal
from infra.local.stripe_standin.service import ConnectionDropped, Request, Service
from infra.local.stripe_standin.webhooks import Target
from infra.local.stripe_standin.world import API_VERSION, Json

HOST = "127.0.0.1"
HTML = "text/html; charset=utf-8"
MAX_BODY_BYTES = 4 * 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave together and at once; otherwise each answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "Server"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what was asked is in /_standin/requests."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        try:
            body = self._body()
            if url.path.startswith("/v1/"):
                self._api(url.path, body or url.query)
            elif url.path.startswith("/_standin/"):
                self._control(url.path.removeprefix("/_standin/"), body)
            else:
                self._page(url.path, url.query)
        except Refusal as refusal:
            self._json(Answer(refusal.status, refusal.body))
        except ConnectionDropped:
            self.close_connection = True

    def _body(self) -> str:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            raise Refusal(413, "Request entity too large.")
        return self.rfile.read(length).decode("utf-8", "replace")

    def _api(self, path: str, encoded: str) -> None:
        key = self.headers.get("Idempotency-Key")
        request = Request(self.command, path, encoded, self.headers.get("Authorization", ""), key)
        answer = self.server.service.answer(request)
        headers = {"Request-Id": f"req_{threading.get_ident()}{time.monotonic_ns()}", "Stripe-Version": API_VERSION}
        if key and self.command == "POST":
            headers["Idempotency-Key"] = key
        if answer.is_replayed:
            headers["Idempotent-Replayed"] = "true"
        if answer.status >= 500:
            headers["Stripe-Should-Retry"] = "false"
        self._json(answer, headers)

    def _control(self, action: str, body: str) -> None:
        service = self.server.service
        if self.command == "GET":
            if action == "requests":
                self._json(Answer(200, {"requests": list(service.log)}))
            elif action == "deliveries":
                self._json(Answer(200, {"deliveries": list(service.webhooks.deliveries)}))
            elif action == "health":
                self._json(Answer(200, {"ok": True}))
            else:
                raise Refusal(404, f"There is nothing called {action!r} to read.")
            return
        try:
            given = json.loads(body or "{}")
        except ValueError as error:
            raise Refusal(400, "The body is not JSON.") from error
        if not isinstance(given, dict):
            raise Refusal(400, "The body is not a JSON object.")
        self._json(Answer(200, service.control(action, given)))

    def _page(self, path: str, query: str) -> None:
        with self.server.service.world.lock:
            status, body, kind = self._shown(path.strip("/").split("/"), query)
        # Sent after the lock is free: a browser that does not read must not stop the API.
        headers = {"Location": body.decode()} if status == 303 else {}
        self._send(status, b"" if status == 303 else body, kind, headers)

    def _shown(self, parts: list[str], query: str) -> tuple[int, bytes, str]:
        world = self.server.service.world
        if parts in ([""], ["invoices"]) and self.command == "GET":
            return 200, pages.invoice_list(world).encode(), HTML
        found = world.invoices.get(parts[1]) if parts[0] == "invoices" and 2 <= len(parts) <= 3 else None
        what = f"{self.command} {'/'.join(parts[2:])}"
        if found is not None and what == "GET ":
            notice = pages.declined_notice() if query == "declined" else ""
            return 200, pages.invoice(world, found, notice).encode(), HTML
        if found is not None and what == "GET pdf":
            return 200, pages.pdf(world, found), "application/pdf"
        if found is not None and what in ("POST pay", "POST decline"):
            return 303, self._paid(found, what == "POST pay").encode(), HTML
        return 404, pages.missing().encode(), HTML

    def _paid(self, found: Json, is_accepted: bool) -> str:
        origin = self.headers.get("Origin")
        if origin not in (None, "null", self.server.url, self.server.url.replace(HOST, "localhost")):
            raise Refusal(403, "An invoice is paid from its own page only.")
        here = f"/invoices/{found['id']}"
        if found["status"] not in ("open", "uncollectible"):
            return here
        if is_accepted:
            collecting.settle(self.server.service.world, found)
            return here
        collecting.fail_payment(self.server.service.world, found)
        return here + "?declined"

    def _json(self, answer: Answer, headers: dict[str, str] | None = None) -> None:
        self._send(answer.status, json.dumps(answer.body, indent=2).encode(), "application/json", headers)

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A burst of parallel pushers connects at once.
    request_queue_size = 128

    def __init__(self, port: int, service: Service) -> None:
        super().__init__((HOST, port), Handler)
        self.service = service
        self.url = f"http://{HOST}:{self.server_address[1]}"
        service.world.url = self.url


@contextmanager
def running(*, api_key: str, webhook_secret: str, port: int = 0, webhook_url: str | None = None) -> Iterator[Server]:
    """A stand-in serving in the background; port 0 takes a free one."""
    server = Server(port, Service(api_key, Target(webhook_url, (webhook_secret,))))
    server.service.webhooks.start()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.service.webhooks.stop()
        thread.join(timeout=5)
