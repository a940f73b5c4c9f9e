"""Who calls, from the authorizer's verdict in the payload; small enough for the ingest path."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.domain.access.api_key import Caller
from functions.domain.errors import Unauthorized

if TYPE_CHECKING:
    from functions.domain.access.portal_token import PortalGrant

# What the authorizer answers and API Gateway passes on under requestContext.authorizer.lambda.
TENANT = "tenant"
SCOPES = "scopes"
KEY_ID = "key_id"
# Of a portal token: whose usage and which meters it shows, as JSON; or why it is refused.
PORTAL = "portal"
REFUSED = "refused"


def verdict(caller: Caller) -> dict[str, str]:
    found = {TENANT: caller.tenant, SCOPES: " ".join(sorted(caller.scopes)), KEY_ID: caller.key_id}
    if caller.portal is not None:
        found[PORTAL] = json.dumps([caller.portal.holder, caller.portal.allowed_meters])
    return found


def has_caller(event: Mapping[str, Any]) -> bool:
    return bool(_context(event).get(TENANT))


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Raises Unauthorized when no authorizer has spoken, or it has nobody to name: no key was sent."""
    context = _context(event)
    if context.get(REFUSED):
        from functions.domain.access.portal_token import refused

        raise refused(str(context[REFUSED]))
    if not context.get(TENANT):
        raise Unauthorized(
            "Send an API key as `Authorization: Bearer tb_...` or as `X-Api-Key: tb_...`; in the portal, a portal "
            "token as `Authorization: Bearer`."
        )
    scopes, key_id = frozenset(str(context.get(SCOPES) or "").split()), str(context.get(KEY_ID) or "")
    return Caller(context[TENANT], scopes, key_id, _grant(context[PORTAL]) if PORTAL in context else None)


def _grant(text: str) -> "PortalGrant":
    from functions.domain.access.portal_token import Holder, PortalGrant

    holder, allowed = json.loads(text)
    return PortalGrant(Holder(*holder), None if allowed is None else tuple(allowed))


def _context(event: Mapping[str, Any]) -> Mapping[str, Any]:
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    found: Mapping[str, Any] = authorizer.get("lambda") or {}
    return found
