"""Answers about keys and portal tokens."""

from typing import Literal

from functions.domain.wire import Instant
from functions.handlers.openapi.answers import Shown


class ShownApiKey(Shown):
    id: str
    name: str
    scopes: list[Literal["admin", "ingest", "operator", "read"]]
    tenant: str
    created_at: Instant
    expires_at: Instant | None = None


class CreatedApiKey(ShownApiKey):
    """`token` is shown this once."""

    token: str


class ShownPortalToken(Shown):
    """It has `subject` or `customerId`. `token` is shown once, in the answer to its creation."""

    id: str
    subject: str | None = None
    customer_id: str | None = None
    allowed_meter_slugs: list[str] | None = None
    created_at: Instant
    expires_at: Instant
    expired: bool
    token: str | None = None
