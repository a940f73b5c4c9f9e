"""Create a plan, or the next draft version of one that exists."""

from dataclasses import replace

from functions.application.ports.billing import MeteredFeatures, NewId, PlanFamily, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Stale
from functions.domain.catalog.plan import Plan, PlanDraft, PlanOffer, require_features
from functions.domain.errors import Conflict

# A family item lists the ids of all versions; this many keep it far below DynamoDB's 400 KB.
MAX_VERSIONS = 1_000


def create_plan(
    tenant: str, draft: PlanDraft, *, plans: Plans, features: MeteredFeatures, clock: Clock, new_id: NewId
) -> Plan:
    """Raises InvalidInput for unknown features, Conflict when the key has a draft already."""
    check_features(tenant, draft, features)
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


def check_features(tenant: str, offer: PlanOffer, features: MeteredFeatures) -> None:
    keys = {card.feature_key for phase in offer.phases for card in phase.rate_cards if card.feature_key}
    known = features.metered(tenant, sorted(keys))
    require_features(offer, {key: feature.meter_slug is not None for key, feature in known.items()})
