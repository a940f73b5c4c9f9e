"""/api/v1/features: create, get, list and archive features."""

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.catalog.archive_feature import archive_feature
from functions.application.catalog.create_feature import create_feature
from functions.application.catalog.find_feature import ORDERS, find_feature
from functions.domain.catalog.feature import Feature, FeatureCreate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, is_by_cursor, numbered, order_of
from functions.handlers.edge.query_string import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from functions.handlers.wiring import base, catalog, metering, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

MAX_OFFSET = 1_000_000


@router.post("/api/v1/features")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    feature = create_feature(
        request.tenant,
        request.body(FeatureCreate),
        features=catalog.features(),
        meters=metering.meters(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(feature.wire())


@router.get("/api/v1/features")
def list_all() -> Answer:
    """A bare array, unless a page is asked for, by number or by cursor."""
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    offset = query.whole("offset", 0, 0, MAX_OFFSET)
    limit = query.whole("limit", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    meter_slugs = query.texts("meterSlug")
    query.choice("orderBy", tuple(ORDERS), "createdAt")
    listed = Listed(
        catalog.features().listing(request.tenant, with_archived=query.flag("includeArchived")),
        Feature.wire,
        (lambda feature: feature.meter_slug in meter_slugs) if meter_slugs else None,
        order_of(request, ORDERS, AS_CREATED),
        query.is_descending(),
    )
    if query.page().was_asked or is_by_cursor(request, ("cursor",)):
        return http.ok(by_cursor_or_number(request, listed))
    return http.ok([feature.wire() for feature in numbered(listed, offset, limit).items])


@router.get("/api/v1/features/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(find_feature(request.tenant, http.path_value(id_or_key), features=catalog.features()).wire())


@router.delete("/api/v1/features/<id_or_key>")
def archive(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    archive_feature(
        request.tenant,
        http.path_value(id_or_key),
        features=catalog.features(),
        plans=catalog.plans(),
        addons=catalog.addons(),
        require_unsubscribed=subscriptions.holders().require_feature_unsold,
        clock=base.clock(),
    )
    return http.no_content()
