"""End a subscription now, at the end of its billing period, or at the end of a later one."""

from dataclasses import replace
from datetime import datetime

from functions.application.ports.billing import Subscriptions
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Stale
from functions.domain.errors import NotFound, Unavailable
from functions.domain.subscriptions.subscription import Subscription

# Only a billing run writes the same subscription, and it does so once a period.
MAX_TRIES = 5


def cancel_subscription(
    tenant: str, subscription_id: str, timing: datetime | str, *, subscriptions: Subscriptions, clock: Clock
) -> Subscription:
    """Raises NotFound, InvalidInput for a time inside a period, Conflict when it ended or is billed beyond."""
    for _ in range(MAX_TRIES):
        subscription = subscriptions.get(tenant, subscription_id)
        if subscription is None:
            raise NotFound(f"There is no subscription {subscription_id!r}.", code="subscription_not_found")
        slot = subscriptions.slot(tenant, subscription.customer_id)
        now = clock.now().replace(microsecond=0)
        ended = subscription.cancelled(subscription.cancel_time(timing, now), now)
        holds_slot = slot is not None and slot.subscription_id == subscription.id
        changed = replace(slot, ends_at=ended.active_to) if slot is not None and holds_slot else None
        try:
            subscriptions.replace(tenant, subscription, ended, changed)
        except Stale:
            continue
        return ended
    raise Unavailable(f"Subscription {subscription_id} is being billed right now.", retry_after_seconds=2)
