"""Routes that rate without billing: try an invoice out, look ahead at one, explain a line of one."""

from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.billing.explain_line import explain_line, explained_line
from functions.application.billing.preview_invoice import Upcoming, upcoming_invoice
from functions.application.billing.simulate_invoice import simulate_invoice
from functions.domain.billing.simulation import InvoiceSimulation, SimulatedLine
from functions.handlers import settings
from functions.handlers.billing import invoice_json
from functions.handlers.billing.explanation_json import explanation_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.wiring import base, billing, subscriptions
from functions.names import SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

EXPLANATION = "explanation"
EXPANDS = ("lines", EXPLANATION)


@router.post("/api/v1/billing/customers/<customer_id>/invoices/simulate")
def simulate(customer_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    body = request.body(InvoiceSimulation)
    invoice = simulate_invoice(
        request.tenant,
        http.path_value(customer_id),
        body,
        customers=subscriptions.billed_customers(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    wire = invoice_json.unissued(
        invoice,
        base.clock().now(),
        status="draft",
        extended_status="draft.created",
        collection_seconds=settings.collection_seconds(),
    )
    lines = [shown | _said(line) for shown, line in zip(wire["lines"], body.lines, strict=True)]
    return http.ok(wire | {"lines": lines})


def _said(line: SimulatedLine) -> dict[str, Any]:
    """What a line carries without being rated by it."""
    return http.without_none({"metadata": line.metadata})


@router.get("/api/v1/subscriptions/<subscription_id>/upcoming-invoice")
def upcoming(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    not_before = request.query.instant("notBefore")
    is_explained = request.query.choice("expand", EXPANDS, "lines") == EXPLANATION
    found = upcoming_invoice(request.tenant, http.path_value(subscription_id), not_before, billing.preview_ports())
    return http.ok(_shown(request.tenant, found, is_explained=is_explained))


def _shown(tenant: str, found: Upcoming, *, is_explained: bool) -> dict[str, Any]:
    invoice = found.invoice
    wire = invoice_json.unissued(
        invoice,
        found.as_of,
        status="gathering",
        extended_status="gathering",
        collection_seconds=settings.collection_seconds(),
    )
    if is_explained:
        meter = billing.api_usage_meter()
        for shown, line in zip(wire["lines"], invoice.lines, strict=True):
            explained = explained_line(tenant, invoice, line, meter)
            shown[EXPLANATION] = explanation_shown(explained, invoice.currency)
    return wire | {"asOf": found.as_of}


@router.get("/api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation")
def explanation(invoice_id: str, line_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    invoice, found = explain_line(
        request.tenant,
        http.path_value(invoice_id),
        http.path_value(line_id),
        invoices=billing.invoices(),
        meter=billing.api_usage_meter(),
    )
    return http.ok({"invoiceId": invoice.id, "number": invoice.number} | explanation_shown(found, invoice.currency))
