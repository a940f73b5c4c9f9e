"""One change of a customer's subscriptions: read them all, decide, see that they fit, write; again if overtaken."""

from collections.abc import Callable, Sequence
from datetime import datetime

from functions.application.ports.clock import Clock
from functions.application.ports.entitlements import EntitledChange
from functions.application.ports.stored import Stale
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions
from functions.domain.errors import Conflict, NotFound, Unavailable
from functions.domain.period import rfc3339
from functions.domain.subscriptions.entitling import entitled_by, entitles
from functions.domain.subscriptions.no_overlap import require_room
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus

# Billing runs and other changes of the same customer write in between, each a few times a day.
MAX_TRIES = 8
# All of them are read for every change and every invoice; more are a mistake in a loop.
MAX_OPEN = 40

Decide = Callable[[Sequence[Subscription], datetime], Sequence[SubscriptionChange]]
DecideOne = Callable[[Subscription, Sequence[Subscription], datetime], Sequence[SubscriptionChange]]


def write_subscriptions(
    tenant: str, customer_id: str, decide: Decide, *, subscriptions: Subscriptions, clock: Clock
) -> Sequence[SubscriptionChange]:
    """`decide` sees all of the customer's subscriptions; raises what it raises, and Conflict when two sell the same."""
    for _ in range(MAX_TRIES):
        tenures = subscriptions.tenures(tenant, customer_id)
        withdrawn = subscriptions.withdrawn(tenant, customer_id)
        present = subscriptions.of_customer(tenant, customer_id)
        now = clock.now().replace(microsecond=0)
        changes = decide(present, now)
        _require_fit(customer_id, present, changes, now)
        after = _all_after(present, changes)
        entitled = entitled_changes(tenant, customer_id, present, after, now, subscriptions)
        try:
            sold_after = withdrawn if any(map(_sells_more, changes)) else None
            subscriptions.save(tenant, customer_id, changes, tenures, sold_after, entitled)
        except Stale:
            continue
        return changes
    raise being_changed(customer_id)


def write_subscription(
    tenant: str, subscription_id: str, decide: DecideOne, *, subscriptions: Subscriptions, clock: Clock
) -> Sequence[SubscriptionChange]:
    """The same for one subscription that exists; raises NotFound."""
    found = subscriptions.get(tenant, subscription_id)
    if found is None:
        raise subscription_not_found(subscription_id)

    def decided(present: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
        this = next((each for each in present if each.id == subscription_id), None)
        if this is None:
            raise subscription_not_found(subscription_id)
        return decide(this, present, now)

    return write_subscriptions(tenant, found.customer_id, decided, subscriptions=subscriptions, clock=clock)


def successor(this: Subscription, every: Sequence[Subscription], now: datetime) -> Subscription | None:
    """What is scheduled to take its place."""
    scheduled = (each for each in every if each.status(now) is SubscriptionStatus.SCHEDULED)
    return next((each for each in scheduled if each.follows is not None and each.follows.id == this.id), None)


def require_no_successor(this: Subscription, every: Sequence[Subscription], now: datetime, remedy: str) -> None:
    """A customer who has changed their mind would otherwise have both plans."""
    is_next = (each for each in every if each.id != this.id and each.active_from == this.active_to)
    following = next((each for each in is_next if each.status(now) is SubscriptionStatus.SCHEDULED), None)
    if following is None:
        following = successor(this, every, now)
    if following is not None:
        message = (
            f"Subscription {this.id} ends at {rfc3339(following.active_from)}, when {following.id} ({following.label}) "
            f"takes its place; {remedy}"
        )
        raise Conflict(message, code="change_scheduled")


def subscription_not_found(subscription_id: str) -> NotFound:
    return NotFound(f"There is no subscription {subscription_id!r}.", code="subscription_not_found")


def being_changed(customer_id: str) -> Unavailable:
    return Unavailable(f"The subscriptions of {customer_id} are being changed or billed.", retry_after_seconds=2)


def entitled_changes(
    tenant: str,
    customer_id: str,
    present: Sequence[Subscription],
    after: Sequence[Subscription],
    now: datetime,
    subscriptions: Subscriptions,
) -> list[EntitledChange]:
    """What changes of all that the customer is entitled to when `after` is in the place of `present`."""
    if not any(map(entitles, (*present, *after))):
        return []
    entitled = subscriptions.entitled(tenant, customer_id)
    return [EntitledChange(*each) for each in entitled_by(customer_id, after, entitled, now)]


def _sells_more(change: SubscriptionChange) -> bool:
    """Whether an item of it is new and sells a feature, so that a caller who withdraws the feature must see it."""
    before, after = (
        {item.id for phase in each.phases for item in phase.items if item.feature is not None} if each else set[str]()
        for each in (change.before, change.after)
    )
    return not after <= before


def _all_after(present: Sequence[Subscription], changes: Sequence[SubscriptionChange]) -> list[Subscription]:
    changed = {change.before.id for change in changes if change.before is not None}
    after = [change.after for change in changes if change.after is not None]
    return [*(each for each in present if each.id not in changed), *after]


def _require_fit(
    customer_id: str, present: Sequence[Subscription], changes: Sequence[SubscriptionChange], now: datetime
) -> None:
    changed = {change.before.id for change in changes if change.before is not None}
    after = [change.after for change in changes if change.after is not None]
    unchanged = [each for each in present if each.id not in changed]
    kept = [each for each in (*unchanged, *after) if not each.is_over(now)]
    if len(kept) > MAX_OPEN:
        raise Conflict(f"Customer {customer_id} has {MAX_OPEN} subscriptions, the most there can be; cancel one.")
    for each in after:
        each.require_storable()
    # One that starts in the past meets those that have ended since: their usage is sold.
    first = min((change.after.active_from for change in changes if change.after and not change.before), default=now)
    asked, others = ([each for each in some if not each.is_over(min(first, now))] for some in (after, unchanged))
    made = {change.after.id for change in changes if change.after is not None and change.before is None}
    require_room(asked, others, now, made)
