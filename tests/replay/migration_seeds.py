"""A newer version of the plan of `billing_seeds`, and a migration to it that has begun."""

from datetime import datetime
from typing import Any, cast

from functions.adapters.dynamo.catalog.plan_store import DynamoPlanAddons, DynamoPlans
from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.application.catalog.create_plan import next_plan
from functions.application.catalog.revise_plan import publish_plan
from functions.application.ports.catalog import MeteredFeatures
from functions.application.subscriptions.work_migration import MigrationStep
from functions.domain.subscriptions.plan_migration import PlanMigration
from tests.replay.billing_seeds import STARTED, NoFeatures, StandingClock
from tests.replay.world import TENANT, World

MIGRATION = "01JBXR00000000000M1GRAT10N"
NEXT_PLAN = "01JBXR00000000000NEXTP1AN0"
# Days after the subscription began, so that it has been served.
BEGAN = datetime(2026, 9, 10, tzinfo=STARTED.tzinfo)


def migration(world: World, event: Any) -> Any:
    """Begun, and nothing looked at yet."""
    _begin(world, dry_run=False)
    return event


def migration_listed(world: World, event: Any) -> Any:
    """Its one subscription is known."""
    _begin(world, dry_run=False)
    _list(world)
    return event


def migration_worked(world: World, event: Any) -> Any:
    """Its one subscription was refused; it has only to be ended."""
    _begin(world, dry_run=False)
    _list(world)
    _step(world).work(lambda _: lambda each: each.refused("conflict", "It was not to be."), lambda: False, _no_error)
    return event


def dry_run_listed(world: World, event: Any) -> Any:
    _begin(world, dry_run=True)
    _list(world)
    return event


def _begin(world: World, *, dry_run: bool) -> None:
    table, clock = world.billing_table, StandingClock(BEGAN)
    plans = DynamoPlans(table)
    next_plan(TENANT, "basic", plans=plans, plan_addons=DynamoPlanAddons(table), clock=clock, new_id=lambda: NEXT_PLAN)
    publish_plan(TENANT, NEXT_PLAN, plans=plans, features=cast(MeteredFeatures, NoFeatures()), clock=clock)
    begun = PlanMigration(
        id=MIGRATION, plan_key="basic", to_version=2, dry_run=dry_run, started_at=BEGAN, updated_at=BEGAN
    )
    DynamoPlanMigrations(table).begin(TENANT, begun, 0)


def _list(world: World) -> None:
    listed = _step(world).look(DynamoSubscriptions(world.billing_table).listing(TENANT)).migration
    assert listed is not None
    assert (listed.is_listed, listed.total) == (True, 1)


def _step(world: World) -> MigrationStep:
    return MigrationStep(TENANT, MIGRATION, 1, DynamoPlanMigrations(world.billing_table), StandingClock(BEGAN))


def _no_error(error: Exception, _subscription_id: str) -> None:
    raise error
