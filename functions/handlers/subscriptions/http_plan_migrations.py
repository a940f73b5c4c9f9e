"""Routes that migrate all subscriptions of a plan, say how far that is, and count who has which version."""

from typing import Annotated
from urllib.parse import quote

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.count_versions import count_versions
from functions.application.subscriptions.migrate_plan import find_migration, migrate_plan
from functions.domain.subscriptions.plan_migration import PlanMigration, ResultStatus
from functions.domain.wire import Flag, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import PlanKey
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.query_model import ANY, Paged, named, texts
from functions.handlers.edge.routes import Routes
from functions.handlers.subscriptions.plan_migration_json import migrated_shown, migration_shown, version_shown
from functions.handlers.subscriptions.subscription_body import Version
from functions.handlers.wiring import base, catalog, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

MigrationId = Annotated[str, "The `id` that the migration was answered with."]


class PlanMigrationCreate(WireModel):
    """A dry run changes no subscription: it says who would be migrated, and what that would come to."""

    to_version: Version
    dry_run: Flag = False


@routes.post(
    "/api/v1/plans/<plan_id>/migrate-all",
    "Migrate all subscriptions of a plan",
    scope=SCOPE_ADMIN,
    answers="PlanMigration",
    status=202,
    costs="question",
)
def migrate_all(request: Request, plan_id: PlanKey, body: PlanMigrationCreate) -> Answer:
    migration = migrate_plan(
        request.tenant,
        plan_id,
        body.to_version,
        dry_run=body.dry_run,
        plans=catalog.plans(),
        migrations=subscriptions.plan_migrations(),
        runs=subscriptions.migration_runs(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    path = f"/api/v1/plans/{quote(plan_id, safe='')}/migrations/{migration.id}"
    return http.accepted(migration_shown(migration, base.clock().now()), path)


@routes.get(
    "/api/v1/plans/<plan_id>/migrations/<migration_id>",
    "Get the progress of a plan's migration",
    scope=SCOPE_READ,
    answers="PlanMigration",
)
def get(request: Request, plan_id: PlanKey, migration_id: MigrationId) -> Answer:
    return http.ok(migration_shown(_found(request, plan_id, migration_id), base.clock().now()))


class MigratedQuery(Paged):
    status = texts(f"Only subscriptions with this result: {named(ResultStatus)}; {ANY}.", among=ResultStatus)


@routes.get(
    "/api/v1/plans/<plan_id>/migrations/<migration_id>/subscriptions",
    "List the subscriptions of a plan's migration",
    scope=SCOPE_READ,
    answers="Paged[PlanMigrationSubscription]",
)
def list_subscriptions(request: Request[MigratedQuery], plan_id: PlanKey, migration_id: MigrationId) -> Answer:
    statuses = frozenset(request.query.status)
    migration = _found(request, plan_id, migration_id)
    listed = Listed(
        subscriptions.plan_migrations().listing(request.tenant, migration.id),
        migrated_shown,
        (lambda each: each.status.value in statuses) if statuses else None,
    )
    return http.ok(by_cursor_or_number(request, listed))


@routes.get(
    "/api/v1/plans/<plan_id>/versions",
    "List a plan's versions with their subscribers",
    scope=SCOPE_READ,
    answers="Paged[PlanVersion]",
    costs="question",
)
def list_versions(request: Request[Paged], plan_id: PlanKey) -> Answer:
    now = base.clock().now()
    counted = count_versions(
        request.tenant,
        plan_id,
        now,
        plans=catalog.plans(),
        listing=subscriptions.subscriptions().listing(request.tenant),
    )
    listed = Listed(
        HeldListing(counted.versions, lambda version: version.id),
        lambda version: version_shown(version, counted, now),
    )
    return http.ok(by_cursor_or_number(request, listed))


def _found(request: Request, plan_id: str, migration_id: str) -> PlanMigration:
    return find_migration(
        request.tenant,
        plan_id,
        migration_id,
        plans=catalog.plans(),
        migrations=subscriptions.plan_migrations(),
    )
