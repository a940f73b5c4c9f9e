"""Room for another subscription: one customer may have several, but none may sell twice what another sells."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from functions.domain.errors import Conflict
from functions.domain.period import Period, rfc3339
from functions.domain.subscriptions.item import FOREVER
from functions.domain.subscriptions.subscription import Subscription

ONLY_ONE = "only_single_subscription_allowed_per_customer_at_a_time"
MAX_NAMED = 5  # in the sentence


def require_room(
    asked: Sequence[Subscription], others: Sequence[Subscription], now: datetime, made: Collection[str] = ()
) -> None:
    """Raises Conflict when one that is asked for sells the same feature, or plan, as another one at the same time.

    `made` are the ids of those asked for that are new, which nobody knows yet.
    """
    for one in asked:
        rivals = [*others, *(each for each in asked if each is not one)]
        sold = [(each, both) for each in rivals if (both := list(_sold_by_both(one, each)))]
        if sold:
            # Room that is made at the last one's end is made for all that ended before.
            other, both = max(sold, key=lambda found: _life(found[0]).end)
            raise Conflict(_told(one, other, both, now, one.id in made), code=ONLY_ONE)


def _told(
    asked: Subscription, other: Subscription, both: Sequence[tuple[str, Period]], now: datetime, is_new: bool
) -> str:
    names = list(dict.fromkeys(name for name, _ in both))
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    together = Period(min(each.start for _, each in both), max(each.end for _, each in both))
    who = "the one asked for" if is_new else f"subscription {asked.id} as asked for"
    return (
        f"Subscription {other.id} ({other.label}, {_span(_life(other))}) and {who} would both sell "
        f"{', '.join(names[:MAX_NAMED])}{more} to customer {asked.customer_id} {_span(together)}; "
        f"{_remedy(asked, other, now, is_new)}."
    )


def _remedy(asked: Subscription, other: Subscription, now: datetime, is_new: bool) -> str:
    """What has been sold stays sold: no cancellation makes room in the past."""
    end = f"at {rfc3339(other.active_to)} or later" if other.active_to else None
    if other.is_over(now):
        return f"it has ended and cannot be changed any more: start {end}"
    if is_new and asked.active_from < now and other.active_from < now:
        how = f"start when it ends, {end}" if end else f"cancel {other.id} first, and start when it ends or later"
        return f"what it sold until now cannot be undone: {how}"
    return f"cancel or change {other.id} first{f', or start {end}' if is_new and end else ''}"


def _span(period: Period) -> str:
    return f"from {rfc3339(period.start)} {f'to {rfc3339(period.end)}' if period.end < FOREVER else 'on'}"


def _life(subscription: Subscription) -> Period:
    return Period(subscription.active_from, max(subscription.active_from, subscription.active_to or FOREVER))


def _sold_by_both(one: Subscription, other: Subscription) -> Iterator[tuple[str, Period]]:
    if not _life(one).overlap(_life(other)):
        return
    sold = list(_sold(other))
    for what, period in _sold(one):
        yield from ((what, both) for name, each in sold if name == what and (both := each.overlap(period)))


def _sold(subscription: Subscription) -> Iterator[tuple[str, Period]]:
    if subscription.plan is not None:
        yield f"plan {subscription.plan.key!r}", _life(subscription)
    schedule = subscription.schedule
    for phase in subscription.phases:
        for item in phase.items:
            if item.card.feature_key is not None:
                yield f"feature {item.card.feature_key!r}", schedule.on(phase, item)
