"""Who calls, from the authorizer's verdict in the payload; small enough for the ingest path."""

from collections.abc import Mapping
from typing import Any

from functions.domain.access.api_key import Caller
from functions.domain.errors import Unauthorized

# What the authorizer answers and API Gateway passes on under requestContext.authorizer.lambda.
TENANT = "tenant"
SCOPES = "scopes"
KEY_ID = "key_id"


def verdict(caller: Caller) -> dict[str, str]:
    return {TENANT: caller.tenant, SCOPES: " ".join(sorted(caller.scopes)), KEY_ID: caller.key_id}


def has_caller(event: Mapping[str, Any]) -> bool:
    return bool(_context(event).get(TENANT))


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Raises Unauthorized when no authorizer has spoken, or it has nobody to name: no key was sent."""
    context = _context(event)
    if not context.get(TENANT):
        raise Unauthorized("Send an API key as `Authorization: Bearer tb_...` or as `X-Api-Key: tb_...`.")
    return Caller(context[TENANT], frozenset(str(context.get(SCOPES) or "").split()), str(context.get(KEY_ID) or ""))


def _context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    found: Mapping[str, Any] = authorizer.get("lambda") or {}
    return found
