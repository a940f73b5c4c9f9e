"""Stripe's signature of a webhook: `t=<unix seconds>,v1=<hex>,...`, an HMAC over the time and the raw bytes.

https://docs.stripe.com/webhooks#verify-manually. Stripe's own library also takes times far ahead, until which a message
could be sent again, and numbers that are not written as Stripe writes them.
"""

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256

# Stripe's own default, both ways: an attacker could replay a recorded one that is older, and one of a later time.
TOLERANCE_SECONDS = 300
# A header has a time and a v1 for each secret in force, about 150 characters; these are room for more of them.
MAX_HEADER_CHARACTERS = 2_048
MAX_SIGNATURES = 16
TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_signed(body: bytes, header: str | None, secrets: Sequence[str], now: int) -> bool:
    """Whether one of the secrets signed these bytes at a time near `now`, in Unix seconds."""
    signed_at, signatures = _parts(header or "")
    if signed_at is None or abs(now - signed_at) > TOLERANCE_SECONDS:
        return False
    message = b"%d.%b" % (signed_at, body)
    expected = [hmac.new(secret.encode(), message, sha256).hexdigest() for secret in secrets if secret.strip()]
    # Every pair is compared, each in the same time, so that how long it takes tells nothing.
    return sum(hmac.compare_digest(one, other) for one in expected for other in signatures) > 0


def _parts(header: str) -> tuple[int | None, list[str]]:
    """The one time and the v1 signatures; no time when it is missing, there twice, or not as Stripe writes it."""
    if len(header) > MAX_HEADER_CHARACTERS:
        return None, []
    named = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in named if name == "t"]
    signatures = [value for name, _, value in named if name == "v1" and SIGNATURE.fullmatch(value)]
    if len(times) != 1 or not TIME.fullmatch(times[0]) or len(signatures) > MAX_SIGNATURES:
        return None, []
    return int(times[0]), signatures
