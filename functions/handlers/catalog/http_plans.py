"""Routes of plans: drafts, versions, publishing."""

from typing import Any

from functions.application.catalog.create_plan import create_plan, next_plan
from functions.application.catalog.find_plan import find_plan
from functions.application.catalog.revise_plan import archive_plan, delete_plan, publish_plan, update_plan
from functions.domain.catalog.plan import Plan, PlanCreate, PlanReplaceUpdate
from functions.handlers.catalog.version_filter import (
    VERSION_ORDERS,
    VersionFilter,
    VersionQuery,
    VersionsQuery,
    versions_listing,
)
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.in_path import PlanId, PlanKey
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()


@routes.post("/api/v1/plans", "Create a plan", scope=SCOPE_ADMIN, answers="Plan", status=201)
def create(request: Request, body: PlanCreate) -> Answer:
    plan = create_plan(
        request.tenant,
        body,
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(plan))


@routes.get("/api/v1/plans", "List plans", scope=SCOPE_READ, answers="Paged[Plan]")
def list_plans(request: Request[VersionsQuery]) -> Answer:
    wanted = VersionFilter(request.query, base.clock().now())
    listed = Listed(
        versions_listing(request.tenant, catalog.plans(), wanted),
        _shown,
        wanted.takes if wanted.asks else None,
        order_of(request, VERSION_ORDERS, AS_CREATED),
        request.query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


@routes.get("/api/v1/plans/<plan_id>", "Get a plan", scope=SCOPE_READ, answers="Plan")
def get(request: Request[VersionQuery], plan_id: PlanKey) -> Answer:
    latest = request.query.include_latest
    return http.ok(_shown(find_plan(request.tenant, plan_id, plans=catalog.plans(), latest=latest)))


@routes.put("/api/v1/plans/<plan_id>", "Update a draft plan", scope=SCOPE_ADMIN, answers="Plan")
def update(request: Request, plan_id: PlanId, body: Replacement[PlanReplaceUpdate]) -> Answer:
    def shown() -> dict[str, Any] | None:
        found = catalog.plans().get(request.tenant, plan_id)
        return _shown(found) if found is not None else None

    plan = update_plan(
        request.tenant,
        plan_id,
        body.over(Plan, shown),
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(plan))


@routes.delete("/api/v1/plans/<plan_id>", "Delete a draft plan", scope=SCOPE_ADMIN)
def delete(request: Request, plan_id: PlanId) -> Answer:
    delete_plan(request.tenant, plan_id, plans=catalog.plans(), clock=base.clock())
    return http.no_content()


@routes.post("/api/v1/plans/<plan_id>/publish", "Publish a plan", scope=SCOPE_ADMIN, answers="Plan")
def publish(request: Request, plan_id: PlanId) -> Answer:
    plan = publish_plan(
        request.tenant,
        plan_id,
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(plan))


@routes.post(
    "/api/v1/plans/<plan_id>/next", "Draft the next version of a plan", scope=SCOPE_ADMIN, answers="Plan", status=201
)
def following(request: Request, plan_id: PlanKey) -> Answer:
    plan = next_plan(
        request.tenant,
        plan_id,
        plans=catalog.plans(),
        plan_addons=catalog.plan_addons(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(plan))


@routes.post("/api/v1/plans/<plan_id>/archive", "Archive a plan", scope=SCOPE_ADMIN, answers="Plan")
def archive(request: Request, plan_id: PlanId) -> Answer:
    plan = archive_plan(request.tenant, plan_id, plans=catalog.plans(), clock=base.clock())
    return http.ok(_shown(plan))


def _shown(plan: Plan) -> dict[str, Any]:
    return plan.to_wire(base.clock().now())
