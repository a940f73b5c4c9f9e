"""Create a portal token: its text exists only in the answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from functions.application.ports.clock import Clock
from functions.application.ports.portal import PortalSeal, PortalTokens
from functions.domain.access.portal_token import MAX_TOKEN_CHARACTERS, PortalGrant, PortalToken
from functions.domain.errors import InvalidInput


@dataclass(frozen=True)
class NewPortalToken:
    token: PortalToken
    text: str


def create_portal_token(
    tenant: str,
    grant: PortalGrant,
    lifetime_seconds: int,
    *,
    tokens: PortalTokens,
    seal: PortalSeal,
    clock: Clock,
    new_id: Callable[[], str],
) -> NewPortalToken:
    """Raises InvalidInput for a token that would not fit into the headers of a request."""
    now = clock.now()
    created_at = now.replace(microsecond=0)
    expires_at = created_at + timedelta(seconds=lifetime_seconds)
    token = PortalToken(new_id(), tenant, grant, created_at, expires_at)
    text = seal.sign(token, now)
    if len(text) > MAX_TOKEN_CHARACTERS:
        message = f"The token would have {len(text)} characters, and {MAX_TOKEN_CHARACTERS} fit; allow fewer meters."
        raise InvalidInput(message, code="portal_token_too_long")
    tokens.add(token)
    return NewPortalToken(token, text)
