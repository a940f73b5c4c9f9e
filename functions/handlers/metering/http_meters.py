"""/api/v1/meters: create, get, list, update and delete meters."""

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.list_records import MAX_COUNTED
from functions.application.metering.meters.change_meter import delete_meter, update_meter
from functions.application.metering.meters.create_meter import create_meter
from functions.application.metering.meters.fill_meter import start_backfill
from functions.application.metering.meters.find_meter import ORDERS, find_meter
from functions.application.metering.usage.tell_of_history import HISTORY_NOT_COUNTED, former_meter, notice_of_history
from functions.domain.metering.meters.meter_record import MeterCreate, MeterRecord, MeterUpdate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import AS_CREATED, Listed, Order, by_cursor, is_by_cursor, numbered, order_of
from functions.handlers.wiring import base, metering, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

INTERNAL = {"since", "former", "history_since", "succeeds"}

router = Router()  # type: ignore[no-untyped-call]


@router.post("/api/v1/meters")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wish = request.body(MeterCreate)
    every = metering.meters().listing(request.tenant, with_deleted=True)
    former = former_meter(wish.slug, wish.event_type, every)
    meter = create_meter(
        request.tenant,
        wish,
        meters=metering.meters(),
        clock=base.clock(),
        new_id=base.new_ulid,
        former=former,
    )
    if meter.event_from is not None:
        start_backfill(
            request.tenant,
            meter,
            histories=metering.ledger(),
            runs=metering.backfill_runs(),
            clock=base.clock(),
        )
    notice = notice_of_history(meter, former)
    notices = {"notices": [{"code": HISTORY_NOT_COUNTED, "message": notice}]} if notice else {}
    return http.created(_shown(meter) | notices)


@router.get("/api/v1/meters")
def list_all() -> Answer:
    """A bare array of all meters, or of one page of them by number; by cursor, items and where to go on."""
    request = http.Request(router.current_event, SCOPE_READ)
    query = request.query
    by = query.choice("orderBy", tuple(ORDERS), "key")
    is_asked = query.text("orderBy") is not None
    listed = Listed(
        metering.meters().listing(request.tenant, with_deleted=query.flag("includeDeleted")),
        _shown,
        order=order_of(request, ORDERS, AS_CREATED) if is_asked else Order(ORDERS[by]),
        descending=query.is_descending(),
    )
    if is_by_cursor(request, ("cursor", "limit")):
        return http.ok(by_cursor(request, listed))
    page = query.page()
    start, size = (page.start, page.size) if page.was_asked else (0, MAX_COUNTED)
    return http.ok([_shown(meter) for meter in numbered(listed, start, size).items])


@router.get("/api/v1/meters/<id_or_slug>")
def get(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return http.ok(_shown(find_meter(request.tenant, http.path_value(id_or_slug), meters=metering.meters()).record))


@router.put("/api/v1/meters/<id_or_slug>")
def update(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    wanted = http.path_value(id_or_slug)

    def shown() -> dict[str, object]:
        return _shown(find_meter(request.tenant, wanted, meters=metering.meters()).record)

    meter = update_meter(
        request.tenant,
        wanted,
        request.replacement(MeterUpdate, MeterRecord, shown),
        meters=metering.meters(),
        references=subscriptions.meter_references(),
        clock=base.clock(),
    )
    return http.ok(_shown(meter))


@router.delete("/api/v1/meters/<id_or_slug>")
def delete(id_or_slug: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    delete_meter(
        request.tenant,
        http.path_value(id_or_slug),
        meters=metering.meters(),
        references=subscriptions.meter_references(),
        clock=base.clock(),
    )
    return http.no_content()


def _shown(meter: MeterRecord) -> dict[str, object]:
    return {
        "groupBy": {},
        **meter.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=INTERNAL),
    }
