"""A tenant's backfill of entitlements: how far it is, and begin it again."""

from functions.application.ports.clock import Clock
from functions.application.ports.entitlement_backfills import EntitlementBackfills
from functions.application.retry import decide_again_when_stale
from functions.domain.subscriptions.entitlement_backfill import EntitlementBackfill


def find_entitlement_backfill(
    tenant: str, *, backfills: EntitlementBackfills, clock: Clock
) -> tuple[EntitlementBackfill | None, bool]:
    """None where none was begun, and whether one is still to begin.

    When the search for tenants is over, a tenant without one has nothing from before.
    """
    found = backfills.get(tenant)
    search = backfills.to_do(clock.now(), 1).search
    is_known = found is not None and found.is_current
    return found, not is_known and not (search is not None and search.is_over)


def restart_entitlement_backfill(tenant: str, *, backfills: EntitlementBackfills, clock: Clock) -> EntitlementBackfill:
    """From the beginning, by the next call of the schedule; one that runs goes on as it is."""

    def decide() -> EntitlementBackfill:
        now = clock.now().replace(microsecond=0)
        before = backfills.get(tenant)
        if before is not None and before.is_current and before.is_running:
            return before
        return backfills.save(tenant, before, before.again(now) if before else EntitlementBackfill.begun(now))

    return decide_again_when_stale(decide)
