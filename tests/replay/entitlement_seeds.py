"""A version that entitles has been there for a while: its schedule may look at what is from before."""

from typing import Any

from functions.adapters.dynamo.subscriptions.entitlement_backfill_store import DynamoEntitlementBackfills
from functions.domain.subscriptions.entitlement_backfill import TenantSearch
from tests.replay.billing_seeds import STARTED
from tests.replay.world import World


def settled(world: World, event: Any) -> Any:
    DynamoEntitlementBackfills(world.billing_table).save_search(TenantSearch(noted_at=STARTED))
    return event
