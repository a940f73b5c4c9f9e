"""How a plan becomes a subscription: phases get dates, rate cards become items with their features."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import CustomPlan, Plan, PlanStatus
from functions.domain.errors import InvalidInput
from functions.domain.period import LONGEST_MONTHS, LONGEST_REST, UTC_ZONE, Cadence, rfc3339
from functions.domain.subscriptions.item import (
    Follows,
    MeteredFeature,
    Offset,
    PlanReference,
    SubscriptionItem,
    SubscriptionPhase,
)
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.wire import LAST_YEAR

NewId = Callable[[], str]
_MOST_SECONDS = int(LONGEST_REST.total_seconds())


@dataclass(frozen=True)
class SubscriptionTerms:
    """What a subscription says beside its plan; what is None is the plan's, the anchor the start."""

    anchor: datetime | None = None
    starting_phase: str | None = None
    name: str | None = None
    description: str | None = None
    metadata: dict[str, str] | None = None
    # Since when another subscription has sold the running period's usage of a feature, by feature key.
    counts_from: Mapping[str, datetime] = field(default_factory=dict)
    follows: Follows | None = None
    # Phases and keys of one-time fees that the customer was charged before; when the first phase began if it goes on.
    charged: frozenset[tuple[str, str]] = frozenset()
    phase_began: datetime | None = None
    time_zone: str = UTC_ZONE


# As the plan has it.
PLAIN = SubscriptionTerms()


def subscribe(
    plan: Plan | CustomPlan,
    *,
    new_id: NewId,
    customer_id: str,
    features: Mapping[str, MeteredFeature],
    start: datetime,
    now: datetime,
    terms: SubscriptionTerms = PLAIN,
) -> Subscription:
    """A subscription that copies everything it will be billed by, so that a later plan version changes nothing."""
    if isinstance(plan, Plan) and (status := plan.status(now)) is not PlanStatus.ACTIVE:
        remedy = "publish it first" if status is PlanStatus.DRAFT else "only an active plan can be subscribed to"
        raise InvalidInput(f"Plan {plan.label} is {status}; {remedy}.", code="plan_not_active")
    subscription = Subscription(
        id=new_id(),
        customer_id=customer_id,
        plan=PlanReference(id=plan.id, key=plan.key, version=plan.version) if isinstance(plan, Plan) else None,
        name=terms.name or plan.name,
        description=terms.description,
        metadata=terms.metadata,
        alignment=plan.alignment,
        currency=plan.currency,
        billing_cadence=plan.billing_cadence,
        pro_rating_config=plan.pro_rating_config,
        settlement_mode=plan.settlement_mode,
        commitment=plan.commitment,
        billing_anchor=terms.anchor or start,
        time_zone=terms.time_zone,
        active_from=start,
        follows=terms.follows,
        phases=_phases(plan, start, new_id, features, terms),
        created_at=now,
        updated_at=now,
    )
    subscription.require_storable()
    return subscription


def _phases(
    plan: Plan | CustomPlan,
    start: datetime,
    new_id: NewId,
    features: Mapping[str, MeteredFeature],
    terms: SubscriptionTerms,
) -> tuple[SubscriptionPhase, ...]:
    made: list[SubscriptionPhase] = []
    offset = Offset()
    for phase in _from_phase(plan.phases, terms.starting_phase):
        # Usage is carried over by what is on when the other subscription ends, not by later phases.
        since = terms.counts_from if not made else {}
        items = tuple(
            SubscriptionItem(
                id=new_id(),
                key=card.key,
                card=card,
                feature=features.get(card.feature_key or ""),
                counts_from=since.get(card.feature_key or ""),
                billed_to=start if card.billing_cadence is None and (phase.key, card.key) in terms.charged else None,
            )
            for card in phase.rate_cards
        )
        made.append(
            SubscriptionPhase(
                id=new_id(),
                key=phase.key,
                name=phase.name,
                description=phase.description,
                metadata=phase.metadata,
                offset=offset,
                starts_at=start,
                ends_at=None,
                began_at=terms.phase_began if not made else None,
                items=items,
            )
        )
        if phase.duration is not None:
            offset += offset_of(phase.duration)
    return dated(made, start, terms.time_zone)


def offset_of(duration: str) -> Offset:
    cadence = Cadence.parse(duration)
    return Offset(months=cadence.months, seconds=int(cadence.rest.total_seconds()))


def dated(phases: Sequence[SubscriptionPhase], start: datetime, zone: str) -> tuple[SubscriptionPhase, ...]:
    """The phases with the times their offsets give, each ending where the next one starts; raises InvalidInput.

    They are counted from when the first one began, which may have been in a subscription before.
    """
    offsets = [phase.offset for phase in phases]
    if any(abs(each.months) > LONGEST_MONTHS or abs(each.seconds) > _MOST_SECONDS for each in offsets):
        message = f"All phases together must not be longer than {LONGEST_MONTHS // 12} years."
        raise InvalidInput(message, code="phases_too_long")
    origin = phases[0].began_at or start
    starts = [start, *(each.after(origin, zone) for each in offsets[1:])]
    if any(each.year >= LAST_YEAR for each in starts):
        raise InvalidInput(f"No phase can begin later than the year {LAST_YEAR - 1}.", code="phases_too_long")
    for phase, (begin, following) in zip(phases, pairwise(starts), strict=False):
        if begin >= following:
            message = f"Phase {phase.key!r} would end at {rfc3339(following)}, not after it begins."
            raise InvalidInput(message, code="phase_without_time")
    ends = [*starts[1:], None]
    return tuple(
        phase.model_copy(update={"starts_at": begins, "ends_at": end})
        for phase, begins, end in zip(phases, starts, ends, strict=True)
    )


def _from_phase(phases: tuple[PlanPhase, ...], starting_phase: str | None) -> tuple[PlanPhase, ...]:
    if starting_phase is None:
        return phases
    keys = [phase.key for phase in phases]
    if starting_phase not in keys:
        message = f"The plan has no phase {starting_phase!r}; it has {', '.join(keys)}."
        raise InvalidInput(message, code="unknown_phase")
    return phases[keys.index(starting_phase) :]
