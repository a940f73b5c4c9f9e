"""The Lambda authorizer: says who holds the key of a request; scopes are checked by the handlers.

Its verdict is cached by API Gateway for all routes, so it must not depend on the route, and a revoked key works until
the cache forgets it. A request without the header never gets here: the gateway answers 401 itself.
"""

from collections.abc import Mapping
from typing import Any

from functions.application.authenticate import authenticate
from functions.handlers import caller, wiring

BEARER = "bearer "


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    headers = event.get("headers") or {}
    header = str(headers.get("authorization") or "")
    if header[: len(BEARER)].lower() != BEARER:
        return {"isAuthorized": False}
    found = authenticate(header[len(BEARER) :].strip(), find_key=wiring.api_keys().find, now=wiring.clock().now())
    if found is None:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": caller.verdict(found)}
