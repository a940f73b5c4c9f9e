"""Change, publish, archive or delete one version of a plan; published versions never change."""

from functions.application.catalog.check_features import check_features
from functions.application.catalog.find_plan import versioned_plans
from functions.application.ports.catalog import MeteredFeatures, Plans
from functions.application.ports.clock import Clock
from functions.domain.catalog.plan import Plan, PlanReplaceUpdate
from functions.domain.catalog.validation import phase_tax_problems, refuse


def update_plan(
    tenant: str, plan_id: str, update: PlanReplaceUpdate, *, plans: Plans, features: MeteredFeatures, clock: Clock
) -> Plan:
    refuse(phase_tax_problems(update.phases))
    check_features(tenant, update.phases, features)
    return versioned_plans(plans, clock).revise(tenant, plan_id, lambda plan, now: plan.revised(update, now))


def publish_plan(tenant: str, plan_id: str, *, plans: Plans, features: MeteredFeatures, clock: Clock) -> Plan:
    """The draft becomes the active version at once; the version that was active until now is archived."""
    versions = versioned_plans(plans, clock)
    return versions.publish(tenant, plan_id, lambda plan: check_features(tenant, plan.phases, features))


def archive_plan(tenant: str, plan_id: str, *, plans: Plans, clock: Clock) -> Plan:
    """Nobody can subscribe to it any more; running subscriptions keep their copy."""
    return versioned_plans(plans, clock).archive(tenant, plan_id)


def delete_plan(tenant: str, plan_id: str, *, plans: Plans, clock: Clock) -> None:
    versioned_plans(plans, clock).delete(tenant, plan_id)
