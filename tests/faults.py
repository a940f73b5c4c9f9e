"""A service between a client and the real engine that fails as AWS does: throttles, 5xx, cut and hung connections.

`fault(operation, chance)` says what happens to a request; of a batch of statements or records, `is_throttled` says it
of each. Everything else is answered by the engine.
"""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from infra.local.ports import free_port

THROTTLE = (400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Rate exceeded"})
FAILURE = (500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "Internal error"})
FAULTS = {"throttle": THROTTLE, "failure": FAILURE}
HANG, CUT = "hang", "cut"
STATEMENTS, RECORDS, ITEMS = "BatchExecuteStatement", "PutRecords", "BatchWriteItem"


class Faults:
    """What goes wrong, and how often it did."""

    def __init__(self, endpoint: str, seed: int = 1) -> None:
        self.engine = urlsplit(endpoint).netloc
        self.chance = random.Random(seed)
        self.fault: Callable[[str], str | None] = lambda _operation: None
        self.is_throttled: Callable[[], bool] = lambda: False
        self.happened = Counter[str]()
        self.released = threading.Event()


class Between(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    faults: Faults

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        fault = self.faults.fault(operation)
        if fault:
            self.faults.happened[fault] += 1
        if fault == HANG:
            self.faults.released.wait(30)
        if fault in (HANG, CUT):
            self.close_connection = True
        elif fault:
            status, answer = FAULTS[fault]
            self._answer(status, json.dumps(answer).encode())
        else:
            self._answer(*self._partly(operation, body))

    def _partly(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """The answer of the engine to what was not throttled, and what AWS says of the rest."""
        if operation not in (STATEMENTS, RECORDS, ITEMS):
            return self._engine(body)
        request = json.loads(body)
        if operation == ITEMS:
            return self._unprocessed(request)
        place, answers, refused = _PARTS[operation]
        waiting = request[place]
        left_out = [self.faults.is_throttled() for _ in waiting]
        self.faults.happened[operation] += sum(left_out)
        request[place] = [each for each, is_out in zip(waiting, left_out, strict=True) if not is_out]
        found: list[Any] = []
        if request[place]:
            status, raw = self._engine(json.dumps(request).encode())
            if status != 200:
                return status, raw
            found = json.loads(raw)[answers]
        done = iter(found)
        merged: dict[str, Any] = {answers: [refused if is_out else next(done) for is_out in left_out]}
        if operation == RECORDS:
            merged["FailedRecordCount"] = sum(left_out)
        return 200, json.dumps(merged).encode()

    def _unprocessed(self, request: dict[str, Any]) -> tuple[int, bytes]:
        rest: dict[str, list[Any]] = {}
        for table, writes in request["RequestItems"].items():
            left_out = [each for each in writes if self.faults.is_throttled()]
            if left_out:
                rest[table] = left_out
                self.faults.happened[ITEMS] += len(left_out)
            request["RequestItems"][table] = [each for each in writes if each not in left_out]
        request["RequestItems"] = {table: writes for table, writes in request["RequestItems"].items() if writes}
        if request["RequestItems"]:
            status, raw = self._engine(json.dumps(request).encode())
            if status != 200:
                return status, raw
        return 200, json.dumps({"UnprocessedItems": rest}).encode()

    def _engine(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.faults.engine, timeout=20)
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("content-length", "host")
        }
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        return answer.status, raw

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The default writes a line per request to standard error."""


_PARTS: dict[str, tuple[str, str, Any]] = {
    STATEMENTS: ("Statements", "Responses", {"Error": {"Code": "ThrottlingError", "Message": "Rate exceeded"}}),
    RECORDS: ("Records", "Records", {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate"}),
}


@contextmanager
def between(endpoint: str, seed: int = 1) -> Iterator[tuple[str, Faults]]:
    """The address to give to a client instead of the engine's, and what shall go wrong there."""
    faults = Faults(endpoint, seed)
    handler = type("BetweenThese", (Between,), {"faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        faults.released.set()
        server.shutdown()
        server.server_close()
