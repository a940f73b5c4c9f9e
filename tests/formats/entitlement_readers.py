"""What is asked of stored entitlements, as `readers.py` asks of all others."""

from typing import Any

from functions.handlers.wiring import subscriptions
from tests.formats.world import World


def entitlement_backfill(world: World) -> Any:
    """How far it is and who failed, what it has made, and what is tried again an hour later."""
    found = world.get("entitlements", version=2)["items"]
    shown = {
        "progress": world.get("entitlements/backfill"),
        "entitlements": found,
        "by_id": {each["id"]: world.get(f"entitlements/{each['id']}", version=2)["type"] for each in found},
        "by_feature": [_of(world, key) for key in ("initech", "umbrella")],
        "grants": world.get("grants", version=2)["items"],
    }
    to_do = subscriptions.entitlement_backfills().to_do(world.clock.now(), 10)
    return shown | {"to_do": to_do}


def _of(world: World, key: str) -> Any:
    return world.get(f"customers/{key}/entitlements/seats", version=2)["featureKey"]
