"""Change, publish, archive or delete one version of a plan; published versions never change."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from functions.application.create_plan import check_features
from functions.application.ports.billing import MeteredFeatures, PlanFamily, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Stale
from functions.domain.catalog.plan import Plan, PlanOffer
from functions.domain.errors import Conflict, NotFound

Change = Callable[[Plan, PlanFamily, datetime], tuple[list[Plan], PlanFamily]]


def update_plan(
    tenant: str, plan_id: str, offer: PlanOffer, *, plans: Plans, features: MeteredFeatures, clock: Clock
) -> Plan:
    check_features(tenant, offer.phases, features)
    return _changed(tenant, plan_id, plans, clock, lambda plan, family, now: ([plan.revised(offer, now)], family))


def publish_plan(tenant: str, plan_id: str, *, plans: Plans, features: MeteredFeatures, clock: Clock) -> Plan:
    """The draft becomes the active version at once; the version that was active until now is archived."""

    def publish(plan: Plan, family: PlanFamily, now: datetime) -> tuple[list[Plan], PlanFamily]:
        published = plan.published(now)
        check_features(tenant, plan.phases, features)
        before = plans.get(tenant, family.active) if family.active else None
        replaced = [before.archived(now)] if before is not None else []
        return [published, *replaced], replace(family, draft=None, active=plan.id)

    return _changed(tenant, plan_id, plans, clock, publish)


def archive_plan(tenant: str, plan_id: str, *, plans: Plans, clock: Clock) -> Plan:
    """Nobody can subscribe to it any more; running subscriptions keep their copy."""
    return _changed(
        tenant, plan_id, plans, clock, lambda plan, family, now: ([plan.archived(now)], replace(family, active=None))
    )


def delete_plan(tenant: str, plan_id: str, *, plans: Plans, clock: Clock) -> None:
    _changed(
        tenant, plan_id, plans, clock, lambda plan, family, now: ([plan.deleted(now)], replace(family, draft=None))
    )


def _changed(tenant: str, plan_id: str, plans: Plans, clock: Clock, change: Change) -> Plan:
    plan = plans.get(tenant, plan_id)
    family = plans.family(tenant, plan.key) if plan is not None else None
    if plan is None or family is None or plan.deleted_at is not None:
        raise NotFound(f"There is no plan {plan_id!r}.", code="plan_not_found")
    changed, family = change(plan, family, clock.now().replace(microsecond=0))
    try:
        plans.save(tenant, changed, family)
    except Stale as stale:
        raise Conflict(f"Plan {plan.label} was changed by another request; look at it and try again.") from stale
    return changed[0]
