"""Stripe's webhooks: proof of who sent the raw bytes, and the little that is believed of what they say."""

import json
from collections.abc import Sequence

import stripe

from functions.application.ports.gateway import GatewayEvent
from functions.domain.errors import InvalidInput
from functions.domain.invoicing.document import MAX_ID_CHARACTERS

# Stripe's own default; older signatures could be replayed by whoever recorded one.
TOLERANCE_SECONDS = 300


def verified_event(body: bytes, signature: str | None, secrets: Sequence[str]) -> GatewayEvent:
    """Raises InvalidInput with code `invalid_signature` or `invalid_payload`; the text never repeats the payload."""
    if not any(_is_signed(body, signature, secret) for secret in secrets):
        raise InvalidInput("The Stripe-Signature header does not match this body.", code="invalid_signature")
    try:
        event = json.loads(body)
        name, kind, found = event["id"], event["type"], event["data"]["object"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidInput("The body is not a Stripe event.", code="invalid_payload") from error
    if _text(name) is None or not isinstance(kind, str) or not isinstance(found, dict):
        raise InvalidInput("The body is not a Stripe event.", code="invalid_payload")
    metadata = found.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    # A credit note carries our metadata too and names its invoice.
    ref = found.get("id") if found.get("object") == "invoice" else found.get("invoice")
    return GatewayEvent(
        event_id=name,
        type=kind,
        tenant=_text(metadata.get("tenant")),
        invoice_id=_text(metadata.get("invoice_id")),
        gateway_invoice=_text(ref),
    )


def _is_signed(body: bytes, signature: str | None, secret: str) -> bool:
    if not signature or not signature.isascii():
        return False
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _text(value: object) -> str | None:
    # Ours are short and printable: anything else is somebody else's metadata of the same name.
    is_ours = isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable()
    return value if is_ours else None  # type: ignore[return-value]
