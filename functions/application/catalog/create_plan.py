"""Create a plan, or the next draft version of one that exists."""

from datetime import datetime

from functions.application.catalog.check_features import check_features
from functions.application.catalog.find_plan import find_plan, versioned_plans
from functions.application.ports.catalog import MeteredFeatures, PlanAddons, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.domain.catalog.plan import Plan, PlanCreate
from functions.domain.catalog.validation import currency_problems, phase_tax_problems, refuse
from functions.domain.errors import Conflict


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
