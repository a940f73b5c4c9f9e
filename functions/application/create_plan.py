"""Create a plan, or the next draft version of one that exists."""

from collections.abc import Sequence
from dataclasses import replace

from functions.application.find_plan import find_plan
from functions.application.ports.billing import MeteredFeatures, NewId, PlanFamily, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Stale
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.plan import Plan, PlanDraft
from functions.domain.catalog.validation import feature_problems, refuse
from functions.domain.errors import Conflict

# A family item lists the ids of all versions; this many keep it far below DynamoDB's 400 KB.
MAX_VERSIONS = 1_000


def create_plan(
    tenant: str, draft: PlanDraft, *, plans: Plans, features: MeteredFeatures, clock: Clock, new_id: NewId
) -> Plan:
    """Raises InvalidInput for unknown features, Conflict when the key has a draft already."""
    check_features(tenant, draft.phases, features)
    return _drafted(tenant, draft, plans, clock, new_id)


def _drafted(tenant: str, draft: PlanDraft, plans: Plans, clock: Clock, new_id: NewId) -> Plan:
    family = plans.family(tenant, draft.key) or PlanFamily(draft.key)
    if family.draft is not None:
        raise Conflict(f"Plan {draft.key!r} has a draft version already; change or publish it.", code="plan_has_draft")
    if len(family.ids) >= MAX_VERSIONS:
        raise Conflict(f"Plan {draft.key!r} has {MAX_VERSIONS} versions, the most there can be; use another key.")
    now = clock.now().replace(microsecond=0)
    values = {name: getattr(draft, name) for name in PlanDraft.model_fields}
    plan = Plan(**values, id=new_id(), version=len(family.ids) + 1, created_at=now, updated_at=now)
    try:
        plans.save(tenant, [plan], replace(family, ids=(*family.ids, plan.id), draft=plan.id))
    except Stale as stale:
        raise Conflict(f"Plan {draft.key!r} was changed by another request; look at it and try again.") from stale
    return plan


def next_plan(tenant: str, id_or_key: str, *, plans: Plans, clock: Clock, new_id: NewId) -> Plan:
    """A new draft that says what the latest published version says; raises NotFound and Conflict."""
    plan = find_plan(tenant, id_or_key, plans=plans)
    family = plans.family(tenant, plan.key)
    assert family is not None, plan.key
    latest = next((each for each in reversed(family.ids) if each != family.draft), None)
    if plan.id != (family.active or latest):
        raise Conflict(f"{plan.label} is not the latest published version; draft the next one from that.")
    draft = PlanDraft.model_construct(**{name: getattr(plan, name) for name in PlanDraft.model_fields})
    return _drafted(tenant, draft, plans, clock, new_id)


def check_features(tenant: str, phases: Sequence[PlanPhase], features: MeteredFeatures) -> None:
    """Every feature a card names must exist and have the meter its price or entitlement needs; raises InvalidInput."""
    keys = {card.feature_key for phase in phases for card in phase.rate_cards if card.feature_key}
    known = features.metered(tenant, sorted(keys))
    has_meter = {key: feature.meter_slug is not None for key, feature in known.items()}
    each_phase = [
        feature_problems(phase.rate_cards, f"phases[{p}].rateCards", has_meter) for p, phase in enumerate(phases)
    ]
    refuse([problem for problems in each_phase for problem in problems])
