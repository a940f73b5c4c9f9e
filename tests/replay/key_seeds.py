"""An API key that committed payloads may show: it opens nothing but a replay's own tables."""

from datetime import UTC, datetime
from typing import Any

from functions.adapters.dynamo.access.api_key_store import DynamoApiKeys
from functions.domain.access.api_key import ApiKey, hash_secret
from tests.replay.world import TENANT, World

KEY_ID = "01JBXR0000000000000000KEY0"
SECRET = "replayed-events-only-replayed-events-only-0"
TOKEN = f"tb_{KEY_ID}_{SECRET}"


def key(world: World, event: Any) -> Any:
    """An admin key of the tenant."""
    made = ApiKey(KEY_ID, TENANT, "replay", ("admin",), hash_secret(SECRET), datetime(2026, 1, 1, tzinfo=UTC))
    DynamoApiKeys(world.billing_table).add(made)
    return event
