"""End a subscription, take the end back, or delete one that has not begun."""

from collections.abc import Sequence
from datetime import datetime

from functions.application.ports.clock import Clock
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions
from functions.application.subscriptions.write_subscriptions import (
    DecideOne,
    require_no_successor,
    successor,
    write_subscription,
)
from functions.domain.errors import Conflict
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus

Changes = Sequence[SubscriptionChange]

# Each is three writes of the one transaction of 100, in which what is restored takes four.
MAX_DELETED_AT_ONCE = 32


def cancel_subscription(
    tenant: str, subscription_id: str, timing: datetime | str, *, subscriptions: Subscriptions, clock: Clock
) -> Subscription:
    """Also deletes what is scheduled to take its place: a customer who cancels wants neither.

    Raises NotFound, InvalidInput for a time inside a period, Conflict when it ended or is billed beyond.
    """

    def decide(this: Subscription, every: Sequence[Subscription], now: datetime) -> Changes:
        cancelled = SubscriptionChange(this, this.cancelled(this.effective_time(timing, now), now))
        following = successor(this, every, now)
        return [cancelled, *([SubscriptionChange(following, None)] if following else [])]

    return _changed(tenant, subscription_id, decide, subscriptions, clock)


def unschedule_cancellation(
    tenant: str, subscription_id: str, *, subscriptions: Subscriptions, clock: Clock
) -> Subscription:
    """It goes on; raises Conflict when it is not cancelled, has ended, or another one has taken its place."""

    def decide(this: Subscription, every: Sequence[Subscription], now: datetime) -> Changes:
        require_no_successor(this, every, now, "restore it, which takes the change back, instead.")
        return [SubscriptionChange(this, this.continued(now))]

    return _changed(tenant, subscription_id, decide, subscriptions, clock)


def restore_subscription(
    tenant: str, subscription_id: str, *, subscriptions: Subscriptions, clock: Clock
) -> Subscription:
    """It goes on, and all that is scheduled to start after it is deleted; raises Conflict when it has ended."""

    def decide(this: Subscription, every: Sequence[Subscription], now: datetime) -> Changes:
        continued = SubscriptionChange(this, this.continued(now))
        following = [
            each
            for each in every
            if each.id != this.id
            and each.status(now) is SubscriptionStatus.SCHEDULED
            and this.active_to is not None
            and each.active_from >= this.active_to
        ]
        if len(following) > MAX_DELETED_AT_ONCE:
            message = (
                f"{len(following)} subscriptions start after {this.id}; delete all but {MAX_DELETED_AT_ONCE} first."
            )
            raise Conflict(message, code="too_many_following")
        return [continued, *(SubscriptionChange(each, None) for each in following)]

    return _changed(tenant, subscription_id, decide, subscriptions, clock)


def delete_subscription(tenant: str, subscription_id: str, *, subscriptions: Subscriptions, clock: Clock) -> None:
    """Raises Conflict for one that has begun: that can only be cancelled."""

    def decide(this: Subscription, _all: Sequence[Subscription], now: datetime) -> Changes:
        status = this.status(now)
        if status is not SubscriptionStatus.SCHEDULED:
            message = f"Only a scheduled subscription can be deleted; {this.id} is {status.value}. Cancel it instead."
            raise Conflict(message, code="subscription_not_scheduled")
        return [SubscriptionChange(this, None)]

    write_subscription(tenant, subscription_id, decide, subscriptions=subscriptions, clock=clock)


def _changed(
    tenant: str, subscription_id: str, decide: DecideOne, subscriptions: Subscriptions, clock: Clock
) -> Subscription:
    first = write_subscription(tenant, subscription_id, decide, subscriptions=subscriptions, clock=clock)[0]
    assert first.after is not None
    return first.after
