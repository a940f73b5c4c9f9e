"""Find a plan version by its id, or by its key: the active version, the latest, or a given one."""

from functions.application.ports.billing import Plans
from functions.domain.catalog.plan import Plan
from functions.domain.errors import NotFound


def find_plan(tenant: str, id_or_key: str, *, plans: Plans, version: int | None = None, latest: bool = False) -> Plan:
    """Raises NotFound, also for a key without an active version and for a version that was deleted."""
    plan = None if version is not None or latest else plans.get(tenant, id_or_key)
    if plan is None:
        plan = _by_key(tenant, id_or_key, plans, version, latest=latest)
    if plan is None:
        which = f" version {version}" if version is not None else ""
        raise NotFound(f"There is no plan {id_or_key!r}{which}.", code="plan_not_found")
    return plan


def _by_key(tenant: str, key: str, plans: Plans, version: int | None, *, latest: bool) -> Plan | None:
    family = plans.family(tenant, key)
    if family is None:
        # An id with `latest` means the latest version of that plan's key.
        plan = plans.get(tenant, key)
        family = plans.family(tenant, plan.key) if plan is not None else None
    if family is None:
        return None
    if version is not None:
        plan = plans.get(tenant, family.ids[version - 1]) if 1 <= version <= len(family.ids) else None
        return None if plan is None or plan.deleted_at is not None else plan
    plan_id = (family.draft or family.active or family.ids[-1]) if latest else family.active
    return plans.get(tenant, plan_id) if plan_id is not None else None
