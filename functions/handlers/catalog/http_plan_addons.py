"""Routes of the add-ons that a plan's subscribers can have."""

from collections.abc import Callable
from typing import Annotated, Any

from functions.application.catalog.manage_plan_addons import Assigned
from functions.application.held_listing import HeldListing
from functions.domain.catalog.plan_addon import PlanAddon, PlanAddonCreate, PlanAddonReplaceUpdate
from functions.handlers.catalog.version_filter import (
    VersionFilter,
    VersionsQuery,
)
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.in_path import PlanId, PlanKey
from functions.handlers.edge.listing import Listed, by_cursor_or_number, order_of
from functions.handlers.edge.query_model import ANY, flag, sorted_by, texts
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

AssignedKey = Annotated[str, "The id or the key of an add-on of the plan."]

ASSIGNED_ORDERS: dict[str, Callable[[Assigned], Any]] = {
    "id": lambda each: each.addon.id,
    "key": lambda each: (each.addon.key, each.addon.version),
    "version": lambda each: (each.addon.version, each.addon.id),
    "created_at": lambda each: (each.terms.created_at, each.addon.id),
    "updated_at": lambda each: (each.terms.updated_at, each.addon.id),
}


class AssignedQuery(VersionsQuery):
    order_by = sorted_by(
        ASSIGNED_ORDERS,
        "id",
        "What the list is sorted by; the times are those of the assignment, the rest is the add-on's.",
    )
    include_deleted = flag("List add-ons that the plan no longer has, too.")
    id = texts(f"Only the add-on version with this id; {ANY}.")
    key = texts(f"Only the add-on of this key; {ANY}.")
    currency = texts(f"Only add-ons of this ISO 4217 currency; {ANY}.")


@routes.get("/api/v1/plans/<plan_id>/addons", "List a plan's add-ons", scope=SCOPE_READ, answers="Paged[PlanAddon]")
def list_assigned(request: Request[AssignedQuery], plan_id: PlanKey) -> Answer:
    query, now = request.query, base.clock().now()
    wanted = VersionFilter(query, now)
    every = catalog.plan_addons_of().of_plan(request.tenant, plan_id, with_deleted=wanted.deleted)
    listed = Listed(
        HeldListing(every, lambda each: each.addon.id),
        _assigned,
        lambda each: wanted.takes(each.addon),
        order_of(request, ASSIGNED_ORDERS, ("id",)),
        query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


@routes.post(
    "/api/v1/plans/<plan_id>/addons", "Assign an add-on to a plan", scope=SCOPE_ADMIN, answers="PlanAddon", status=201
)
def assign(request: Request, plan_id: PlanId, body: PlanAddonCreate) -> Answer:
    return http.created(_assigned(catalog.plan_addons_of().assign(request.tenant, plan_id, body)))


@routes.get("/api/v1/plans/<plan_id>/addons/<addon_id>", "Get a plan's add-on", scope=SCOPE_READ, answers="PlanAddon")
def get_assigned(request: Request, plan_id: PlanKey, addon_id: AssignedKey) -> Answer:
    return http.ok(_assigned(catalog.plan_addons_of().get(request.tenant, plan_id, addon_id)))


@routes.put(
    "/api/v1/plans/<plan_id>/addons/<addon_id>", "Update a plan's add-on", scope=SCOPE_ADMIN, answers="PlanAddon"
)
def reassign(
    request: Request, plan_id: PlanId, addon_id: AssignedKey, body: Replacement[PlanAddonReplaceUpdate]
) -> Answer:
    of_plans = catalog.plan_addons_of()
    terms = body.over(PlanAddon, lambda: _assigned(of_plans.get(request.tenant, plan_id, addon_id)))
    return http.ok(_assigned(of_plans.change(request.tenant, plan_id, addon_id, terms)))


@routes.delete("/api/v1/plans/<plan_id>/addons/<addon_id>", "Remove an add-on from a plan", scope=SCOPE_ADMIN)
def unassign(request: Request, plan_id: PlanId, addon_id: AssignedKey) -> Answer:
    catalog.plan_addons_of().end(request.tenant, plan_id, addon_id)
    return http.no_content()


def _assigned(assigned: Assigned) -> dict[str, Any]:
    return assigned.terms.to_wire(assigned.addon, base.clock().now())
