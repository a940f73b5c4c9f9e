"""/api/v1/features: create, get, list and archive features."""

from typing import Annotated

from functions.application.catalog.archive_feature import archive_feature
from functions.application.catalog.create_feature import create_feature
from functions.application.catalog.find_feature import FEATURE_ORDERS, find_feature
from functions.domain.catalog.feature import Feature, FeatureCreate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import AS_CREATED, Listed, by_cursor_or_number, is_by_cursor, numbered, order_of
from functions.handlers.edge.query_model import (
    ANY,
    Paged,
    Sorted,
    flag,
    page_number,
    page_size_of_page,
    place,
    sorted_by,
    texts,
    whole,
)
from functions.handlers.edge.query_string import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, catalog, metering, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

FeatureKey = Annotated[str, "The id of a feature, or the key of one that is not archived."]

MAX_OFFSET = 1_000_000


@routes.post("/api/v1/features", "Create a feature", scope=SCOPE_ADMIN, answers="Feature", status=201)
def create(request: Request, body: FeatureCreate) -> Answer:
    feature = create_feature(
        request.tenant,
        body,
        features=catalog.features(),
        meters=metering.meters(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.created(feature.wire())


class FeatureQuery(Sorted, Paged):
    page = page_number("the answer is a bare array cut by `offset` and `limit`.")
    page_size = page_size_of_page()
    cursor = place("`nextCursor` of the answer before, to the same question; empty for the first page by cursor.")
    limit = whole("The most features of the answer, where no `page` is given.", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    order_by = sorted_by(FEATURE_ORDERS, "createdAt")
    meter_slug = texts(f"Only features of the meter with this slug; {ANY}.")
    include_archived = flag("List archived ones too.")
    offset = whole("How many features to leave out at the beginning, where no `page` is given.", 0, 0, MAX_OFFSET)


@routes.get("/api/v1/features", "List features", scope=SCOPE_READ, answers="EachOrPaged[Feature]")
def list_all(request: Request[FeatureQuery]) -> Answer:
    """A bare array, unless a page is asked for, by number or by cursor."""
    query = request.query
    offset = query.offset
    limit = query.limit
    meter_slugs = query.meter_slug
    listed = Listed(
        catalog.features().listing(request.tenant, with_archived=query.include_archived),
        Feature.wire,
        (lambda feature: feature.meter_slug in meter_slugs) if meter_slugs else None,
        order_of(request, FEATURE_ORDERS, AS_CREATED),
        query.is_descending,
    )
    if query.numbered.was_asked or is_by_cursor(request, ("cursor",)):
        return http.ok(by_cursor_or_number(request, listed))
    return http.ok([feature.wire() for feature in numbered(listed, offset, limit).items])


@routes.get("/api/v1/features/<id_or_key>", "Get a feature", scope=SCOPE_READ, answers="Feature")
def get(request: Request, id_or_key: FeatureKey) -> Answer:
    return http.ok(find_feature(request.tenant, id_or_key, features=catalog.features()).wire())


@routes.delete("/api/v1/features/<id_or_key>", "Archive a feature", scope=SCOPE_ADMIN)
def archive(request: Request, id_or_key: FeatureKey) -> Answer:
    archive_feature(
        request.tenant,
        id_or_key,
        features=catalog.features(),
        plans=catalog.plans(),
        addons=catalog.addons(),
        require_unsubscribed=subscriptions.holders().require_feature_unsold,
        clock=base.clock(),
    )
    return http.no_content()
