"""Find a plan version by its id, or by its key: the active version, the latest, or a given one."""

from datetime import UTC, datetime

from functions.application.catalog.manage_versions import VersionedStore
from functions.application.ports.catalog import Plans
from functions.application.ports.clock import Clock
from functions.domain.catalog.plan import Plan


class _NoClock:
    """Nothing that is found depends on the time."""

    def now(self) -> datetime:
        return datetime.min.replace(tzinfo=UTC)


NO_CLOCK = _NoClock()


def versioned_plans(plans: Plans, clock: Clock) -> VersionedStore[Plan]:
    return VersionedStore(plans, "plan", clock)


def find_plan(tenant: str, id_or_key: str, *, plans: Plans, version: int | None = None, latest: bool = False) -> Plan:
    """Raises NotFound, also for a key without an active version and for a version that was deleted."""
    return versioned_plans(plans, NO_CLOCK).find(tenant, id_or_key, version, latest=latest)
