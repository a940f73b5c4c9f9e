"""Entitle one customer to what they subscribed to before there were entitlements; no subscription changes."""

from collections.abc import Sequence

from functions.application.ports.clock import Clock
from functions.application.ports.entitlements import EntitledChange
from functions.application.ports.stored import Stale
from functions.application.ports.subscriptions import Subscriptions
from functions.application.subscriptions.write_subscriptions import MAX_TRIES, being_changed, entitled_changes


def entitle_subscriptions(tenant: str, customer_id: str, *, subscriptions: Subscriptions, clock: Clock) -> int:
    """How many entitlements were made; none where all are there.

    One subscription after the other, in as many writes as buying them took. Raises Conflict where the customer has
    another entitlement to a feature, InvalidInput for too many at once and for a limit of what nothing measures, and
    Unavailable while others change the same subscriptions.
    """
    made = tries = 0
    while tries < MAX_TRIES:
        tenures = subscriptions.tenures(tenant, customer_id)
        present = subscriptions.of_customer(tenant, customer_id)
        now = clock.now().replace(microsecond=0)
        every = entitled_changes(tenant, customer_id, present, present, now, subscriptions)
        if not every:
            return made
        changes = _of_one_subscription(every)
        try:
            # It counts as a change of the subscriptions: one of them that ends now would not know what it has to end.
            subscriptions.save(tenant, customer_id, (), tenures, entitled=changes)
        except Stale:
            tries += 1
            continue
        made += sum(len(_made(each)) for each in changes)
        if len(changes) == len(every):
            return made
    raise being_changed(customer_id)


def _of_one_subscription(changes: Sequence[EntitledChange]) -> list[EntitledChange]:
    """Those whose first new entitlement is of the same subscription as that of the first of them."""
    first = _subscription_of(changes[0])
    return [each for each in changes if _subscription_of(each) == first]


def _subscription_of(change: EntitledChange) -> str | None:
    return next(iter(_made(change).values()), None)


def _made(change: EntitledChange) -> dict[str, str | None]:
    """By id the subscription of each entitlement that is new."""
    known = {each.id for each in change.before.entitlements}
    return {each.id: each.subscription_id for each in change.after.entitlements if each.id not in known}
