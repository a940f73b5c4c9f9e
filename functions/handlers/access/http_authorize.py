"""The Lambda authorizer: says who holds the key of a request; scopes are checked by the handlers.

A key comes as `Authorization: Bearer <token>` or as `X-Api-Key: <token>`. The gateway asks only one header of all
requests and remembers verdicts only by such headers, so it asks for none and calls this for every request; what is
remembered here is the key, so a revoked one works until that is forgotten. A request without a key passes without a
tenant, and every handler answers it with 401: the gateway would say 403.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from functions.application.access.authenticate import authenticate
from functions.application.access.remember_keys import RememberedKeys
from functions.handlers.edge import caller
from functions.handlers.wiring import access, base

BEARER = "bearer "
# What HTTP allows around a header's value; any other white space is part of it.
BLANK = " \t"
NOBODY: dict[str, Any] = {"isAuthorized": True, "context": {}}
REFUSED: dict[str, Any] = {"isAuthorized": False}


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    headers = event.get("headers") or {}
    bearer = str(headers.get("authorization") or "").strip(BLANK)
    api_key = str(headers.get("x-api-key") or "").strip(BLANK)
    if not bearer and not api_key:
        return NOBODY
    if bearer and bearer[: len(BEARER)].lower() != BEARER:
        return REFUSED
    token = bearer[len(BEARER) :].strip(BLANK)
    if bearer and api_key and token != api_key:
        return REFUSED
    now = base.clock().now()
    found = authenticate(token or api_key, find_key=lambda key_id: remembered().find(key_id, now), now=now)
    return {"isAuthorized": True, "context": caller.verdict(found)} if found is not None else REFUSED


@cache
def remembered() -> RememberedKeys:
    """One for the process; the store is asked for when a key is, so that it is that of then."""
    return RememberedKeys(lambda key_id: access.api_keys().find(key_id))
