"""Create an API key: the token exists only in the answer, the store keeps a hash of its secret."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.application.ports.access import ApiKeys
from functions.application.ports.clock import Clock
from functions.domain.access.api_key import (
    ApiKey,
    Caller,
    checked_scopes,
    checked_tenant,
    hash_secret,
    require_home,
    token,
)
from functions.domain.errors import FieldError, InvalidInput


@dataclass(frozen=True)
class NewApiKey:
    key: ApiKey
    token: str


def create_api_key(
    caller: Caller,
    tenant: str,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    *,
    keys: ApiKeys,
    clock: Clock,
    new_id: Callable[[], str],
    new_secret: Callable[[], str],
) -> NewApiKey:
    """Raises InvalidInput for unknown scopes, a malformed tenant and an expiry that is not in the future.

    Raises Forbidden for scopes that the caller does not have.
    """
    granted = checked_scopes(scopes)
    caller.require_to_hand_out(granted)
    require_home(granted, tenant)
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        message = "expiresAt must be in the future."
        raise InvalidInput(message, fields=[FieldError("expiresAt", "not_in_the_future", message)])
    secret = new_secret()
    key = ApiKey(
        id=new_id(),
        tenant=checked_tenant(tenant),
        name=name,
        scopes=granted,
        secret_hash=hash_secret(secret),
        created_at=now,
        expires_at=expires_at,
    )
    keys.add(key)
    return NewApiKey(key, token(key.id, secret))
