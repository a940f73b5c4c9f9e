"""Revoke an API key; what the gateway has cached about it ends within a minute."""

from functions.application.ports.access import ApiKeys
from functions.application.ports.clock import Clock
from functions.domain.access.api_key import Caller
from functions.domain.errors import NotFound


def revoke_api_key(caller: Caller, tenant: str, key_id: str, *, keys: ApiKeys, clock: Clock) -> None:
    """Raises NotFound for a key of another tenant and one that was revoked, Forbidden for one that may do more."""
    key = keys.find(key_id)
    if key is not None and key.tenant == tenant and key.revoked_at is None:
        caller.require_to_hand_out(key.scopes)
        if keys.revoke(key, clock.now()):
            return
    raise NotFound(f"There is no API key {key_id!r}.", code="api_key_not_found")
