"""What happens once per customer and plan, in all their subscriptions together: set-up fees and trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.catalog.rate_card import Card
from functions.domain.subscriptions.addons import QuantityChange, SubscriptionAddon
from functions.domain.subscriptions.item import SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Had:
    """What a customer has had of a plan before: phases and keys of one-time fees, and whether there was any of it."""

    one_time: frozenset[tuple[str, str]] = frozenset()
    plan: bool = False


def had_before(subscriptions: Sequence[Subscription], plan: Plan | CustomPlan, at: datetime) -> Had:
    """By `at`, from any subscription to any version of the plan; a plan of its own has been had by nobody."""
    if not isinstance(plan, Plan):
        return Had()
    same = [each for each in subscriptions if each.plan and each.plan.key == plan.key and each.active_from < at]
    served = [each for each in same if each.active_to is None or each.active_to > each.active_from]
    return Had(frozenset(key for each in served for key in had_one_time(each, at)), bool(served))


def had_one_time(subscription: Subscription, at: datetime) -> frozenset[tuple[str, str]]:
    """Phases and keys of one-time fees that fell due in it before `at`, or are on an invoice."""

    def fell_due(phase: SubscriptionPhase, item: SubscriptionItem) -> bool:
        on = subscription.schedule.on(phase, item)
        return on.start < at and bool(on.length)

    return frozenset(
        (phase.key, item.key)
        for phase in subscription.phases
        for item in phase.items
        if is_one_time(item) and (item.billed_to is not None or fell_due(phase, item))
    )


def is_one_time(item: SubscriptionItem) -> bool:
    return item.card.billing_cadence is None and item.card.price is not None


def addons_held(subscription: Subscription, at: datetime) -> list[SubscriptionAddon]:
    """Those it has at `at` or will have."""
    return [
        each
        for each in subscription.addons
        if each.quantity_at(at) or any(change.starts_at > at and change.quantity for change in each.timeline)
    ]


def carried(addon: SubscriptionAddon, at: datetime, now: datetime) -> SubscriptionAddon:
    """The same add-on as it was bought, in the subscription that goes on at `at`."""
    later = [change for change in addon.timeline if change.starts_at > at]
    first = [QuantityChange(starts_at=at, quantity=quantity)] if (quantity := addon.quantity_at(at)) else []
    return addon.model_copy(update={"timeline": (*first, *later), "updated_at": now})


def is_trial(phase: PlanPhase | SubscriptionPhase) -> bool:
    """A phase that ends and costs nothing."""
    ends = phase.duration if isinstance(phase, PlanPhase) else phase.ends_at
    return ends is not None and all(map(_is_free, cards_of(phase)))


def cards_of(phase: PlanPhase | SubscriptionPhase) -> Sequence[Card]:
    return phase.rate_cards if isinstance(phase, PlanPhase) else [item.card for item in phase.items]


def _is_free(card: Card) -> bool:
    return card.price is None or (card.price.is_flat and getattr(card.price, "amount", None) == 0)


def phase_after_trials(phases: Sequence[PlanPhase]) -> str:
    """The first that is no trial."""
    return next((phase for phase in phases if not is_trial(phase)), phases[0]).key
