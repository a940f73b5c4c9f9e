"""/api/v1/features: create, get, list and archive features."""

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.archive_feature import archive_feature
from functions.application.create_feature import create_feature
from functions.application.find_feature import ORDERS, find_feature, list_features
from functions.domain.catalog.feature import Feature, FeatureCreate
from functions.handlers import http, wiring, wiring_billing
from functions.handlers.http import Answer
from functions.handlers.query_string import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

MAX_OFFSET = 1_000_000


@router.post("/api/v1/features")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    feature = create_feature(
        request.tenant,
        request.body(FeatureCreate),
        features=wiring.features(),
        meters=wiring.meters(),
        clock=wiring.clock(),
        new_id=wiring.new_ulid,
    )
    return http.created(feature.wire())


@router.get("/api/v1/features")
def list_all() -> Answer:
    """A bare array, unless a page is asked for."""
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    page = query.page()
    offset = query.whole("offset", 0, 0, MAX_OFFSET)
    limit = query.whole("limit", DEFAULT_PAGE_SIZE, 1, MAX_PAGE_SIZE)
    found = list_features(
        request.tenant,
        features=wiring.features(),
        meter_slugs=query.texts("meterSlug"),
        include_archived=query.flag("includeArchived"),
        order_by=query.choice("orderBy", tuple(ORDERS), "createdAt"),
        descending=query.is_descending(),
    )
    if page.was_asked:
        return http.ok(http.page_of(found, page, Feature.wire))
    return http.ok([feature.wire() for feature in found[offset : offset + limit]])


@router.get("/api/v1/features/<id_or_key>")
def get(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(find_feature(request.tenant, http.path_value(id_or_key), features=wiring.features()).wire())


@router.delete("/api/v1/features/<id_or_key>")
def archive(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    archive_feature(
        request.tenant,
        http.path_value(id_or_key),
        features=wiring.features(),
        plans=wiring_billing.plans(),
        addons=wiring_billing.addons(),
        clock=wiring.clock(),
    )
    return http.no_content()
