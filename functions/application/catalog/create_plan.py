"""Create a plan, or the next draft version of one that exists."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from functions.application.catalog.find_plan import find_plan, versioned_plans
from functions.application.ports.catalog import MeteredFeatures, PlanAddons, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import Plan, PlanCreate
from functions.domain.catalog.rate_card import FlatFeeCard, UsageBasedCard
from functions.domain.catalog.validation import (
    MeterFacts,
    currency_problems,
    feature_problems,
    features_to_look_into,
    meter_problems,
    phase_tax_problems,
    refuse,
)
from functions.domain.errors import Conflict, FieldError
from functions.domain.subscriptions.item import MeteredFeature

Cards = Sequence[FlatFeeCard | UsageBasedCard]


def create_plan(
    tenant: str, draft: PlanCreate, *, plans: Plans, features: MeteredFeatures, clock: Clock, new_id: NewId
) -> Plan:
    """Raises InvalidInput for unknown features, a tax, a currency nobody collects; Conflict when it has a draft."""
    refuse([*currency_problems(draft.currency), *phase_tax_problems(draft.phases)])
    check_features(tenant, draft.phases, features)
    return _drafted(tenant, draft, plans, clock, new_id)


def next_plan(
    tenant: str, id_or_key: str, *, plans: Plans, plan_addons: PlanAddons, clock: Clock, new_id: NewId
) -> Plan:
    """A new draft that says what the latest published version says, with its add-ons; raises NotFound, Conflict."""
    plan = find_plan(tenant, id_or_key, plans=plans)
    family = plans.family(tenant, plan.key)
    assert family is not None, plan.key
    latest = next((each for each in reversed(family.ids) if each != family.draft), None)
    if plan.id != (family.active or latest):
        raise Conflict(f"{plan.label} is not the latest published version; draft the next one from that.")
    draft = PlanCreate.model_construct(**{name: getattr(plan, name) for name in PlanCreate.model_fields})
    now, following_id = clock.now().replace(microsecond=0), new_id()
    assigned = [each for each in plan_addons.of_plan(tenant, plan.id) if each.deleted_at is None]
    changed = {"plan_id": following_id, "created_at": now, "updated_at": now}
    # Before the draft: whoever dies in between, or is overtaken, leaves the add-ons of a plan that nobody knows.
    plan_addons.copy(tenant, [each.model_copy(update=changed) for each in assigned])
    return _drafted(tenant, draft, plans, clock, lambda: following_id)


def _drafted(tenant: str, draft: PlanCreate, plans: Plans, clock: Clock, new_id: NewId) -> Plan:
    values = {name: getattr(draft, name) for name in PlanCreate.model_fields}

    def make(version: int, now: datetime) -> Plan:
        return Plan(**values, id=new_id(), version=version, created_at=now, updated_at=now)

    return versioned_plans(plans, clock).draft(tenant, draft.key, make)


def check_features(tenant: str, phases: Sequence[PlanPhase], features: MeteredFeatures) -> None:
    """Every feature a card names must exist and have the meter its price or entitlement needs; raises InvalidInput."""
    known_features(tenant, phases, features)


def known_features(tenant: str, phases: Sequence[PlanPhase], features: MeteredFeatures) -> Mapping[str, MeteredFeature]:
    """The same, and those features by key."""
    cards = [card for phase in phases for card in phase.rate_cards]
    known, meters = _facts(tenant, cards, features)
    refuse(
        [
            problem
            for p, phase in enumerate(phases)
            for problem in _problems(phase.rate_cards, f"phases[{p}].rateCards", known, meters)
        ]
    )
    return known


def card_feature_problems(tenant: str, cards: Cards, where: str, features: MeteredFeatures) -> list[FieldError]:
    known, meters = _facts(tenant, cards, features)
    return _problems(cards, where, known, meters)


def _facts(
    tenant: str, cards: Cards, features: MeteredFeatures
) -> tuple[Mapping[str, MeteredFeature], Mapping[str, MeterFacts]]:
    known = features.metered(tenant, sorted({card.feature_key for card in cards if card.feature_key}))
    wanted = features_to_look_into(cards)
    return known, features.meters(tenant, wanted) if wanted else {}


def _problems(
    cards: Cards, where: str, known: Mapping[str, MeteredFeature], meters: Mapping[str, MeterFacts]
) -> list[FieldError]:
    has_meter = {key: feature.meter_slug is not None for key, feature in known.items()}
    return [*feature_problems(cards, where, has_meter), *meter_problems(cards, where, meters)]
