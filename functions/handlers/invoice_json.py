"""An invoice as the API shows it: OpenMeter's fields, and beside them what explains a line down to the ledger."""

import json
from datetime import UTC, datetime
from typing import Any

from functions.domain.identity import named_ulid
from functions.domain.invoicing.invoice import DAYS_UNTIL_DUE, InvoiceCharge, InvoiceLine, InvoiceRecord
from functions.domain.money import Money
from functions.domain.period import Period
from functions.domain.wire import plain
from functions.handlers.http import without_none
from functions.handlers.subscription_json import period

# There is one billing profile per tenant, which cannot be changed yet; it has an id because invoices must name one.
_SINCE_EVER = datetime(2020, 1, 1, tzinfo=UTC)


def shown(record: InvoiceRecord, now: datetime, *, collection_seconds: int, with_lines: bool) -> dict[str, Any]:
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
        "totals": totals(invoice.total_minor, invoice.currency),
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
        "lines": [_line(record, line) for line in invoice.lines] if with_lines else None,
        "validationIssues": [_issue(record)] if record.is_failed else None,
        "externalIds": {"invoicing": payment.gateway_invoice} if payment.gateway_invoice else None,
        # Beyond OpenMeter.
        "runId": invoice.run_id,
        "gatewayNumber": payment.gateway_number,
        "hostedInvoiceUrl": payment.hosted_invoice_url,
        "invoicePdf": payment.invoice_pdf,
    }
    return without_none(wire)


def totals(minor: int, currency: str) -> dict[str, str]:
    amount, zero = (plain(Money(each, currency).major) for each in (minor, 0))
    return {
        "amount": amount,
        "chargesTotal": zero,
        "discountsTotal": zero,
        "creditsTotal": zero,
        "taxesInclusiveTotal": zero,
        "taxesExclusiveTotal": zero,
        "taxesTotal": zero,
        "total": amount,
    }


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


def _line(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any]:
    invoice = record.invoice
    quantity = plain(line.usage.quantity) if line.usage else "1"
    price = json.loads(line.price.model_dump_json(by_alias=True))
    wire = {
        **_line_base(record, line),
        "id": line.id,
        "name": line.name,
        "description": line.description,
        "type": "usage_based",
        "status": "valid",
        "totals": totals(line.total_minor, invoice.currency),
        "price": price,
        "featureKey": line.feature_key,
        "rateCard": without_none({"featureKey": line.feature_key, "price": price}),
        "quantity": quantity,
        "meteredQuantity": quantity if line.usage else None,
        "preLinePeriodQuantity": "0" if line.usage else None,
        "meteredPreLinePeriodQuantity": "0" if line.usage else None,
        "children": [_child(record, line, charge) for charge in line.charges],
        # Beyond OpenMeter.
        "childUniqueReferenceId": line.reference,
        "usageSnapshot": _snapshot(line),
    }
    return without_none(wire)


def _line_base(record: InvoiceRecord, line: InvoiceLine) -> dict[str, Any]:
    invoice = record.invoice
    return {
        "createdAt": invoice.issued_at,
        "updatedAt": invoice.issued_at,
        "managedBy": "subscription",
        "invoice": {"id": invoice.id, "number": invoice.number},
        "currency": invoice.currency,
        "period": period(Period(line.period_start, line.period_end)),
        "invoiceAt": line.invoice_at,
        "subscription": {
            "subscription": {"id": line.subscription_id},
            "phase": {"id": line.phase_id},
            "item": {"id": line.item_id},
            "billingPeriod": period(Period(line.billing_start, line.billing_end)),
        },
    }


def _child(record: InvoiceRecord, line: InvoiceLine, charge: InvoiceCharge) -> dict[str, Any]:
    unit_amount, quantity = plain(charge.unit_amount), plain(charge.quantity)
    term = "in_advance" if line.invoice_at <= line.period_start else "in_arrears"
    price = {"type": "flat", "amount": unit_amount, "paymentTerm": term}
    return {
        **_line_base(record, line),
        "id": named_ulid(line.invoice_at, "charge", line.reference, charge.reference),
        "name": charge.name,
        "type": "flat_fee",
        "status": "detailed",
        "totals": totals(charge.amount_minor, record.invoice.currency),
        "perUnitAmount": unit_amount,
        "quantity": quantity,
        "paymentTerm": term,
        "category": charge.category,
        "rateCard": {"price": price, "quantity": quantity},
        # Beyond OpenMeter.
        "childUniqueReferenceId": charge.reference,
    }


def _snapshot(line: InvoiceLine) -> dict[str, Any] | None:
    usage = line.usage
    if usage is None:
        return None
    return {
        "meterSlug": usage.meter,
        "subjects": list(usage.subjects),
        "filters": {name: list(values) for name, values in usage.filters.items()},
        "quantity": plain(usage.quantity),
        "lanes": usage.lanes,
        "takenAt": usage.taken_at,
    }
