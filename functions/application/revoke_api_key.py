"""Revoke an API key; what the gateway has cached about it ends within a minute."""

from functions.application.ports.clock import Clock
from functions.application.ports.registry import ApiKeys
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import NotFound


def revoke_api_key(tenant: str, key_id: str, *, keys: ApiKeys, clock: Clock) -> None:
    """Raises NotFound for a key of another tenant and for one that was revoked before."""

    def revoke() -> None:
        key = keys.find(key_id)
        if key is None or key.tenant != tenant or key.revoked_at is not None:
            raise NotFound(f"There is no API key {key_id!r}.", code="api_key_not_found")
        keys.revoke(key, clock.now())

    decide_again_when_stale(revoke)
