"""Portal tokens: what a customer's browser holds to see that customer's own usage, and how long it may."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from functions.domain.errors import Forbidden, Unauthorized

DEFAULT_SECONDS = 3_600
# A page is open for a day, a mail with a link is read within days. Whoever needs more makes another token.
MAX_SECONDS = 7 * 86_400
MAX_ALLOWED_METERS = 50
# All headers of a request have 10,240 bytes at the gateway. The longest subject fits, and many long slugs beside most.
MAX_TOKEN_CHARACTERS = 9_000

INVALID, EXPIRED, REVOKED = "portal_token_invalid", "portal_token_expired", "portal_token_revoked"
_ANOTHER = "make another one with POST /api/v1/portal/tokens."
REFUSALS: Mapping[str, str] = {
    INVALID: f"This is no portal token of this service; {_ANOTHER}",
    EXPIRED: f"This portal token has expired; {_ANOTHER}",
    REVOKED: f"This portal token was invalidated; {_ANOTHER}",
}


class Holder(NamedTuple):
    """Whose usage a token shows: a subject's, or that of all subjects of a customer (by id)."""

    kind: Literal["subject", "customer"]
    name: str


@dataclass(frozen=True)
class PortalGrant:
    """What a token opens; every meter where none is named."""

    holder: Holder
    allowed_meters: tuple[str, ...] | None = None

    @property
    def subject(self) -> str | None:
        return self.holder.name if self.holder.kind == "subject" else None

    @property
    def customer_id(self) -> str | None:
        return self.holder.name if self.holder.kind == "customer" else None

    def require_meter(self, slug: str) -> None:
        """Raises Forbidden, whether or not there is such a meter."""
        if self.allowed_meters is not None and slug not in self.allowed_meters:
            allowed = ", ".join(self.allowed_meters)
            message = f"This portal token does not show {slug[:100]!r}; it shows the meters {allowed}."
            raise Forbidden(message, code="meter_not_allowed")


@dataclass(frozen=True)
class PortalToken:
    """Times are whole seconds, as in what is signed."""

    id: str
    tenant: str
    grant: PortalGrant
    created_at: datetime
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at <= now


def looks_like_a_portal_token(text: str) -> bool:
    """Three parts, the first of which is a JSON object in base64; an API key has no point in it."""
    return text.startswith("ey") and text.count(".") == 2 and len(text) <= MAX_TOKEN_CHARACTERS


def refused(code: str) -> Unauthorized:
    """`code` is one of REFUSALS."""
    return Unauthorized(REFUSALS[code], code=code)
