"""What a deployment needs once: the ledger's genesis, and a first admin key that later deployments keep."""

from collections.abc import Callable

from functions.application.ports.clock import Clock
from functions.application.ports.deployment import Genesis, Vault
from functions.application.ports.stored import ApiKeys
from functions.domain.access.api_key import ApiKey, hash_secret, parse_token, token
from functions.domain.metering.values.lanes import Lanes, key_check
from functions.names import DEFAULT_TENANT, FIRST_KEY_SCOPES, LEDGER_FORMAT


class RefusesToDeploy(Exception):
    """This deployment would damage what an earlier one left; the message tells the operator what to do."""


def record_genesis(lanes: Lanes, *, genesis: Genesis) -> None:
    """Raises RefusesToDeploy when the lane count, the ledger key or the form of what is stored differ from what events
    were counted with.
    """
    asked = (lanes.count, key_check(lanes.key), LEDGER_FORMAT)
    kept = genesis.record(*asked)
    if kept == asked:
        return
    if kept[0] != lanes.count:
        raise RefusesToDeploy(
            f"This ledger was made with {kept[0]} lanes, not {lanes.count}: a subject would get a second writer and "
            f"events could count twice. Set fixed_lanes = {kept[0]} in stages.toml and deploy again."
        )
    if kept[2] != LEDGER_FORMAT:
        raise RefusesToDeploy(
            f"This ledger's counters are stored in format {kept[2]}, and this version reads {LEDGER_FORMAT} only: it "
            "would answer with less usage than was counted. Deploy a version of that format, or a stage of its own; "
            "on your machine: make down, then make up."
        )
    raise RefusesToDeploy(
        "The ledger key is not the one this ledger was made with: every event could count twice. "
        "Restore the earlier value of the ledger secret."
    )


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
