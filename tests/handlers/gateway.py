"""API Gateway as a test sees it: a request becomes a payload 2.0, the handler's answer becomes a response."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from tests.grants.watching import running
from tests.handlers import examples
from tests.handlers.conformity import differences

LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]
REQUEST_ID = "req-1"
Params = Mapping[str, Any] | Sequence[tuple[str, str]] | str


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text, parse_float=Decimal)

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def fields(self) -> list[str]:
        """The field paths a problem names."""
        return [found["field"] for found in self.json.get("extensions", {}).get("validationErrors", [])]


def timeless(value: Any) -> str:
    """The name of a case: two processes that collect tests at another hour must not disagree about it."""
    return re.sub(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?", "<time>", str(value))[:60]


def payload(
    method: str,
    path: str,
    *,
    params: Params = "",
    body: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
    tenant: str = "default",
    scopes: str = "admin",
) -> dict[str, Any]:
    raw_query = params if isinstance(params, str) else urlencode(params, doseq=True)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /api/{proxy+}",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": {"content-type": "application/json", "authorization": "Bearer tb_hidden"} | dict(headers or {}),
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "api",
            "authorizer": {"lambda": {"tenant": tenant, "scopes": scopes, "key_id": "key"}},
            "domainName": "api.example",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"},
            "requestId": REQUEST_ID,
            "routeKey": "ANY /api/{proxy+}",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event


@dataclass(frozen=True)
class Client:
    """Calls a Lambda handler the way API Gateway does, as one caller."""

    handler: LambdaHandler
    tenant: str = "default"
    scopes: str = "admin"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Params = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        return self.send(
            payload(method, path, params=params, body=body, headers=headers, tenant=self.tenant, scopes=self.scopes)
        )

    def send(self, event: Mapping[str, Any]) -> Response:
        """A payload that `call` does not make, such as that of nobody."""
        method, path = event["requestContext"]["http"]["method"], event["rawPath"]
        with running("http_api"):  # whose routers the handler has, unless it is a function's own
            answer = self.handler(json.loads(json.dumps(event)), None)
        json.dumps(answer)
        given = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        text = answer.get("body") or ""
        if answer.get("isBase64Encoded"):
            text = _plain(base64.b64decode(text), given.get("content-encoding")).decode()
        wrong = differences(method, path, answer["statusCode"], given.get("content-type"), text, strict=False)
        assert not wrong, wrong
        sent = None if event["isBase64Encoded"] else event.get("body")
        examples.note(method, path, sent, answer["statusCode"], text)
        return Response(answer["statusCode"], given, text)

    def get(self, path: str, params: Params = "", **more: Any) -> Response:
        return self.call("GET", path, params=params, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Response:
        return self.call("POST", path, body, **more)

    def put(self, path: str, body: Any = None, **more: Any) -> Response:
        return self.call("PUT", path, body, **more)

    def delete(self, path: str, **more: Any) -> Response:
        return self.call("DELETE", path, **more)

    def acting_as(self, scopes: str, tenant: str = "default") -> "Client":
        return Client(self.handler, tenant, scopes)


def _plain(body: bytes, encoding: str | None) -> bytes:
    return gzip.decompress(body) if encoding == "gzip" else body
