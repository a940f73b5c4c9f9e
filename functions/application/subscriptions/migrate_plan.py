"""Migrate all subscriptions of a plan to one of its versions: begin it, begin it again where it stood, look at it."""

from functions.application.catalog.find_plan import find_plan
from functions.application.ports.catalog import Plans
from functions.application.ports.clock import Clock
from functions.application.ports.plan_migrations import MigrationRuns, PlanMigrations
from functions.application.ports.stored import NewId
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.versioned import VersionStatus
from functions.domain.errors import Conflict, NotFound
from functions.domain.subscriptions.plan_migration import MigrationStatus, PlanMigration


def migrate_plan(
    tenant: str,
    id_or_key: str,
    to_version: int,
    *,
    dry_run: bool,
    plans: Plans,
    migrations: PlanMigrations,
    runs: MigrationRuns,
    clock: Clock,
    new_id: NewId,
) -> PlanMigration:
    """Asked twice while it runs it is one migration, and one that failed goes on where it was.

    A tenant has one at a time, so that none takes more than one function at once. Raises NotFound for plan or version,
    Conflict for a version that is not active and while another migration runs.
    """
    now = clock.now().replace(microsecond=0)
    plan = find_plan(tenant, plan_key(tenant, id_or_key, plans), plans=plans, version=to_version)
    if (status := plan.status(now)) is not VersionStatus.ACTIVE:
        message = f"Plan {plan.label} is {status}; subscriptions migrate to the active version."
        raise Conflict(message, code="plan_version_not_active")

    def decide() -> PlanMigration:
        latest, place = migrations.latest(tenant)
        if latest is not None and (status := latest.status_at(now)) is not MigrationStatus.DONE:
            if latest.asks_the_same(plan.key, to_version, dry_run=dry_run):
                return latest if status is MigrationStatus.RUNNING else migrations.save(tenant, latest.resumed(now))
            if status is MigrationStatus.RUNNING:
                message = f"Migration {latest.id} of plan {latest.plan_key!r} is running; ask again when it has ended."
                raise Conflict(message, code="migration_running")
        made = PlanMigration(
            id=new_id(), plan_key=plan.key, to_version=to_version, dry_run=dry_run, started_at=now, updated_at=now
        )
        return migrations.begin(tenant, made, place)

    migration = decide_again_when_stale(decide)
    # Also when it runs already: the process that began it may have died before this.
    runs.start(tenant, migration)
    return migration


def find_migration(
    tenant: str, id_or_key: str, migration_id: str, *, plans: Plans, migrations: PlanMigrations
) -> PlanMigration:
    """Raises NotFound, also for the migration of another plan."""
    found = migrations.get(tenant, migration_id)
    if found is None or found.plan_key != plan_key(tenant, id_or_key, plans):
        raise NotFound(f"There is no migration {migration_id[:100]!r} of this plan.", code="migration_not_found")
    return found


def plan_key(tenant: str, id_or_key: str, plans: Plans) -> str:
    """Of any version, in any status; raises NotFound."""
    return find_plan(tenant, id_or_key, plans=plans, latest=True).key
