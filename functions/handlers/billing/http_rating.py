"""Routes that rate without billing: try an invoice out, look ahead at one, explain a line of one."""

from typing import Annotated, Any

from functions.application.billing.explain_line import explain_line, explained_line
from functions.application.billing.preview_invoice import FARTHEST, Upcoming, upcoming_invoice
from functions.application.billing.simulate_invoice import simulate_invoice
from functions.domain.billing.simulation import InvoiceSimulation, SimulatedLine
from functions.handlers import settings
from functions.handlers.billing import invoice_json
from functions.handlers.billing.explanation_json import explanation_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import CustomerKey, SubscriptionId
from functions.handlers.edge.query_model import RouteQuery, choice, instant
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, billing, metering, subscriptions
from functions.names import SCOPE_READ

routes = Routes()

InvoiceId = Annotated[str, "The id of an invoice, not its number."]
LineId = Annotated[str, "The id of one of the invoice's lines."]

EXPLANATION = "explanation"
EXPANDS = ("lines", EXPLANATION)


@routes.post(
    "/api/v1/billing/customers/<customer_id>/invoices/simulate",
    "Simulate an invoice",
    scope=SCOPE_READ,
    answers="InvoiceSimulationResult",
    costs="question",
)
def simulate(request: Request, customer_id: CustomerKey, body: InvoiceSimulation) -> Answer:
    invoice = simulate_invoice(
        request.tenant,
        customer_id,
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


class UpcomingQuery(RouteQuery):
    not_before = instant(
        f"The invoice of the first boundary at or after this instant, at most {FARTHEST.days} days ahead; of the next "
        "boundary unless given."
    )
    expand = choice("`explanation` adds to each line how its amount came about.", EXPANDS, "lines")


@routes.get(
    "/api/v1/subscriptions/<subscription_id>/upcoming-invoice",
    "Look ahead at a subscription's next invoice",
    scope=SCOPE_READ,
    answers="UpcomingInvoice",
    costs="question",
    fails=(409,),
)
def upcoming(request: Request[UpcomingQuery], subscription_id: SubscriptionId) -> Answer:
    not_before = request.query.not_before
    is_explained = request.query.expand == EXPLANATION
    found = upcoming_invoice(request.tenant, subscription_id, not_before, ports=billing.preview_ports())
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
        meter = metering.api_usage_meter().reading_once(tenant)
        for shown, line in zip(wire["lines"], invoice.lines, strict=True):
            explained = explained_line(tenant, invoice, line, meter)
            shown[EXPLANATION] = explanation_shown(explained, invoice.currency)
    return wire | {"asOf": found.as_of}


@routes.get(
    "/api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation",
    "Explain a line of an invoice",
    scope=SCOPE_READ,
    answers="InvoiceLineExplanation",
    costs="question",
    fails=(409,),
)
def explanation(request: Request, invoice_id: InvoiceId, line_id: LineId) -> Answer:
    invoice, found = explain_line(
        request.tenant,
        invoice_id,
        line_id,
        invoices=billing.invoices(),
        usage=metering.api_usage_meter(),
    )
    return http.ok({"invoiceId": invoice.id, "number": invoice.number} | explanation_shown(found, invoice.currency))
