"""Who holds this portal token."""

from collections.abc import Callable
from datetime import datetime

from functions.application.ports.portal import PortalSeal
from functions.domain.access.api_key import Caller
from functions.domain.access.portal_token import EXPIRED, INVALID, REVOKED, PortalToken, refused
from functions.names import SCOPE_PORTAL


def authenticate_portal(
    text: str, *, seal: PortalSeal, is_in_force: Callable[[PortalToken, datetime], bool], now: datetime
) -> Caller:
    """Raises Unauthorized with a code of `domain/access/portal_token.py`; nothing is looked up for a forged token."""
    token = seal.read(text, now)
    if token is None:
        raise refused(INVALID)
    if token.is_expired(now):
        raise refused(EXPIRED)
    if not is_in_force(token, now):
        raise refused(REVOKED)
    return Caller(token.tenant, frozenset({SCOPE_PORTAL}), token.id, token.grant)
