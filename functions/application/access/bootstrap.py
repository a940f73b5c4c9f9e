"""What a deployment needs once: a first admin key, which later deployments keep."""

from collections.abc import Callable

from functions.application.ports.access import ApiKeys, RefusesToDeploy, Vault
from functions.application.ports.clock import Clock
from functions.domain.access.api_key import ApiKey, hash_secret, parse_token, token
from functions.names import DEFAULT_TENANT, FIRST_KEY_SCOPES


def ensure_admin_key(
    *, vault: Vault, keys: ApiKeys, clock: Clock, new_id: Callable[[], str], new_secret: Callable[[], str]
) -> None:
    """The vault comes first, so that a deployment that dies in between finds its token there and goes on.

    A key that was revoked stays revoked; one of a time without operators becomes one. Raises RefusesToDeploy when the
    vault holds a token that was never ours.
    """
    parts = parse_token(vault.read())
    if parts is None:
        parts = (new_id(), new_secret())
        vault.write(token(*parts))
    key_id, secret = parts
    key = keys.find(key_id)
    if key is None:
        keys.add(
            ApiKey(
                id=key_id,
                tenant=DEFAULT_TENANT,
                name="First admin key",
                scopes=FIRST_KEY_SCOPES,
                secret_hash=hash_secret(secret),
                created_at=clock.now(),
            )
        )
    elif key.secret_hash != hash_secret(secret):
        raise RefusesToDeploy(
            f"The admin secret holds a token of key {key_id} that does not open it. Restore the earlier value, or "
            "empty the secret to get a new admin key."
        )
    elif key.revoked_at is None and not set(FIRST_KEY_SCOPES) <= set(key.scopes):
        keys.widen(key, FIRST_KEY_SCOPES)
