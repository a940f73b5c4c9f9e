"""Routes of invoices: list, look, invoice now, and whom billing failed for."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.billing.invoice_now import request_invoices, requested_invoices
from functions.application.ports.billing import Failure, InvoiceRequest
from functions.domain.billing.invoice import InvoiceRecord, InvoiceStatus
from functions.domain.errors import NotFound, Unavailable
from functions.domain.wire import Instant, NotYet, WireModel
from functions.handlers import settings
from functions.handlers.billing import invoice_json
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.edge.listing import Listed, Order, by_cursor_or_number
from functions.handlers.edge.query_string import Query, refused
from functions.handlers.wiring import base, billing, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

# API Gateway gives up after 30 s and the function after 29; the rest is for answering.
MOST_WAIT_SECONDS = 22
POLL_SECONDS = 0.5
RETRY_AFTER_SECONDS = 5
# OpenMeter's other statuses are known but never those of an issued invoice.
STATUSES = {*(status.value for status in InvoiceStatus), "gathering", "draft", "issuing"}
EXPANDS = ("lines", "preceding", "workflow.apps")
# An invoice's id begins with the instant it is owed from: the order of the store.
BY_BOUNDARY = "id"
ORDERS: dict[str, Callable[[InvoiceRecord, datetime], Any]] = {
    "createdAt": lambda record, _now: record.invoice.issued_at,
    "issuedAt": lambda record, _now: record.invoice.issued_at,
    "updatedAt": lambda record, _now: record.payment.updated_at,
    "periodStart": lambda record, _now: record.invoice.period_start,
    "customer.name": lambda record, _now: record.invoice.customer.name,
    "status": lambda record, now: record.status(now).value,
}


class InvoiceNow(WireModel):
    customer_id: str
    as_of: Instant | None = None
    filters: NotYet = None
    # Also bill what was used so far of periods that have not ended; unless asked for, they are billed when they end.
    progressive_billing_override: bool | None = None


@router.post("/api/v1/billing/invoices/invoice")
def invoice_now() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(InvoiceNow)
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
    return http.created([_shown(record, with_lines=True) for record in issued])


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


@router.get("/api/v1/billing/invoices")
def list_invoices() -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    now = base.clock().now()
    wanted = _Filter(request.query)
    with_lines = "lines" in _expand(request.query)
    by = request.query.choice("orderBy", (BY_BOUNDARY, *ORDERS), BY_BOUNDARY)

    def present(header: InvoiceRecord) -> dict[str, Any]:
        record = billing.invoices().get(request.tenant, header.invoice.id) if with_lines else header
        assert record is not None, "invoices are never deleted"
        return _shown(record, with_lines=with_lines)

    listed = Listed(
        billing.invoices().listing(request.tenant),
        present,
        (lambda record: wanted.takes(record, now)) if wanted.asks else None,
        Order() if by == BY_BOUNDARY else Order(lambda record: ORDERS[by](record, now), by),
        request.query.is_descending(),
    )
    return http.ok(by_cursor_or_number(request, listed))


@router.get("/api/v1/billing/invoices/<invoice_id>")
def get(invoice_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    expand = _expand(request.query)
    record = billing.invoices().get(request.tenant, http.path_value(invoice_id))
    if record is None:
        raise NotFound(f"There is no invoice {invoice_id!r}.", code="invoice_not_found")
    return http.ok(_shown(record, with_lines=not expand or "lines" in expand))


@router.get("/api/v1/billing/failures")
def list_failures() -> Answer:
    """Newest first; by cursor, by customer."""
    request = http.Request(router.current_event, SCOPE_READ)
    listed = Listed(
        billing.billing_failures().listing(request.tenant),
        _failure,
        order=Order(lambda failure: -int(failure.failed_at.timestamp())),
    )
    return http.ok(by_cursor_or_number(request, listed))


class _Filter:
    """Which invoices a list asks for."""

    def __init__(self, query: Query) -> None:
        self.statuses = set(_split(query.texts("statuses")))
        if self.statuses - STATUSES:
            raise refused("statuses", f"are among {', '.join(sorted(STATUSES))}.")
        self.extended = set(_split(query.texts("extendedStatuses")))
        self.customers = set(_split(query.texts("customers")))
        self.issued = query.instant("issuedAfter"), query.instant("issuedBefore")
        self.period = query.instant("periodStartAfter"), query.instant("periodStartBefore")
        self.created = query.instant("createdAfter"), query.instant("createdBefore")

    @property
    def asks(self) -> bool:
        instants = (*self.issued, *self.period, *self.created)
        return bool(self.statuses or self.extended or self.customers or any(instants))

    def takes(self, record: InvoiceRecord, now: datetime) -> bool:
        invoice = record.invoice
        return (
            (not self.statuses or record.status(now).value in self.statuses)
            and (not self.extended or record.extended_status(now) in self.extended)
            and (not self.customers or invoice.customer.id in self.customers)
            and _is_within(invoice.issued_at, *self.issued)
            and _is_within(invoice.period_start, *self.period)
            and _is_within(invoice.issued_at, *self.created)
        )


def _is_within(instant: datetime, after: datetime | None, before: datetime | None) -> bool:
    return (after is None or instant >= after) and (before is None or instant <= before)


def _expand(query: Query) -> set[str]:
    expand = set(_split(query.texts("expand")))
    if expand - set(EXPANDS):
        raise refused("expand", f"is among {', '.join(EXPANDS)}.")
    return expand


def _split(values: tuple[str, ...]) -> list[str]:
    """Repeated parameters and comma-separated ones: SDKs differ."""
    return [part for value in values for part in value.split(",") if part]


def _shown(record: InvoiceRecord, *, with_lines: bool) -> dict[str, Any]:
    return invoice_json.shown(
        record, base.clock().now(), collection_seconds=settings.collection_seconds(), with_lines=with_lines
    )


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
