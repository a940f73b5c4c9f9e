"""Routes of add-ons: drafts, versions, publishing; and which of them a plan's subscribers can have."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.catalog.manage_addon import (
    addon_shelf,
    archive_addon,
    create_addon,
    delete_addon,
    publish_addon,
    update_addon,
)
from functions.application.catalog.manage_plan_addons import Assigned
from functions.application.held_listing import HeldListing
from functions.domain.catalog.addon import Addon, AddonDraft, AddonOffer
from functions.domain.catalog.plan_addon import PlanAddon, PlanAddonTerms, PlanAddonWish
from functions.handlers.catalog.version_filter import VERSION_ORDERS, VersionFilter, versions_listing
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.wiring import base, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

ASSIGNED_ORDERS: dict[str, Callable[[Assigned], Any]] = {
    "id": lambda each: each.addon.id,
    "key": lambda each: (each.addon.key, each.addon.version),
    "version": lambda each: (each.addon.version, each.addon.id),
    "created_at": lambda each: (each.terms.created_at, each.addon.id),
    "updated_at": lambda each: (each.terms.updated_at, each.addon.id),
}


@router.post("/api/v1/addons")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    addon = create_addon(
        request.tenant,
        request.body(AddonDraft),
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(addon))


@router.get("/api/v1/addons")
def list_addons() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    wanted = VersionFilter(request.query, base.clock().now())
    request.query.choice("orderBy", list(VERSION_ORDERS), "id")
    listed = Listed(
        versions_listing(request.tenant, catalog.addons(), wanted),
        _shown,
        wanted.takes if wanted.asks else None,
        order_of(request, VERSION_ORDERS, AS_CREATED),
        request.query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/addons/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    latest = request.query.flag("includeLatest")
    shelf = addon_shelf(catalog.addons(), base.clock())
    return http.ok(_shown(shelf.find(request.tenant, http.path_value(id_or_key), latest=latest)))


@router.put("/api/v1/addons/<addon_id>")
def update(addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wanted = http.path_value(addon_id)

    def shown() -> dict[str, Any] | None:
        found = catalog.addons().get(request.tenant, wanted)
        return _shown(found) if found is not None else None

    addon = update_addon(
        request.tenant,
        wanted,
        request.replacement(AddonOffer, Addon, shown),
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(addon))


@router.delete("/api/v1/addons/<addon_id>")
def delete(addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    delete_addon(request.tenant, http.path_value(addon_id), addons=catalog.addons(), clock=base.clock())
    return http.no_content()


@router.post("/api/v1/addons/<addon_id>/publish")
def publish(addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    addon = publish_addon(
        request.tenant,
        http.path_value(addon_id),
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(addon))


@router.post("/api/v1/addons/<addon_id>/archive")
def archive(addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    addon = archive_addon(request.tenant, http.path_value(addon_id), addons=catalog.addons(), clock=base.clock())
    return http.ok(_shown(addon))


@router.get("/api/v1/plans/<id_or_key>/addons")
def list_assigned(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    query, now = request.query, base.clock().now()
    wanted = VersionFilter(query, now)
    query.choice("orderBy", list(ASSIGNED_ORDERS), "id")
    every = catalog.plan_addons_of().of_plan(request.tenant, http.path_value(id_or_key), with_deleted=wanted.deleted)
    listed = Listed(
        HeldListing(every, lambda each: each.addon.id),
        _assigned,
        lambda each: wanted.takes(each.addon),
        order_of(request, ASSIGNED_ORDERS, ("id",)),
        query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.post("/api/v1/plans/<plan_id>/addons")
def assign(plan_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wish = request.body(PlanAddonWish)
    return http.created(_assigned(catalog.plan_addons_of().assign(request.tenant, http.path_value(plan_id), wish)))


@router.get("/api/v1/plans/<id_or_key>/addons/<addon_id_or_key>")
def get_assigned(id_or_key: str, addon_id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    plan, addon = http.path_value(id_or_key), http.path_value(addon_id_or_key)
    return http.ok(_assigned(catalog.plan_addons_of().get(request.tenant, plan, addon)))


@router.put("/api/v1/plans/<plan_id>/addons/<addon_id_or_key>")
def reassign(plan_id: str, addon_id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan, addon = http.path_value(plan_id), http.path_value(addon_id_or_key)
    of_plans = catalog.plan_addons_of()
    terms = request.replacement(PlanAddonTerms, PlanAddon, lambda: _assigned(of_plans.get(request.tenant, plan, addon)))
    return http.ok(_assigned(of_plans.change(request.tenant, plan, addon, terms)))


@router.delete("/api/v1/plans/<plan_id>/addons/<addon_id_or_key>")
def unassign(plan_id: str, addon_id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    plan, addon = http.path_value(plan_id), http.path_value(addon_id_or_key)
    catalog.plan_addons_of().end(request.tenant, plan, addon)
    return http.no_content()


def _shown(addon: Addon) -> dict[str, Any]:
    return addon.to_wire(base.clock().now())


def _assigned(assigned: Assigned) -> dict[str, Any]:
    return assigned.terms.to_wire(assigned.addon, base.clock().now())
