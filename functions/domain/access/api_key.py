"""Who may do what: API keys of the form tb_<id>_<secret>, their scopes, their tenant, and how one is checked."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from functions.domain.errors import FieldError, Forbidden, InvalidInput, Unauthorized
from functions.names import DEFAULT_TENANT, SCOPE_ADMIN, SCOPE_INGEST, SCOPE_OPERATOR, SCOPE_PORTAL, SCOPE_READ

if TYPE_CHECKING:
    from functions.domain.access.portal_token import PortalGrant

SCOPES = (SCOPE_INGEST, SCOPE_READ, SCOPE_ADMIN, SCOPE_OPERATOR)
# No `#`: database keys are built as <tenant>#<kind>. No dot, no slash: the archive's keys hold the tenant too.
TENANT = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?", re.ASCII)
TOKEN = re.compile(r"tb_([0-9A-HJKMNP-TV-Z]{26})_([A-Za-z0-9_-]{32,128})", re.ASCII)
MAX_TOKEN_CHARACTERS = 200


@dataclass(frozen=True)
class ApiKey:
    """`secret_hash` is the SHA-256 of the token's secret: 256 random bits need no slower hash."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    secret_hash: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def opens_for(self, secret: str, now: datetime) -> bool:
        """Whether the secret is this key's and the key neither expired nor was revoked."""
        is_same = hmac.compare_digest(self.secret_hash, hash_secret(secret))
        is_expired = self.expires_at is not None and self.expires_at <= now
        return is_same and not is_expired and self.revoked_at is None


@dataclass(frozen=True)
class Caller:
    """The holder of a key or of a portal token that was found good; `key_id` is the id of either."""

    tenant: str
    scopes: frozenset[str]
    key_id: str
    portal: "PortalGrant | None" = None

    def may(self, scope: str) -> bool:
        """Admin implies every scope but the operator's, which says where and not what. No key has a portal's."""
        if scope == SCOPE_PORTAL:
            return self.portal is not None
        return scope in self.scopes or (scope != SCOPE_OPERATOR and SCOPE_ADMIN in self.scopes)

    def require(self, scope: str) -> None:
        """Raises Forbidden unless the key has the scope, and Unauthorized for a key where a portal token is asked."""
        if not self.may(scope):
            if scope == SCOPE_PORTAL:
                message = "Only a portal token opens this: make one with POST /api/v1/portal/tokens and send that."
                raise Unauthorized(message, code="portal_token_needed")
            if self.portal is not None:
                message = "A portal token opens nothing but the portal (/api/v1/portal/meters/...); send an API key."
                raise Forbidden(message, code="api_key_needed")
            raise Forbidden(f"This API key lacks the scope {scope!r}; {_who_has(scope)}.")

    def require_to_hand_out(self, scopes: Iterable[str]) -> None:
        """Nobody makes or takes away a key that may do more than theirs; raises Forbidden."""
        lacking = [scope for scope in scopes if not self.may(scope)]
        if lacking:
            raise Forbidden(f"This API key lacks the scope {lacking[0]!r}, so it can neither give nor take it.")

    def acting_for(self, tenant: str | None) -> str:
        """The tenant to work on: the key's own, or the one asked for if the key may; raises Forbidden."""
        if tenant is None or tenant == self.tenant:
            return self.tenant
        if not self.may(SCOPE_OPERATOR):
            message = f"Only a key with the scope {SCOPE_OPERATOR!r} may name another tenant; leave `tenant` out."
            raise Forbidden(message)
        return checked_tenant(tenant)


def _who_has(scope: str) -> str:
    """Nobody makes a key that may do more than their own."""
    if scope == SCOPE_OPERATOR:
        return "the operator's key has it, which `make admin-key` prints"
    return "create one that has it with a key that has 'admin'"


def checked_tenant(tenant: str) -> str:
    if not TENANT.fullmatch(tenant):
        message = "A tenant is 1 to 63 lower-case letters, digits, hyphens or underscores, such as acme-eu."
        raise InvalidInput(message, fields=[FieldError("tenant", "invalid_tenant", message)])
    return tenant


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes in their fixed order, each once; at least one."""
    asked = set(scopes)
    if not asked or not asked <= set(SCOPES):
        message = f"Scopes are one or more of {', '.join(SCOPES)}."
        raise InvalidInput(message, fields=[FieldError("scopes", "invalid_scopes", message)])
    return tuple(scope for scope in SCOPES if scope in asked)


def require_home(scopes: Iterable[str], tenant: str) -> None:
    """An operator's key belongs to the default tenant, so that no tenant's list hands out all the others."""
    if SCOPE_OPERATOR in scopes and tenant != DEFAULT_TENANT:
        message = f"A key with the scope {SCOPE_OPERATOR!r} belongs to the tenant {DEFAULT_TENANT!r}; leave one out."
        raise InvalidInput(message, fields=[FieldError("scopes", "operator_of_a_tenant", message)])


def token(key_id: str, secret: str) -> str:
    return f"tb_{key_id}_{secret}"


def parse_token(text: str) -> tuple[str, str] | None:
    """Key id and secret; None when the text is no token of ours."""
    match = TOKEN.fullmatch(text) if len(text) <= MAX_TOKEN_CHARACTERS else None
    return (match[1], match[2]) if match else None


def hash_secret(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
