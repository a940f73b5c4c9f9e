"""Room for another subscription: one customer may have several, but none may sell twice what another sells."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from functions.domain.errors import Conflict
from functions.domain.period import Period, rfc3339
from functions.domain.subscriptions.item import FOREVER
from functions.domain.subscriptions.subscription import Subscription

ONLY_ONE = "only_single_subscription_allowed_per_customer_at_a_time"


def require_room(subscriptions: Sequence[Subscription]) -> None:
    """Raises Conflict when two of a customer's subscriptions sell the same feature, or plan, at the same time."""
    for one, other in combinations(subscriptions, 2):
        if not _life(one).overlap(_life(other)):
            continue
        sold = list(_sold(other))
        for what, period in _sold(one):
            twice = next((each for name, each in sold if name == what and each.overlap(period)), None)
            if twice is not None:
                since = rfc3339(max(period.start, twice.start))
                message = (
                    f"Subscription {one.id} and the one asked for ({other.id}) would both sell {what} to customer "
                    f"{one.customer_id} from {since} on; cancel or change {one.id} first."
                )
                raise Conflict(message, code=ONLY_ONE)


def _life(subscription: Subscription) -> Period:
    return Period(subscription.active_from, max(subscription.active_from, subscription.active_to or FOREVER))


def _sold(subscription: Subscription) -> Iterator[tuple[str, Period]]:
    if subscription.plan is not None:
        yield f"plan {subscription.plan.key!r}", _life(subscription)
    schedule = subscription.schedule
    for phase in subscription.phases:
        for item in phase.items:
            if item.card.feature_key is not None:
                yield f"feature {item.card.feature_key!r}", schedule.on(phase, item)
