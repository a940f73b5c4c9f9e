"""Invalidate one portal token, or all that a subject or a customer has; requests notice within seconds."""

from collections.abc import Callable

from functions.application.ports.clock import Clock
from functions.application.ports.portal import PortalTokens
from functions.domain.access.portal_token import Holder
from functions.domain.errors import NotFound


def invalidate_portal_tokens(
    tenant: str, which: str | Holder, *, tokens: PortalTokens, clock: Clock, new_id: Callable[[], str]
) -> None:
    """`which` is the id of a token, or whose tokens; raises NotFound for an id that is none of the tenant's."""
    if isinstance(which, Holder):
        tokens.invalidate_all(tenant, which, new_id(), clock.now())
    elif not tokens.invalidate(tenant, which, clock.now()):
        raise NotFound(f"There is no portal token {which[:100]!r}.", code="portal_token_not_found")
