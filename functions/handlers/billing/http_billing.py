"""Routes of invoices: list, look, invoice now, and whom billing failed for."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from functions.application.billing.invoice_now import request_invoices, requested_invoices
from functions.application.held_listing import HeldListing
from functions.application.ports.billing import InvoicesWanted
from functions.application.ports.listing import Listing
from functions.application.subscriptions.find_customer import find_billed_customer
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice import InvoiceRecord, InvoiceStatus, shown_as
from functions.domain.billing.invoice_request import InvoiceRequest
from functions.domain.billing.push import PaymentStatus
from functions.domain.errors import NotFound, Unavailable
from functions.domain.identity import is_ulid
from functions.domain.wire import Flag, Instant, NotYet, WireModel
from functions.handlers import settings
from functions.handlers.billing import invoice_json
from functions.handlers.billing.lines_json import (
    MAX_SHOWN_BYTES,
    MAX_SHOWN_LINES,
    UnreadLines,
    lines_behind,
    read_lines,
)
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.listing import Listed, Order, by_cursor_or_number, cursor_at, cursor_into, position_in
from functions.handlers.edge.query_model import (
    ByCursor,
    Paged,
    RouteQuery,
    Sorted,
    comma_texts,
    instant,
    named,
    sorted_by,
    unused,
)
from functions.handlers.edge.query_string import refused
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, billing, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

_SEPARATED = "repeat it, or separate values by commas, for any of several"

InvoiceId = Annotated[str, "The id of an invoice, not its number."]

INVOICES = "/api/v1/billing/invoices"

# API Gateway gives up after 30 s and the function after 29; the rest is for answering.
MOST_WAIT_SECONDS = 22
POLL_SECONDS = 0.5
RETRY_AFTER_SECONDS = 5
# OpenMeter's other statuses are known but never those of an issued invoice.
STATUSES = {*(status.value for status in InvoiceStatus), "gathering", "draft", "issuing"}
EXPANDS = ("lines", "preceding", "workflow.apps")
MAX_CUSTOMERS = 100  # each is a read of the store
# An invoice's id begins with the instant it is owed from: the order of the store.
BY_BOUNDARY = "id"
INVOICE_ORDERS: dict[str, Callable[[InvoiceRecord, datetime], Any]] = {
    "createdAt": lambda record, _now: record.invoice.issued_at,
    "issuedAt": lambda record, _now: record.invoice.issued_at,
    "updatedAt": lambda record, _now: record.payment.updated_at,
    "periodStart": lambda record, _now: record.invoice.period_start,
    "customer.name": lambda record, _now: record.invoice.customer.name,
    "status": lambda record, now: record.status(now).value,
}


class InvoiceNow(WireModel):
    """`customerId` is the id of a customer, or the key of one who is not deleted."""

    customer_id: str
    as_of: Instant | None = None
    filters: NotYet = None
    # Also bill what was used so far of periods that have not ended; unless asked for, they are billed when they end.
    progressive_billing_override: Flag | None = None


@routes.post(
    "/api/v1/billing/invoices/invoice",
    "Invoice a customer now",
    scope=SCOPE_ADMIN,
    answers="Each[Invoice]",
    status=201,
    costs="question",
)
def invoice_now(request: Request, body: InvoiceNow) -> Answer:
    asked = request_invoices(
        request.tenant,
        body.customer_id,
        body.as_of,
        progressive=bool(body.progressive_billing_override),
        customers=subscriptions.billed_customers(),
        subscriptions=subscriptions.subscriptions(),
        requests=billing.invoice_requests(),
        runs=billing.billing_runs(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    issued = _awaited(request.tenant, asked)
    most = MAX_SHOWN_BYTES // max(1, len(issued))
    return http.created([_with_lines(request, record, read_lines(record.invoice.lines), most) for record in issued])


def _awaited(tenant: str, asked: InvoiceRequest) -> list[InvoiceRecord]:
    until = time.monotonic() + MOST_WAIT_SECONDS
    while True:
        issued = requested_invoices(
            tenant,
            asked,
            subscriptions=subscriptions.subscriptions(),
            invoices=billing.invoices(),
            requests=billing.invoice_requests(),
            failures=billing.billing_failures(),
        )
        if issued is not None:
            return issued
        if time.monotonic() >= until:
            message = "The invoices are being made; send the same request again to get them."
            raise Unavailable(message, retry_after_seconds=RETRY_AFTER_SECONDS, code="invoices_in_progress")
        time.sleep(POLL_SECONDS)


class InvoiceQuery(Sorted, Paged):
    order_by = sorted_by((BY_BOUNDARY, *INVOICE_ORDERS), BY_BOUNDARY)
    issued_after = instant("Only invoices issued at this instant or later.")
    issued_before = instant("Only invoices issued at this instant or earlier.")
    period_start_after = instant("Only invoices whose period starts at this instant or later.")
    period_start_before = instant("Only invoices whose period starts at this instant or earlier.")
    created_after = instant("Only invoices issued at this instant or later: they are created when they are issued.")
    created_before = instant("Only invoices issued at this instant or earlier: they are created when they are issued.")
    statuses = comma_texts(f"Only invoices that now are {named(sorted(STATUSES))}; {_SEPARATED}.")
    extended_statuses = comma_texts(
        "Only invoices whose `statusDetails.extendedStatus` is this, such as `payment_processing.pending`; "
        f"{_SEPARATED}."
    )
    customers = comma_texts(
        f"Only invoices of the customer with this id or key; {_SEPARATED}, at most {MAX_CUSTOMERS}.", MAX_CUSTOMERS
    )
    expand = comma_texts(
        "`lines` shows the lines too; without it the list has none. `preceding` and `workflow.apps` are accepted "
        "and have no effect."
    )
    include_deleted = unused()


@routes.get("/api/v1/billing/invoices", "List invoices", scope=SCOPE_READ, answers="Paged[Invoice]")
def list_invoices(request: Request[InvoiceQuery]) -> Answer:
    now = base.clock().now()
    wanted = _Filter(request.tenant, request.query)
    with_lines = "lines" in _expand(request.query.expand)
    by = request.query.order_by

    def present(header: InvoiceRecord) -> dict[str, Any]:
        if not with_lines:
            return _shown(header, None)
        return _with_lines(request, header, billing.invoices().lines(request.tenant, header.invoice.id))

    listed = Listed(
        wanted.listing(request.tenant),
        present,
        (lambda record: wanted.takes(record, now)) if wanted.asks else None,
        Order() if by == BY_BOUNDARY else Order(lambda record: INVOICE_ORDERS[by](record, now), by),
        request.query.is_descending,
    )
    return http.ok(by_cursor_or_number(request, listed))


class OneInvoiceQuery(RouteQuery):
    expand = comma_texts(
        "`lines` unless given; `preceding` or `workflow.apps` without `lines` leaves the lines out, and has no "
        "other effect."
    )
    include_deleted_lines = unused()


@routes.get("/api/v1/billing/invoices/<invoice_id>", "Get an invoice", scope=SCOPE_READ, answers="Invoice")
def get(request: Request[OneInvoiceQuery], invoice_id: InvoiceId) -> Answer:
    expand = _expand(request.query.expand)
    header = _header(request.tenant, invoice_id)
    if expand and "lines" not in expand:
        return http.ok(_shown(header, None))
    return http.ok(_with_lines(request, header, billing.invoices().lines(request.tenant, invoice_id)))


@routes.get(
    "/api/v1/billing/invoices/<invoice_id>/lines",
    "List the lines of an invoice",
    scope=SCOPE_READ,
    answers="ByCursor[InvoiceLine]",
)
def list_lines(request: Request[ByCursor], invoice_id: InvoiceId) -> Answer:
    """In the order of the invoice. A page ends early where its lines are very long."""
    header = _header(request.tenant, invoice_id)
    lines = billing.invoices().lines(request.tenant, invoice_id)
    found = lines_behind(header, lines, position_in(request), request.query.limit, MAX_SHOWN_BYTES)
    following = None if found.end is None else cursor_at(request, found.end)
    return http.ok(http.without_none({"items": found.shown, "nextCursor": following}))


def _header(tenant: str, invoice_id: str) -> InvoiceRecord:
    header = billing.invoices().header(tenant, invoice_id)
    if header is None:
        raise NotFound(f"There is no invoice {invoice_id!r}.", code="invoice_not_found")
    return header


def _with_lines(
    request: Request[Any], record: InvoiceRecord, lines: UnreadLines, most_bytes: int = MAX_SHOWN_BYTES
) -> dict[str, Any]:
    """The first lines, and where there are more: how many there are, and where the route of the lines goes on."""
    found = lines_behind(record, lines, None, MAX_SHOWN_LINES, most_bytes)
    wire = _shown(record, found.shown)
    if found.end is None:
        return wire
    path = f"{INVOICES}/{record.invoice.id}/lines"
    return wire | {"lineCount": len(lines), "linesNextCursor": cursor_into(request, path, found.end)}


@routes.get("/api/v1/billing/failures", "List billing failures", scope=SCOPE_READ, answers="Paged[BillingFailure]")
def list_failures(request: Request[Paged]) -> Answer:
    """By page number the newest come first; by cursor they come customer by customer."""
    listed = Listed(
        billing.billing_failures().listing(request.tenant),
        _failure,
        order=Order(lambda failure: -int(failure.failed_at.timestamp())),
    )
    return http.ok(by_cursor_or_number(request, listed))


class _Filter:
    """Which invoices a list asks for."""

    def __init__(self, tenant: str, query: InvoiceQuery) -> None:
        self.statuses = set(query.statuses)
        if self.statuses - STATUSES:
            raise refused("statuses", f"are among {', '.join(sorted(STATUSES))}.")
        self.extended = set(query.extended_statuses)
        self.customers = tuple(dict.fromkeys(_customer_id(tenant, each) for each in query.customers))
        # They are created when they are issued.
        self.issued = (
            max(filter(None, (query.issued_after, query.created_after)), default=None),
            min(filter(None, (query.issued_before, query.created_before)), default=None),
        )
        self.period = query.period_start_after, query.period_start_before

    @property
    def asks(self) -> bool:
        return bool(self.statuses or self.extended or self.customers or any((*self.issued, *self.period)))

    def takes(self, record: InvoiceRecord, now: datetime) -> bool:
        invoice = record.invoice
        return (
            (not self.statuses or record.status(now).value in self.statuses)
            and (not self.extended or record.extended_status(now) in self.extended)
            and (not self.customers or invoice.customer.id in self.customers)
            and _is_within(invoice.issued_at, *self.issued)
            and _is_within(invoice.period_start, *self.period)
        )

    def listing(self, tenant: str) -> Listing[InvoiceRecord]:
        customer_ids = tuple(filter(is_ulid, self.customers))
        payments = self._payments()
        if payments == frozenset() or (self.customers and not customer_ids):
            return HeldListing((), lambda record: record.invoice.id)
        wanted = InvoicesWanted(customer_ids, payments, self.issued, self.period)
        return billing.invoices().listing(tenant, wanted)

    def _payments(self) -> frozenset[PaymentStatus] | None:
        """What the gateway may have said of an invoice of these statuses; None: anything."""
        asked = [{each.partition(".")[0] for each in some} for some in (self.statuses, self.extended) if some]
        if not asked:
            return None
        shown = set.intersection(*asked)
        return frozenset(each for each in PaymentStatus if shown & {one.value for one in shown_as(each)})


def _customer_id(tenant: str, id_or_key: str) -> str:
    """Who is unknown has no invoices: a list of OpenMeter is empty then."""
    try:
        return find_billed_customer(tenant, id_or_key, customers=subscriptions.billed_customers()).id
    except NotFound:
        return id_or_key


def _is_within(instant: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or instant >= after) and (before is None or instant <= before)


def _expand(asked: tuple[str, ...]) -> set[str]:
    expand = set(asked)
    if expand - set(EXPANDS):
        raise refused("expand", f"is among {', '.join(EXPANDS)}.")
    return expand


def _shown(record: InvoiceRecord, lines: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    return invoice_json.shown(record, base.clock().now(), collection_seconds=settings.collection_seconds(), lines=lines)


def _failure(failure: Failure) -> dict[str, Any]:
    wire = {
        "customerId": failure.customer_id,
        "invoiceId": failure.invoice_id,
        "runId": failure.run_id,
        "step": failure.step,
        "code": failure.code,
        "message": failure.message,
        "failedAt": failure.failed_at,
        "attempts": failure.attempts,
    }
    return http.without_none(wire)
