"""Stripe's webhooks: proof of who sent the raw bytes, and the little that is believed of what they say."""

import json
from collections.abc import Sequence

from functions.adapters.stripe.signature import is_signed
from functions.application.ports.gateway import GatewayEvent
from functions.domain.billing.document import MAX_ID_CHARACTERS
from functions.domain.errors import InvalidInput

# An event holds one object, of which we take the id and two words; an invoice with its first lines has some 50 KB.
MAX_BODY_BYTES = 1_000_000


def verified_event(body: bytes, signature: str | None, secrets: Sequence[str], now: int) -> GatewayEvent:
    """Raises InvalidInput with code `invalid_signature` or `invalid_payload`; the text never repeats the payload."""
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInput(f"The body has more than {MAX_BODY_BYTES} bytes.", code="invalid_payload")
    if not is_signed(body, signature, secrets, now):
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
        payment=_text(found.get("payment_intent")),
    )


def _text(value: object) -> str | None:
    # Ours are short and printable: anything else is somebody else's metadata of the same name.
    is_ours = isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS and value.isprintable()
    return value if is_ours else None  # type: ignore[return-value]
