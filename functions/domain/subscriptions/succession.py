"""What happens once per customer and plan, whatever subscription it happens in: set-up fees and trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import CustomPlan, Plan
from functions.domain.catalog.rate_card import FlatFeeCard, UsageBasedCard
from functions.domain.subscriptions.item import SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Had:
    """What a customer has had of a plan before: keys of one-time fees, and whether it was subscribed to at all."""

    one_time: frozenset[str] = frozenset()
    plan: bool = False


def had_before(subscriptions: Sequence[Subscription], plan: Plan | CustomPlan, at: datetime) -> Had:
    """By `at`, from any subscription to any version of the plan; a plan of its own has been had by nobody."""
    if not isinstance(plan, Plan):
        return Had()
    same = [each for each in subscriptions if each.plan and each.plan.key == plan.key and each.active_from < at]
    served = [each for each in same if each.active_to is None or each.active_to > each.active_from]
    return Had(
        frozenset(
            item.key
            for each in served
            for phase in each.phases
            for item in phase.items
            if is_one_time(item) and phase.start_of(item) < at and each.schedule.on(phase, item).length
        ),
        bool(served),
    )


def is_one_time(item: SubscriptionItem) -> bool:
    return item.card.billing_cadence is None and item.card.price is not None


def is_trial(phase: PlanPhase | SubscriptionPhase) -> bool:
    """A phase that ends and costs nothing."""
    ends = phase.duration if isinstance(phase, PlanPhase) else phase.ends_at
    return ends is not None and all(map(_is_free, cards_of(phase)))


def cards_of(phase: PlanPhase | SubscriptionPhase) -> Sequence[FlatFeeCard | UsageBasedCard]:
    return phase.rate_cards if isinstance(phase, PlanPhase) else [item.card for item in phase.items]


def _is_free(card: FlatFeeCard | UsageBasedCard) -> bool:
    return card.price is None or (card.price.is_flat and getattr(card.price, "amount", None) == 0)


def phase_after_trials(phases: Sequence[PlanPhase]) -> str:
    """The first that is no trial."""
    return next((phase for phase in phases if not is_trial(phase)), phases[0]).key
