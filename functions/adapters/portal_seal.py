"""Portal tokens as JSON Web Tokens, signed with HMAC-SHA256 and the keys of one secret; claims as OpenMeter names them.

The key in use is the current version of the secret, and the one before it is still believed: who writes a new version
changes the key, and nobody has to log in again. A key is named in a token by a digest of it (`kid`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import jwt

from functions.domain.access.portal_token import Holder, PortalGrant, PortalToken

if TYPE_CHECKING:
    from jwt.types import Options

ISSUER = "openmeter"
ALGORITHM = "HS256"
REQUIRED = ["iss", "iat", "exp", "Id", "Namespace"]
# How long a key works that was written over twice.
KEYS_KNOWN_FOR = timedelta(minutes=5)
# A token with the key that was made a moment ago is not turned away for long, and made-up ones cost little.
KEYS_ASKED_AGAIN_AFTER = timedelta(seconds=5)
MIN_KEY_CHARACTERS = 32


class UnsafeKey(Exception):
    """The secret is too short to sign with: whoever guesses it makes tokens."""


class Key(NamedTuple):
    id: str
    secret: str


class SigningKeys:
    """`read` gives the current secret and those before it that are still believed."""

    def __init__(self, read: Callable[[], Sequence[str]]) -> None:
        self._read = read
        self._keys: list[Key] = []
        self._read_at: datetime | None = None

    def current(self, now: datetime) -> Key:
        """Raises UnsafeKey."""
        return self._known(now, KEYS_KNOWN_FOR)[0]

    def find(self, key_id: str, now: datetime) -> Key | None:
        """Raises UnsafeKey."""
        for known_for in (KEYS_KNOWN_FOR, KEYS_ASKED_AGAIN_AFTER):
            for key in self._known(now, known_for):
                if key.id == key_id:
                    return key
        return None

    def _known(self, now: datetime, known_for: timedelta) -> list[Key]:
        if self._read_at is None or not self._read_at <= now < self._read_at + known_for:
            current, *before = map(_key, self._read())
            if current is None:
                raise UnsafeKey(f"The secret of portal tokens has fewer than {MIN_KEY_CHARACTERS} characters.")
            self._keys = [current, *filter(None, before)]
            self._read_at = now
        return self._keys


def _key(secret: str) -> Key | None:
    if len(secret) < MIN_KEY_CHARACTERS:
        return None
    return Key(sha256(b"portal token key " + secret.encode()).hexdigest()[:16], secret)


class JwtPortalSeal:
    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def sign(self, token: PortalToken, now: datetime) -> str:
        key = self._keys.current(now)
        return jwt.encode(_claims(token), key.secret, ALGORITHM, headers={"kid": key.id})

    def read(self, text: str, now: datetime) -> PortalToken | None:
        try:
            key = self._keys.find(str(jwt.get_unverified_header(text).get("kid")), now)
            if key is None:
                return None
            # When it expires is compared with our own clock, by whoever asks.
            options: Options = {"require": REQUIRED, "verify_exp": False, "verify_iat": False}
            return _token(jwt.decode(text, key.secret, algorithms=[ALGORITHM], issuer=ISSUER, options=options))
        # A header of a thousand brackets is JSON, too.
        except (jwt.PyJWTError, RecursionError):
            return None


def _claims(token: PortalToken) -> dict[str, Any]:
    grant = token.grant
    claims = {
        "iss": ISSUER,
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "Id": token.id,
        "Namespace": token.tenant,
        "sub": grant.subject,
        "CustomerId": grant.customer_id,
        "AllowedMeterSlugs": None if grant.allowed_meters is None else list(grant.allowed_meters),
    }
    return {name: value for name, value in claims.items() if value is not None}


def _token(claims: dict[str, Any]) -> PortalToken:
    """Only what `_claims` made comes so far: the signature was compared."""
    allowed = claims.get("AllowedMeterSlugs")
    holder = Holder("subject", claims["sub"]) if "sub" in claims else Holder("customer", claims["CustomerId"])
    return PortalToken(
        id=claims["Id"],
        tenant=claims["Namespace"],
        grant=PortalGrant(holder, None if allowed is None else tuple(allowed)),
        created_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
