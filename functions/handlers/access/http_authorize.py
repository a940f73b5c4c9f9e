"""The Lambda authorizer: says who holds the key of a request; scopes are checked by the handlers.

A key comes as `Authorization: Bearer <token>` or as `X-Api-Key: <token>`. The gateway asks only one header of all
requests and remembers verdicts only by such headers, so it asks for none and calls this for every request; what is
remembered here is the key, so a revoked one works until that is forgotten. A request without a key passes without a
tenant, and every handler answers it with 401: the gateway would say 403.

A portal token comes as a bearer. One that is refused passes without a tenant, too, with the reason: the page that holds
it has to learn that it has expired.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from functions.application.access.authenticate import authenticate
from functions.application.access.remember_keys import RememberedKeys
from functions.domain.access.portal_token import looks_like_a_portal_token
from functions.domain.errors import Unauthorized
from functions.handlers.edge import caller
from functions.handlers.wiring import access, base

if TYPE_CHECKING:
    from functions.application.access.remember_portal_tokens import RememberedPortalTokens

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
    if looks_like_a_portal_token(token):
        return {"isAuthorized": True, "context": _portal_context(token)}
    now = base.clock().now()
    found = authenticate(token or api_key, find_key=lambda key_id: remembered().find(key_id, now), now=now)
    return {"isAuthorized": True, "context": caller.verdict(found)} if found is not None else REFUSED


def _portal_context(token: str) -> dict[str, str]:
    """Imports what keys do not need: their cold start stays as it is."""
    from functions.application.access.authenticate_portal import authenticate_portal

    in_force, now = remembered_portal_tokens().is_in_force, base.clock().now()
    try:
        found = authenticate_portal(token, seal=access.portal_seal(), is_in_force=in_force, now=now)
    except Unauthorized as refusal:
        return {caller.REFUSED: refusal.code}
    return caller.verdict(found)


@cache
def remembered() -> RememberedKeys:
    """One for the process; the store is asked for when a key is, so that it is that of then."""
    return RememberedKeys(lambda key_id: access.api_keys().find(key_id))


@cache
def remembered_portal_tokens() -> "RememberedPortalTokens":
    from functions.application.access.remember_portal_tokens import RememberedPortalTokens

    return RememberedPortalTokens(
        lambda token: access.portal_tokens().is_in_force(token.tenant, token.id, token.grant.holder)
    )
