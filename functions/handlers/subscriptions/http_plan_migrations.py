"""Routes that migrate all subscriptions of a plan, say how far that is, and count who has which version."""

from urllib.parse import quote

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.held_listing import HeldListing
from functions.application.subscriptions.count_versions import count_versions
from functions.application.subscriptions.migrate_plan import find_migration, migrate_plan
from functions.domain.subscriptions.plan_migration import PlanMigration, ResultStatus
from functions.domain.wire import WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import Listed, by_cursor_or_number
from functions.handlers.edge.query_string import refused
from functions.handlers.subscriptions.plan_migration_json import migrated_shown, migration_shown, version_shown
from functions.handlers.subscriptions.subscription_body import Version
from functions.handlers.wiring import base, catalog, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


class MigrateAll(WireModel):
    """A dry run changes no subscription: it says who would be migrated, and what that would come to."""

    to_version: Version
    dry_run: bool = False


@router.post("/api/v1/plans/<id_or_key>/migrate-all")
def migrate_all(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(MigrateAll)
    migration = migrate_plan(
        request.tenant,
        http.path_value(id_or_key),
        body.to_version,
        dry_run=body.dry_run,
        plans=catalog.plans(),
        migrations=subscriptions.plan_migrations(),
        runs=subscriptions.migration_runs(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    path = f"/api/v1/plans/{quote(http.path_value(id_or_key), safe='')}/migrations/{migration.id}"
    return http.accepted(migration_shown(migration, base.clock().now()), path)


@router.get("/api/v1/plans/<id_or_key>/migrations/<migration_id>")
def get(id_or_key: str, migration_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(migration_shown(_found(request, id_or_key, migration_id), base.clock().now()))


@router.get("/api/v1/plans/<id_or_key>/migrations/<migration_id>/subscriptions")
def list_subscriptions(id_or_key: str, migration_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    statuses = frozenset(request.query.texts("status"))
    if statuses - {status.value for status in ResultStatus}:
        raise refused("status", f"is one of {', '.join(ResultStatus)}.")
    migration = _found(request, id_or_key, migration_id)
    listed = Listed(
        subscriptions.plan_migrations().listing(request.tenant, migration.id),
        migrated_shown,
        (lambda each: each.status.value in statuses) if statuses else None,
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/plans/<id_or_key>/versions")
def list_versions(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    now = base.clock().now()
    counted = count_versions(
        request.tenant,
        http.path_value(id_or_key),
        now,
        plans=catalog.plans(),
        listing=subscriptions.subscriptions().listing(request.tenant),
    )
    listed = Listed(
        HeldListing(counted.versions, lambda version: version.id),
        lambda version: version_shown(version, counted, now),
    )
    return http.ok(by_cursor_or_number(request, listed))


def _found(request: http.Request, id_or_key: str, migration_id: str) -> PlanMigration:
    return find_migration(
        request.tenant,
        http.path_value(id_or_key),
        http.path_value(migration_id),
        plans=catalog.plans(),
        migrations=subscriptions.plan_migrations(),
    )
