"""What pushing and settling need from outside: a payment gateway, the push records, and our own invoices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from functions.domain.errors import TollboothError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from functions.domain.billing.contact import Contact
    from functions.domain.billing.document import DocumentLine, InvoiceDocument
    from functions.domain.billing.push import GatewayCustomer, PaymentStatus, PushFailure, PushRecord


class GatewayStatus(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    UNCOLLECTIBLE = "uncollectible"
    VOID = "void"


@dataclass(frozen=True)
class GatewayInvoice:
    """The gateway's view of one of our invoices; every amount in our own minor units."""

    ref: str
    status: GatewayStatus
    tenant: str | None
    invoice_id: str | None
    payload_sha: str | None
    currency: str
    subtotal_minor: int
    total_minor: int
    amount_due_minor: int
    amount_paid_minor: int
    number: str | None
    hosted_invoice_url: str | None
    invoice_pdf: str | None
    due_at: datetime | None
    # Refunded and credited, by us or by others; None where that was not asked for.
    returned_minor: int | None = None


@dataclass(frozen=True)
class GatewayLine:
    line_id: str | None
    amount_minor: int


@dataclass(frozen=True)
class GatewayEvent:
    """A verified message from the gateway: a hint that one of our invoices may have changed, never its new state.

    One about money that went back names the invoice at the gateway or only the payment.
    """

    event_id: str
    type: str
    tenant: str | None
    invoice_id: str | None
    gateway_invoice: str | None
    payment: str | None = None


@dataclass(frozen=True)
class PaymentUpdate:
    """What our invoice learns about its money; amounts in minor units of the invoice's currency."""

    status: PaymentStatus
    at: datetime
    gateway_invoice: str | None = None
    number: str | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    amount_due_minor: int | None = None
    amount_paid_minor: int | None = None
    returned_minor: int | None = None
    due_at: datetime | None = None
    failure: PushFailure | None = None


class GatewayUnreachable(Unavailable):
    """No answer, or a conflict with a request in flight: it may have happened; ask again with the same key."""

    code = "gateway_unreachable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class GatewayBusy(Unavailable):
    """Rate limited: it did not happen; ask again later with the same key."""

    code = "gateway_rate_limited"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=10)


class GatewayFault(Unavailable):
    """The gateway failed and will repeat that answer for the same key: look at what happened, then use a new one."""

    code = "gateway_fault"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=5)


class GatewayKeyMismatch(TollboothError):
    """The same key was used with another payload: our own mistake, never to be retried."""

    code = "idempotency_mismatch"


class GatewayRefused(TollboothError):
    """A permanent no to this request; `code` is the gateway's own."""

    def __init__(self, detail: str, *, code: str, param: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.param = param


class GatewayUnauthorized(TollboothError):
    """The integration is unhealthy (key missing, revoked, not allowed): no invoice of this tenant can be pushed."""

    code = "gateway_unauthorized"


class Gateway(Protocol):
    """Moves the money. Every method may raise the errors above; a `key` makes a repeated call happen once."""

    def check(self, document: InvoiceDocument) -> None:
        """Raises InvalidInput when the gateway cannot represent the document, before anything is sent."""
        ...

    def create_customer(self, document: InvoiceDocument, *, gen: int, replaced: int = 0) -> str:
        """`replaced` tells it from those of the same customer who are gone: their keys would answer with them."""
        ...

    def update_customer(
        self, document: InvoiceDocument, customer: str, contact: Contact, *, version: int, gen: int
    ) -> None:
        """All of the contact, in place of what there was; `version` is of what was known of the customer before."""
        ...

    def is_customer_gone(self, ref: str) -> bool:
        """Deleted at the gateway, or never there: nothing can be sent to them."""
        ...

    def find_invoices(self, document: InvoiceDocument, customer: str, since: datetime) -> Sequence[GatewayInvoice]:
        """All of the customer's invoices created since then that carry this invoice's id; void ones too."""
        ...

    def create_draft(self, document: InvoiceDocument, customer: str, *, gen: int) -> GatewayInvoice: ...

    def add_lines(self, document: InvoiceDocument, ref: str, lines: Sequence[DocumentLine], *, gen: int) -> None: ...

    def delete_draft(self, ref: str) -> None:
        """Raises GatewayRefused for what is no draft (any more)."""
        ...

    def finalize(self, document: InvoiceDocument, ref: str, *, gen: int) -> GatewayInvoice: ...

    def invoice(self, ref: str) -> GatewayInvoice | None:
        """With what was returned of a paid one. None when it does not exist any more (a draft somebody deleted)."""
        ...

    def invoice_paid_by(self, payment: str) -> GatewayInvoice | None:
        """None for a payment of something else."""
        ...

    def lines(self, ref: str, currency: str) -> Sequence[GatewayLine]: ...


class PushBusy(Unavailable):
    """Another worker holds this invoice's lease; it will be finished or free soon."""

    code = "push_in_progress"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=30)


class PushStore(Protocol):
    def record(self, tenant: str, invoice_id: str) -> PushRecord | None: ...

    def put(self, record: PushRecord) -> PushRecord:
        """Store it if its version is still the stored one (0: not yet stored); answers it with the next version.

        Raises Stale otherwise.
        """
        ...

    def customer(self, tenant: str, customer_id: str, currency: str) -> GatewayCustomer:
        """One without a reference when there was never any."""
        ...

    def put_customer(self, tenant: str, customer_id: str, currency: str, customer: GatewayCustomer) -> GatewayCustomer:
        """As `put`: the first one who writes over a version wins; raises Stale."""
        ...

    def is_settled(self, tenant: str, event_id: str) -> bool: ...

    def mark_settled(self, tenant: str, event_id: str, *, now: datetime) -> None: ...


class Contacts(Protocol):
    def contact(self, tenant: str, customer_id: str) -> Contact | None:
        """As it is now, of deleted customers too; None for one who never was."""
        ...


class InvoiceDocuments(Protocol):
    def get(self, tenant: str, invoice_id: str) -> InvoiceDocument:
        """The document as it was issued, byte for byte the same every time; raises NotFound."""
        ...


class InvoicePayments(Protocol):
    def record_payment(self, tenant: str, invoice_id: str, update: PaymentUpdate) -> bool:
        """Write the update only over a status named in MAY_REPLACE[update.status]; fields that are None stay.

        One conditional write. Answers whether it was written; raises NotFound for an invoice that does not exist.
        """
        ...
