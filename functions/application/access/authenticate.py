"""Who holds this token: the caller, or nobody."""

from collections.abc import Callable
from datetime import datetime

from functions.domain.access.api_key import ApiKey, Caller, parse_token


def authenticate(token: str, *, find_key: Callable[[str], ApiKey | None], now: datetime) -> Caller | None:
    """None for anything but the exact token of a key that neither expired nor was revoked."""
    parts = parse_token(token)
    if parts is None:
        return None
    key_id, secret = parts
    key = find_key(key_id)
    if key is None or not key.opens_for(secret, now):
        return None
    return Caller(key.tenant, frozenset(key.scopes), key.id)
