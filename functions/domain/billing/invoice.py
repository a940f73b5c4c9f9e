"""An issued invoice: a numbered, immutable set of lines with their working, and beside it the state of its money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from functions.domain.billing.document import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_LINES,
    DocumentLine,
    InvoiceDocument,
    deliverable,
    printable,
)
from functions.domain.billing.line import InvoiceLine, explained
from functions.domain.billing.push import PaymentStatus
from functions.domain.errors import Unbillable
from functions.domain.identity import named_ulid
from functions.domain.metering.ledger.late import told_from
from functions.domain.metering.values.holding import Holding, held_ever
from functions.domain.money import MAX_AMOUNT_MINOR, Money
from functions.domain.period import UTC_ZONE, Period
from functions.domain.wire import CurrencyCode, Instant, WireModel

# What has arrived is counted by then.
COUNTED_WITHIN = timedelta(minutes=10)
# OpenMeter's default payment term.
DAYS_UNTIL_DUE = 30
# How much of <subscription>/<phase>/<key>/<item> the lines of one group share, finest first.
_DEPTHS = (4, 3, 2, 1)


class InvoiceStatus(StrEnum):
    """Those of OpenMeter's statuses that an issued invoice can have."""

    ISSUED = "issued"
    PAYMENT_PROCESSING = "payment_processing"
    OVERDUE = "overdue"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOIDED = "voided"


class BilledCustomer(WireModel):
    """Who is billed, as it was when the invoice was issued; `held` is all that was ever held and on no invoice."""

    id: str
    key: str | None = None
    name: str
    email: str | None = None
    subject_keys: tuple[str, ...] = ()
    currency: CurrencyCode | None = None
    time_zone: str = UTC_ZONE
    held: Annotated[tuple[Holding, ...], Field(exclude=True)] = ()

    @property
    def holdings(self) -> tuple[Holding, ...]:
        return self.held or held_ever(self.subject_keys)


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
    # How much of the total is charged for commitments, and how much was deducted by discounts.
    commitments_minor: int = 0
    discounts_minor: int = 0

    def document(self) -> InvoiceDocument:
        """What the gateway collects; the same bytes however often it is asked for."""
        return InvoiceDocument(
            tenant=self.tenant,
            invoice_id=self.id,
            number=self.number,
            run_id=self.run_id,
            customer_id=self.customer.id,
            customer_name=printable(self.customer.name, MAX_ID_CHARACTERS) or self.customer.id,
            customer_email=deliverable(self.customer.email),
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
    # What the gateway gave back or credited of it, by us or by others.
    returned_minor: int = 0
    due_at: Instant | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    failed_at: Instant | None = None


def shown_as(payment: PaymentStatus) -> tuple[InvoiceStatus, ...]:
    """The public status; where it depends on the time, the one before the invoice is due and the one from then on."""
    match payment:
        case PaymentStatus.PAID:
            return (InvoiceStatus.PAID,)
        case PaymentStatus.VOID:
            return (InvoiceStatus.VOIDED,)
        case PaymentStatus.UNCOLLECTIBLE:
            return (InvoiceStatus.UNCOLLECTIBLE,)
        case PaymentStatus.OPEN:
            return (InvoiceStatus.PAYMENT_PROCESSING, InvoiceStatus.OVERDUE)
        case _:
            return (InvoiceStatus.ISSUED,)


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
        among = shown_as(self.payment.status)
        return among[-1] if self.due_at <= now else among[0]

    def extended_status(self, now: datetime) -> str:
        status = self.status(now)
        if status is InvoiceStatus.PAYMENT_PROCESSING:
            return "payment_processing.pending"
        return "issued.push_failed" if status is InvoiceStatus.ISSUED and self.is_failed else status.value


def invoice_id(tenant: str, customer_id: str, currency: str, invoice_at: datetime, sequence: int = 0) -> str:
    """The same invoice always gets the same id; `sequence` counts further invoices of the same boundary."""
    return named_ulid(invoice_at, "invoice", tenant, customer_id, currency, str(sequence))


def looks_again_at(lines: Sequence[InvoiceLine]) -> datetime | None:
    """Once, after everything that came by then is counted, where they were measured before late usage is told of."""
    early = [told for line in lines if line.usage and line.usage.taken_at < (told := told_from(line.period_end))]
    return max(early) + COUNTED_WITHIN if early else None


def number_prefix(customer_name: str) -> str:
    """Four letters or digits of the customer's name, as in INV-ACME-7."""
    letters = "".join(character for character in customer_name.upper() if character.isascii() and character.isalnum())
    return letters[:4] or "CUST"


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
    assert all(line.invoice_at == invoice_at for line in lines)
    invoice = summed_up(
        lines,
        id=id,
        tenant=tenant,
        number=number,
        run_id=run_id,
        customer=customer,
        currency=currency,
        invoice_at=invoice_at,
        now=now,
    )
    return InvoiceRecord(invoice, Payment(updated_at=now))


def summed_up(
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
) -> Invoice:
    """The lines as one invoice, whether it is issued or only looked at; raises Unbillable as `issued` does."""
    assert lines
    total = sum((Money(line.total_minor, currency) for line in lines), Money.zero(currency))
    if max(total.minor, *(line.total_minor for line in lines)) > MAX_AMOUNT_MINOR:
        most = Money(MAX_AMOUNT_MINOR, currency)
        message = f"An invoice can be at most {most.major:,f} {currency}; customer {customer.id} owes {total.major:,f}."
        raise Unbillable(message, code="amount_too_large")
    return Invoice(
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
        commitments_minor=sum(line.commitments_minor for line in lines),
        discounts_minor=sum(line.discounts_minor for line in lines),
    )


def _document_lines(lines: Sequence[InvoiceLine], currency: str) -> list[DocumentLine]:
    """One line each; of more than a gateway takes, one per item, key, phase or subscription, as fine as will do.

    The invoice itself keeps them all.
    """
    if len(lines) <= MAX_LINES:
        return [_document_line([line], _said_id(line), currency) for line in lines]
    groups = next(found for depth in _DEPTHS if len(found := _by_reference(lines, depth)) <= MAX_LINES or depth == 1)
    return [_document_line(group, f"{reference}/all", currency) for reference, group in groups.items()]


def _said_id(line: InvoiceLine) -> str:
    """Its reference, which tells a reader what it is; of one too long to say, the id made from it."""
    return line.reference if len(line.reference) <= MAX_ID_CHARACTERS else line.id


def _by_reference(lines: Sequence[InvoiceLine], depth: int) -> dict[str, list[InvoiceLine]]:
    groups: dict[str, list[InvoiceLine]] = {}
    for line in lines:
        groups.setdefault("/".join(line.reference.split("/")[:depth]), []).append(line)
    return groups


def _document_line(lines: Sequence[InvoiceLine], line_id: str, currency: str) -> DocumentLine:
    period = Period(min(line.period_start for line in lines), max(line.period_end for line in lines))
    text = explained(lines[0], currency) if len(lines) == 1 else _named(lines)
    return DocumentLine(
        line_id=line_id,
        description=printable(text, MAX_DESCRIPTION_CHARACTERS) or line_id,
        amount_minor=sum(line.total_minor for line in lines),
        period_start=period.start,
        period_end=period.end,
    )


def _named(lines: Sequence[InvoiceLine]) -> str:
    names = dict.fromkeys(line.name for line in lines)
    if len(names) == 1:
        return f"{lines[0].name} ({len(lines)} periods)"
    return f"{lines[0].name} and {len(names) - 1} more ({len(lines)} lines)"
