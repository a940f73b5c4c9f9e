"""Routes of plans: drafts, versions, publishing."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.catalog.create_plan import create_plan, next_plan
from functions.application.catalog.find_plan import find_plan
from functions.application.catalog.revise_plan import archive_plan, delete_plan, publish_plan, update_plan
from functions.domain.catalog.plan import Plan, PlanDraft, PlanOffer
from functions.handlers.catalog.version_filter import VERSION_ORDERS, VersionFilter, versions_listing
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.wiring import base, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


@router.post("/api/v1/plans")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan = create_plan(
        request.tenant,
        request.body(PlanDraft),
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(plan))


@router.get("/api/v1/plans")
def list_plans() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    wanted = VersionFilter(request.query, base.clock().now())
    request.query.choice("orderBy", list(VERSION_ORDERS), "id")
    listed = Listed(
        versions_listing(request.tenant, catalog.plans(), wanted),
        _shown,
        wanted.takes if wanted.asks else None,
        order_of(request, VERSION_ORDERS, AS_CREATED),
        request.query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/plans/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    latest = request.query.flag("includeLatest")
    return http.ok(_shown(find_plan(request.tenant, http.path_value(id_or_key), plans=catalog.plans(), latest=latest)))


@router.put("/api/v1/plans/<plan_id>")
def update(plan_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wanted = http.path_value(plan_id)

    def shown() -> dict[str, Any] | None:
        found = catalog.plans().get(request.tenant, wanted)
        return _shown(found) if found is not None else None

    plan = update_plan(
        request.tenant,
        wanted,
        request.replacement(PlanOffer, Plan, shown),
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(plan))


@router.delete("/api/v1/plans/<plan_id>")
def delete(plan_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    delete_plan(request.tenant, http.path_value(plan_id), plans=catalog.plans(), clock=base.clock())
    return http.no_content()


@router.post("/api/v1/plans/<plan_id>/publish")
def publish(plan_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan = publish_plan(
        request.tenant,
        http.path_value(plan_id),
        plans=catalog.plans(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(plan))


@router.post("/api/v1/plans/<id_or_key>/next")
def following(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan = next_plan(
        request.tenant,
        http.path_value(id_or_key),
        plans=catalog.plans(),
        plan_addons=catalog.plan_addons(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(plan))


@router.post("/api/v1/plans/<plan_id>/archive")
def archive(plan_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan = archive_plan(request.tenant, http.path_value(plan_id), plans=catalog.plans(), clock=base.clock())
    return http.ok(_shown(plan))


def _shown(plan: Plan) -> dict[str, Any]:
    return plan.to_wire(base.clock().now())
