"""An invoice as the API shows it: OpenMeter's fields, and beside them its run and its page at the gateway."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from functions.domain.billing.invoice import DAYS_UNTIL_DUE, Invoice, InvoiceRecord, Payment
from functions.domain.identity import named_ulid
from functions.domain.period import Period
from functions.handlers.billing.invoice_line_json import line_shown, totals
from functions.handlers.edge.http import without_none
from functions.handlers.subscriptions.subscription_json import period

# There is one billing profile per tenant, which cannot be changed yet; it has an id because invoices must name one.
_SINCE_EVER = datetime(2020, 1, 1, tzinfo=UTC)


def shown(
    record: InvoiceRecord,
    now: datetime,
    *,
    collection_seconds: int,
    lines: Sequence[Mapping[str, Any]] | None,
) -> dict[str, Any]:
    invoice, payment = record.invoice, record.payment
    wire = {
        "id": invoice.id,
        "createdAt": invoice.issued_at,
        "updatedAt": payment.updated_at,
        "type": "standard",
        "supplier": {"name": invoice.tenant},
        "customer": _customer(record),
        "number": invoice.number,
        "currency": invoice.currency,
        "totals": totals(
            invoice.currency,
            total_minor=invoice.total_minor,
            commitments_minor=invoice.commitments_minor,
            discounts_minor=invoice.discounts_minor,
        ),
        "status": record.status(now).value,
        "statusDetails": {
            "immutable": True,
            "failed": record.is_failed,
            "extendedStatus": record.extended_status(now),
            "availableActions": {},
        },
        "issuedAt": invoice.issued_at,
        "quantitySnapshotedAt": invoice.issued_at,
        "collectionAt": invoice.invoice_at,
        "dueAt": record.due_at,
        "period": period(Period(invoice.period_start, invoice.period_end)),
        "voidedAt": payment.updated_at if record.status(now) == "voided" else None,
        "workflow": _workflow(record, collection_seconds),
        "lines": lines,
        "validationIssues": [_issue(record)] if record.is_failed else None,
        "externalIds": {"invoicing": payment.gateway_invoice} if payment.gateway_invoice else None,
        # Beyond OpenMeter.
        "runId": invoice.run_id,
        "gatewayNumber": payment.gateway_number,
        "hostedInvoiceUrl": payment.hosted_invoice_url,
        "invoicePdf": payment.invoice_pdf,
    }
    return without_none(wire)


def unissued(
    invoice: Invoice, now: datetime, *, status: str, extended_status: str, collection_seconds: int
) -> dict[str, Any]:
    """An invoice that nobody owes: tried out or looked ahead at, and stored nowhere."""
    record = InvoiceRecord(invoice, Payment(updated_at=now))
    lines = [line_shown(record, line) for line in invoice.lines]
    wire = shown(record, now, collection_seconds=collection_seconds, lines=lines)
    details = {"immutable": False, "failed": False, "extendedStatus": extended_status, "availableActions": {}}
    kept = {name: value for name, value in wire.items() if name not in ("issuedAt", "dueAt", "runId")}
    return kept | {"status": status, "statusDetails": details}


def _customer(record: InvoiceRecord) -> dict[str, Any]:
    customer = record.invoice.customer
    wire = {"id": customer.id, "key": customer.key, "name": customer.name}
    return without_none(wire) | {"usageAttribution": {"subjectKeys": list(customer.subject_keys)}}


def _workflow(record: InvoiceRecord, collection_seconds: int) -> dict[str, Any]:
    return {
        "sourceBillingProfileId": named_ulid(_SINCE_EVER, "billing_profile", record.invoice.tenant),
        "workflow": {
            "collection": {"alignment": {"type": "subscription"}, "interval": f"PT{collection_seconds}S"},
            "invoicing": {
                "autoAdvance": True,
                "draftPeriod": "P0D",
                "dueAfter": f"P{DAYS_UNTIL_DUE}D",
                "progressiveBilling": False,
            },
            "payment": {"collectionMethod": record.invoice.collection_method},
            "tax": {"enabled": False, "enforced": False},
        },
    }


def _issue(record: InvoiceRecord) -> dict[str, Any]:
    payment, invoice = record.payment, record.invoice
    return {
        "id": named_ulid(invoice.issued_at, "issue", invoice.id),
        "createdAt": payment.failed_at or payment.updated_at,
        "updatedAt": payment.failed_at or payment.updated_at,
        "severity": "critical",
        "component": "gateway",
        "code": payment.failure_code,
        "message": payment.failure_message or "",
    }
