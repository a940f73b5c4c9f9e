"""Routes of add-ons: drafts, versions, publishing."""

from typing import Annotated, Any

from functions.application.catalog.manage_addon import (
    archive_addon,
    create_addon,
    delete_addon,
    publish_addon,
    update_addon,
    versioned_addons,
)
from functions.domain.catalog.addon import Addon, AddonCreate, AddonReplaceUpdate
from functions.handlers.catalog.version_filter import (
    VERSION_ORDERS,
    VersionFilter,
    VersionQuery,
    VersionsQuery,
    versions_listing,
)
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, order_of
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

AddonId = Annotated[str, "The id of a version of an add-on."]
AddonKey = Annotated[str, "The id of a version of an add-on, or an add-on's key for its active version."]


@routes.post("/api/v1/addons", "Create an add-on", scope=SCOPE_ADMIN, answers="Addon", status=201)
def create(request: Request, body: AddonCreate) -> Answer:
    addon = create_addon(
        request.tenant,
        body,
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(_shown(addon))


@routes.get("/api/v1/addons", "List add-ons", scope=SCOPE_READ, answers="Paged[Addon]")
def list_addons(request: Request[VersionsQuery]) -> Answer:
    wanted = VersionFilter(request.query, base.clock().now())
    listed = Listed(
        versions_listing(request.tenant, catalog.addons(), wanted),
        _shown,
        wanted.takes if wanted.asks else None,
        order_of(request, VERSION_ORDERS, AS_CREATED),
        request.query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


@routes.get("/api/v1/addons/<addon_id>", "Get an add-on", scope=SCOPE_READ, answers="Addon")
def get(request: Request[VersionQuery], addon_id: AddonKey) -> Answer:
    latest = request.query.include_latest
    versions = versioned_addons(catalog.addons(), base.clock())
    return http.ok(_shown(versions.find(request.tenant, addon_id, latest=latest)))


@routes.put("/api/v1/addons/<addon_id>", "Update a draft add-on", scope=SCOPE_ADMIN, answers="Addon")
def update(request: Request, addon_id: AddonId, body: Replacement[AddonReplaceUpdate]) -> Answer:
    def shown() -> dict[str, Any] | None:
        found = catalog.addons().get(request.tenant, addon_id)
        return _shown(found) if found is not None else None

    addon = update_addon(
        request.tenant,
        addon_id,
        body.over(Addon, shown),
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(addon))


@routes.delete("/api/v1/addons/<addon_id>", "Delete a draft add-on", scope=SCOPE_ADMIN)
def delete(request: Request, addon_id: AddonId) -> Answer:
    delete_addon(request.tenant, addon_id, addons=catalog.addons(), clock=base.clock())
    return http.no_content()


@routes.post("/api/v1/addons/<addon_id>/publish", "Publish an add-on", scope=SCOPE_ADMIN, answers="Addon")
def publish(request: Request, addon_id: AddonId) -> Answer:
    addon = publish_addon(
        request.tenant,
        addon_id,
        addons=catalog.addons(),
        features=catalog.metered_features(),
        clock=base.clock(),
    )
    return http.ok(_shown(addon))


@routes.post("/api/v1/addons/<addon_id>/archive", "Archive an add-on", scope=SCOPE_ADMIN, answers="Addon")
def archive(request: Request, addon_id: AddonId) -> Answer:
    addon = archive_addon(request.tenant, addon_id, addons=catalog.addons(), clock=base.clock())
    return http.ok(_shown(addon))


def _shown(addon: Addon) -> dict[str, Any]:
    return addon.to_wire(base.clock().now())
