"""An issued invoice: a numbered, immutable set of lines with their working, and beside it the state of its money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Literal

from pydantic import PlainSerializer

from functions.domain.catalog.pricing import AnyPrice
from functions.domain.errors import Unbillable
from functions.domain.identity import named_ulid
from functions.domain.invoicing.document import (
    MAX_AMOUNT_MINOR,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_LINES,
    DocumentLine,
    InvoiceDocument,
)
from functions.domain.invoicing.push import PaymentStatus
from functions.domain.invoicing.rating import RatedCharge, RatedService
from functions.domain.money import EXACT, Money
from functions.domain.period import Period
from functions.domain.wire import CurrencyCode, Instant, WireModel, plain

# OpenMeter's default payment term.
DAYS_UNTIL_DUE = 30

Exact = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]


class InvoiceStatus(StrEnum):
    """The part of OpenMeter's statuses an invoice passes through once it is issued."""

    ISSUED = "issued"
    PAYMENT_PROCESSING = "payment_processing"
    OVERDUE = "overdue"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOIDED = "voided"


class BilledCustomer(WireModel):
    """Who is billed, as it was when the invoice was issued."""

    id: str
    key: str | None = None
    name: str
    email: str | None = None
    subject_keys: tuple[str, ...] = ()
    currency: CurrencyCode | None = None


class UsageSnapshot(WireModel):
    """What was measured and up to where: `lanes` names the last commit of each lane that the quantity contains."""

    meter: str
    subjects: tuple[str, ...]
    filters: dict[str, tuple[str, ...]]
    quantity: Exact
    lanes: dict[str, int]
    taken_at: Instant


class InvoiceCharge(WireModel):
    reference: str
    name: str
    quantity: Exact
    unit_amount: Exact
    amount_minor: int
    category: Literal["regular", "commitment"] = "regular"


class InvoiceLine(WireModel):
    """One service of one item; `reference` is the same however often it is rated, and so is the id made from it."""

    id: str
    reference: str
    name: str
    description: str | None = None
    subscription_id: str
    phase_id: str
    item_id: str
    feature_key: str | None = None
    price: AnyPrice
    period_start: Instant
    period_end: Instant
    billing_start: Instant
    billing_end: Instant
    invoice_at: Instant
    usage: UsageSnapshot | None = None
    charges: tuple[InvoiceCharge, ...]
    total_minor: int


class Invoice(WireModel):
    """Never changed after it is issued; `invoice_at` is the boundary from which its lines are owed."""

    id: str
    tenant: str
    number: str
    run_id: str
    customer: BilledCustomer
    currency: CurrencyCode
    invoice_at: Instant
    period_start: Instant
    period_end: Instant
    issued_at: Instant
    due_at: Instant
    days_until_due: int
    collection_method: Literal["send_invoice", "charge_automatically"]
    lines: tuple[InvoiceLine, ...]
    total_minor: int

    def document(self) -> InvoiceDocument:
        """What the gateway collects; the same bytes however often it is asked for."""
        return InvoiceDocument(
            tenant=self.tenant,
            invoice_id=self.id,
            number=self.number,
            run_id=self.run_id,
            customer_id=self.customer.id,
            customer_name=_printable(self.customer.name, MAX_ID_CHARACTERS) or self.customer.id,
            customer_email=_deliverable(self.customer.email),
            currency=self.currency,
            lines=tuple(_document_lines(self.lines, self.currency)),
            total_minor=self.total_minor,
            collection_method=self.collection_method,
            days_until_due=self.days_until_due if self.collection_method == "send_invoice" else None,
        )


class Payment(WireModel):
    """What is known of an invoice's money; `status` is the gateway's word, the public status follows from it."""

    status: PaymentStatus = PaymentStatus.ISSUED
    updated_at: Instant
    gateway_invoice: str | None = None
    gateway_number: str | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    amount_due_minor: int | None = None
    amount_paid_minor: int | None = None
    due_at: Instant | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    failed_at: Instant | None = None


@dataclass(frozen=True)
class InvoiceRecord:
    """An invoice with its payment; `version` counts the writes of the payment."""

    invoice: Invoice
    payment: Payment
    version: int = 0

    @property
    def due_at(self) -> datetime:
        return self.payment.due_at or self.invoice.due_at

    @property
    def is_failed(self) -> bool:
        """The gateway does not have it yet, and the last try said why."""
        return self.payment.failure_code is not None

    def status(self, now: datetime) -> InvoiceStatus:
        match self.payment.status:
            case PaymentStatus.PAID:
                return InvoiceStatus.PAID
            case PaymentStatus.VOID:
                return InvoiceStatus.VOIDED
            case PaymentStatus.UNCOLLECTIBLE:
                return InvoiceStatus.UNCOLLECTIBLE
            case PaymentStatus.OPEN:
                return InvoiceStatus.OVERDUE if self.due_at <= now else InvoiceStatus.PAYMENT_PROCESSING
            case _:
                return InvoiceStatus.ISSUED

    def extended_status(self, now: datetime) -> str:
        status = self.status(now)
        if status is InvoiceStatus.PAYMENT_PROCESSING:
            return "payment_processing.pending"
        return "issued.push_failed" if status is InvoiceStatus.ISSUED and self.is_failed else status.value


def invoice_id(tenant: str, customer_id: str, currency: str, invoice_at: datetime, sequence: int = 0) -> str:
    """The same invoice always gets the same id; `sequence` counts further invoices of the same boundary."""
    return named_ulid(invoice_at, "invoice", tenant, customer_id, currency, str(sequence))


def number_prefix(customer_name: str) -> str:
    """Four letters or digits of the customer's name, as in INV-ACME-7."""
    letters = "".join(character for character in customer_name.upper() if character.isascii() and character.isalnum())
    return letters[:4] or "CUST"


def line_from(rated: RatedService, subscription_id: str, usage: UsageSnapshot | None) -> InvoiceLine:
    service = rated.service
    item, phase = service.item, service.phase
    assert item.card.price is not None
    reference = f"{subscription_id}/{phase.key}/{item.key}/v[{item.version}]/period[{service.index}]"
    return InvoiceLine(
        id=named_ulid(service.invoice_at, "line", reference),
        reference=reference,
        name=item.card.name,
        description=item.card.description,
        subscription_id=subscription_id,
        phase_id=phase.id,
        item_id=item.id,
        feature_key=item.card.feature_key,
        price=item.card.price,
        period_start=service.period.start,
        period_end=service.period.end,
        billing_start=service.billing_period.start,
        billing_end=service.billing_period.end,
        invoice_at=service.invoice_at,
        usage=usage,
        charges=tuple(_charge(each) for each in rated.charges),
        total_minor=rated.total.minor,
    )


def _charge(rated: RatedCharge) -> InvoiceCharge:
    charge = rated.charge
    return InvoiceCharge(
        reference=charge.reference,
        name=charge.name,
        quantity=charge.quantity,
        unit_amount=charge.unit_amount,
        amount_minor=rated.amount.minor,
    )


def issued(
    lines: Sequence[InvoiceLine],
    *,
    id: str,
    tenant: str,
    number: str,
    run_id: str,
    customer: BilledCustomer,
    currency: str,
    invoice_at: datetime,
    now: datetime,
) -> InvoiceRecord:
    """A new invoice over lines that are all owed from `invoice_at` on; nothing is known of its money yet.

    Raises Unbillable when a line or the total is more than a document can say.
    """
    assert lines and all(line.invoice_at == invoice_at for line in lines)
    total = sum((Money(line.total_minor, currency) for line in lines), Money.zero(currency))
    if max(total.minor, *(line.total_minor for line in lines)) > MAX_AMOUNT_MINOR:
        most = Money(MAX_AMOUNT_MINOR, currency)
        message = f"An invoice can be at most {most.major:,f} {currency}; customer {customer.id} owes {total.major:,f}."
        raise Unbillable(message, code="amount_too_large")
    invoice = Invoice(
        id=id,
        tenant=tenant,
        number=number,
        run_id=run_id,
        customer=customer,
        currency=currency,
        invoice_at=invoice_at,
        period_start=min(line.period_start for line in lines),
        period_end=max(line.period_end for line in lines),
        issued_at=now,
        due_at=now + timedelta(days=DAYS_UNTIL_DUE),
        days_until_due=DAYS_UNTIL_DUE,
        # The customer pays on the gateway's page: nobody has left a payment method there to charge automatically.
        collection_method="send_invoice",
        lines=tuple(lines),
        total_minor=total.minor,
    )
    return InvoiceRecord(invoice, Payment(updated_at=now))


def _document_lines(lines: Sequence[InvoiceLine], currency: str) -> list[DocumentLine]:
    if len(lines) <= MAX_LINES:
        return [_document_line([line], line.reference, currency) for line in lines]
    # One line per item instead of one per item and period; the invoice itself keeps them all.
    by_item = groupby(lines, key=lambda line: line.reference.rpartition("/")[0])
    return [_document_line(list(group), f"{reference}/all", currency) for reference, group in by_item]


def _document_line(lines: Sequence[InvoiceLine], line_id: str, currency: str) -> DocumentLine:
    period = Period(min(line.period_start for line in lines), max(line.period_end for line in lines))
    text = explained(lines[0], currency) if len(lines) == 1 else f"{lines[0].name} ({len(lines)} periods)"
    return DocumentLine(
        line_id=line_id,
        description=_printable(text, MAX_DESCRIPTION_CHARACTERS) or line_id,
        amount_minor=sum(line.total_minor for line in lines),
        period_start=period.start,
        period_end=period.end,
    )


def explained(line: InvoiceLine, currency: str) -> str:
    """A line in one sentence: Tokens: 1,234,567 x 0.0000025 USD."""
    parts = [f"{_grouped(charge.quantity)} x {plain(charge.unit_amount)} {currency}" for charge in line.charges]
    if not parts:
        parts = [f"{_grouped(line.usage.quantity)} used"] if line.usage else []
    return ": ".join([line.name, *(["; ".join(parts)] if parts else [])])


def _grouped(quantity: Decimal) -> str:
    return f"{quantity.normalize(EXACT):,f}" if quantity else "0"


def _deliverable(email: str | None) -> str | None:
    """A gateway would refuse the whole invoice for an address it cannot take; it is sent without one instead."""
    return email if email and email == _printable(email, MAX_ID_CHARACTERS) else None


def _printable(text: str, longest: int) -> str:
    return "".join(character if ord(character) >= 32 else " " for character in text)[:longest].strip()
