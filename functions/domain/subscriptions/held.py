"""What a subscription still needs: the items it sells or will sell, and those whose usage no invoice has yet."""

from collections.abc import Iterator
from datetime import datetime

from functions.domain.catalog.entitlement_template import MeteredEntitlement
from functions.domain.subscriptions.item import SubscriptionItem
from functions.domain.subscriptions.subscription import Subscription


def items_sold(subscription: Subscription, now: datetime) -> Iterator[SubscriptionItem]:
    """Those that are on or will be; an end that the subscription is to have may still be taken back."""
    if subscription.is_over(now):
        return
    for phase in subscription.phases:
        yield from (item for item in phase.items if phase.end_of(item) > max(now, phase.start_of(item)))


def items_measured(subscription: Subscription, now: datetime) -> Iterator[SubscriptionItem]:
    """Those of them that a meter measures, and those that ended and are not billed for all that was used."""
    sold = list(items_sold(subscription, now))
    yield from (item for item in sold if _is_measured(item))
    schedule, ids = subscription.schedule, {item.id for item in sold}
    for phase in subscription.phases:
        for item in phase.items:
            if item.card.is_metered and item.id not in ids and next(schedule.unbilled(phase, item), None) is not None:
                yield item


def dimensions_needed(item: SubscriptionItem) -> set[str]:
    """What its price and the filters of its feature cut the usage by."""
    price, feature = item.card.price, item.feature
    return {*(price.needs.dimensions if price else ()), *(feature.filters if feature else ())}


def _is_measured(item: SubscriptionItem) -> bool:
    return item.card.is_metered or isinstance(item.card.entitlement_template, MeteredEntitlement)
