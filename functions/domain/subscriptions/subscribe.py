"""How a plan version becomes a subscription: phases get dates, rate cards become items with their features."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import Plan, PlanStatus
from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence
from functions.domain.subscriptions.subscription import (
    MeteredFeature,
    PlanReference,
    Subscription,
    SubscriptionItem,
    SubscriptionPhase,
)

# One item of at most 400 KB; a plan within its bound gets there only by features with very long names and filters.
MAX_SUBSCRIPTION_BYTES = 380_000


def subscribe(
    plan: Plan,
    *,
    new_id: Callable[[], str],
    customer_id: str,
    features: Mapping[str, MeteredFeature],
    start: datetime,
    now: datetime,
    anchor: datetime | None = None,
    starting_phase: str | None = None,
    name: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Subscription:
    """A subscription that copies everything it will be billed by, so that a later plan version changes nothing."""
    status = plan.status(now)
    if status is not PlanStatus.ACTIVE:
        remedy = "publish it first" if status is PlanStatus.DRAFT else "only an active plan can be subscribed to"
        raise InvalidInput(f"Plan {plan.label} is {status}; {remedy}.", code="plan_not_active")
    subscription = Subscription(
        id=new_id(),
        customer_id=customer_id,
        plan=PlanReference(id=plan.id, key=plan.key, version=plan.version),
        name=name or plan.name,
        description=description,
        metadata=metadata,
        alignment=plan.alignment,
        currency=plan.currency,
        billing_cadence=plan.billing_cadence,
        pro_rating_config=plan.pro_rating_config,
        settlement_mode=plan.settlement_mode,
        billing_anchor=anchor or start,
        active_from=start,
        phases=_dated(_from_phase(plan, starting_phase), start, new_id, features),
        created_at=now,
        updated_at=now,
    )
    if (size := len(subscription.model_dump_json().encode())) > MAX_SUBSCRIPTION_BYTES:
        message = f"Plan {plan.label} with its features is too large to subscribe to: {size} bytes of JSON."
        raise InvalidInput(message, code="plan_too_large")
    return subscription


def _from_phase(plan: Plan, starting_phase: str | None) -> tuple[PlanPhase, ...]:
    if starting_phase is None:
        return plan.phases
    keys = [phase.key for phase in plan.phases]
    if starting_phase not in keys:
        message = f"Plan {plan.label} has no phase {starting_phase!r}; it has {', '.join(keys)}."
        raise InvalidInput(message, code="unknown_phase")
    return plan.phases[keys.index(starting_phase) :]


def _dated(
    phases: tuple[PlanPhase, ...],
    start: datetime,
    new_id: Callable[[], str],
    features: Mapping[str, MeteredFeature],
) -> tuple[SubscriptionPhase, ...]:
    dated = []
    begins = start
    passed: list[Cadence] = []
    for phase in phases:
        ends = None
        if phase.duration is not None:
            passed.append(Cadence.parse(phase.duration))
            ends = _after_all(start, passed)
        items = tuple(
            SubscriptionItem(id=new_id(), key=card.key, card=card, feature=features.get(card.feature_key or ""))
            for card in phase.rate_cards
        )
        dated.append(
            SubscriptionPhase(
                id=new_id(),
                key=phase.key,
                name=phase.name,
                description=phase.description,
                metadata=phase.metadata,
                starts_at=begins,
                ends_at=ends,
                items=items,
            )
        )
        begins = ends or begins
    return tuple(dated)


def _after_all(start: datetime, durations: list[Cadence]) -> datetime:
    """All durations together counted from the start: two months after 31 January is 31 March, not 28."""
    months = sum(duration.months for duration in durations)
    rest = sum((duration.rest for duration in durations), timedelta())
    return Cadence(months, rest).after(start, 1)
