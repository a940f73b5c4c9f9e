"""Portal tokens as tests see them: a secret in memory, and calls that pass the real authorizer with a token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.wiring import access, base
from tests.handlers.gateway import Client, LambdaHandler, Params, Response, payload
from tests.wired import wire

TOKENS = "/api/v1/portal/tokens"


class Vault:
    """As the secret in Secrets Manager: the version in use, and the one before."""

    def __init__(self) -> None:
        self.versions = ["a secret of the portal that is long enough"]
        self.reads = 0

    def still_believed(self) -> list[str]:
        self.reads += 1
        return self.versions[-1:-3:-1]


def wire_vault(patch: pytest.MonkeyPatch) -> Vault:
    vault = Vault()
    forget_portal()
    wire(patch, portal_vault=vault)
    return vault


def forget_portal() -> None:
    """As in new containers."""
    access.portal_seal.cache_clear()
    http_authorize.remembered_portal_tokens.cache_clear()


class Later:
    """A clock that is moved by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        self._clock = base.clock()
        patch.setattr(base, "clock", lambda: self)

    def now(self) -> datetime:
        return self._clock.now() + self.ahead


def make(api: Client, **body: Any) -> dict[str, Any]:
    response = api.post(TOKENS, body)
    assert response.status == 200, response.text
    made: dict[str, Any] = response.json
    return made


def authorize(token: str) -> dict[str, Any]:
    return http_authorize.handler({"headers": {"authorization": f"Bearer {token}"}}, None)


@dataclass(frozen=True)
class Page:
    """A page in a browser that holds a portal token."""

    token: str

    def query(self, slug: str = "tokens", params: Params = "", **headers: str) -> Response:
        return self.call("GET", f"/api/v1/portal/meters/{slug}/query", params=params, headers=headers)

    def call(self, method: str, path: str, *, handler: LambdaHandler = http_api.handler, **more: Any) -> Response:
        verdict = authorize(self.token)
        if not verdict["isAuthorized"]:
            return Response(403, {}, '{"message":"Forbidden"}')
        event = payload(method, path, **more)
        event["requestContext"]["authorizer"]["lambda"] = verdict["context"]
        return Client(handler).send(event)


def codes(response: Response) -> list[str]:
    """The stable codes that a problem has."""
    return [found["code"] for found in response.json.get("extensions", {}).get("validationErrors", [])]
