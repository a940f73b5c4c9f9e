"""/api/v1/meters: create, get, list, update and delete meters."""

from functions.application.list_records import MAX_COUNTED
from functions.application.metering.meters.change_meter import delete_meter, update_meter
from functions.application.metering.meters.create_meter import create_meter
from functions.application.metering.meters.fill_meter import start_backfill
from functions.application.metering.meters.find_meter import METER_ORDERS, find_meter
from functions.application.metering.usage.tell_of_history import HISTORY_NOT_COUNTED, former_meter, notice_of_history
from functions.domain.metering.meters.meter_record import MeterCreate, MeterRecord, MeterUpdate
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Replacement, Request
from functions.handlers.edge.in_path import MeterSlug
from functions.handlers.edge.listing import AS_CREATED, Listed, Order, by_cursor, is_by_cursor, numbered, order_of
from functions.handlers.edge.query_model import Paged, Sorted, flag, page_number, page_size_of_page, sorted_by
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, metering, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

INTERNAL = {"since", "former", "history_since", "succeeds"}

routes = Routes()


@routes.post("/api/v1/meters", "Create a meter", scope=SCOPE_ADMIN, answers="CreatedMeter", status=201)
def create(request: Request, body: MeterCreate) -> Answer:
    every = metering.meters().listing(request.tenant, with_deleted=True)
    former = former_meter(body.slug, body.event_type, every)
    meter = create_meter(
        request.tenant,
        body,
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


class MeterQuery(Sorted, Paged):
    page = page_number("the answer holds all meters.")
    page_size = page_size_of_page()
    order_by = sorted_by(METER_ORDERS, "key")
    include_deleted = flag("List deleted ones too.")


@routes.get("/api/v1/meters", "List meters", scope=SCOPE_READ, answers="EachOrByCursor[Meter]")
def list_all(request: Request[MeterQuery]) -> Answer:
    """A bare array of all meters, or of one page by number; by cursor an object of `items` and `nextCursor`."""
    query = request.query
    is_asked = query.text("orderBy") is not None
    listed = Listed(
        metering.meters().listing(request.tenant, with_deleted=query.include_deleted),
        _shown,
        order=order_of(request, METER_ORDERS, AS_CREATED) if is_asked else Order(METER_ORDERS[query.order_by]),
        descending=query.is_descending,
    )
    if is_by_cursor(request, ("cursor", "limit")):
        return http.ok(by_cursor(request, listed))
    page = query.numbered
    start, size = (page.start, page.size) if page.was_asked else (0, MAX_COUNTED)
    return http.ok([_shown(meter) for meter in numbered(listed, start, size).items])


@routes.get("/api/v1/meters/<id_or_slug>", "Get a meter", scope=SCOPE_READ, answers="Meter")
def get(request: Request, id_or_slug: MeterSlug) -> Answer:
    return http.ok(_shown(find_meter(request.tenant, id_or_slug, meters=metering.meters()).record))


@routes.put("/api/v1/meters/<id_or_slug>", "Update a meter", scope=SCOPE_ADMIN, answers="Meter")
def update(request: Request, id_or_slug: MeterSlug, body: Replacement[MeterUpdate]) -> Answer:
    def shown() -> dict[str, object]:
        return _shown(find_meter(request.tenant, id_or_slug, meters=metering.meters()).record)

    meter = update_meter(
        request.tenant,
        id_or_slug,
        body.over(MeterRecord, shown),
        meters=metering.meters(),
        references=subscriptions.meter_references(),
        clock=base.clock(),
    )
    return http.ok(_shown(meter))


@routes.delete("/api/v1/meters/<id_or_slug>", "Delete a meter", scope=SCOPE_ADMIN)
def delete(request: Request, id_or_slug: MeterSlug) -> Answer:
    delete_meter(
        request.tenant,
        id_or_slug,
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
