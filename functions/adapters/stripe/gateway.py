"""The gateway port on Stripe: one method, one kind of request, amounts in Stripe's digits."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import stripe

from functions.adapters.stripe import keys
from functions.adapters.stripe.amounts import from_stripe, to_stripe
from functions.adapters.stripe.errors import PatientCaller, is_missing
from functions.application.ports.gateway import GatewayInvoice, GatewayLine, GatewayRefused, GatewayStatus
from functions.domain.billing.contact import Contact
from functions.domain.billing.document import MAX_LINES, DocumentLine, InvoiceDocument
from functions.domain.errors import InvalidInput

if TYPE_CHECKING:
    from stripe.params import (
        CreditNoteListParams,
        CustomerCreateParams,
        CustomerUpdateParams,
        InvoiceAddLinesParams,
        InvoiceCreateParams,
        InvoiceFinalizeInvoiceParams,
        InvoiceListParams,
        InvoicePaymentListParams,
        InvoiceRetrieveParams,
        RefundListParams,
    )

Item = TypeVar("Item")
Listed = TypeVar("Listed", bound=stripe.StripeObject)

# Of a refund, nothing went back.
_NO_REFUND = ("failed", "canceled")
MAX_RETURNS = 1_000  # of one invoice

PAGE = 100
# A customer with more invoices since the first attempt is not one we can search; far beyond any billing cadence.
MAX_INVOICES_SEARCHED = 5_000
# Two tries of one call stay under a minute, inside the push lease; a webhook has 29 seconds in all.
PUSH_TIMEOUT_SECONDS = 20
WEBHOOK_TIMEOUT_SECONDS = 8
NETWORK_RETRIES = 1
# Printed on the invoice; Stripe allows 140 characters in a custom field.
MAX_REFERENCE_CHARACTERS = 140


def stripe_client(api_key: str, api_base: str | None, *, timeout_seconds: int) -> stripe.StripeClient:
    """`api_base` is only set where something else than Stripe answers, such as the local stand-in."""
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base} if api_base else {},
        max_network_retries=NETWORK_RETRIES,
        http_client=stripe.RequestsClient(timeout=timeout_seconds),
    )


class StripeGateway:
    """`client` is asked for at the first request, so that an unconfigured account refuses pushes and nothing else."""

    def __init__(self, client: Callable[[], stripe.StripeClient], call: PatientCaller | None = None) -> None:
        self._client = client
        self._call = call or PatientCaller()

    @property
    def _v1(self) -> "stripe.V1Services":
        return self._client().v1

    def check(self, document: InvoiceDocument) -> None:
        for line in document.lines:
            to_stripe(line.amount_minor, document.currency)
            if document.automatic_tax and line.amount_minor < 0:
                raise InvalidInput(
                    f"Line {line.line_id!r} is negative; Stripe's automatic tax needs it netted or as a coupon.",
                    code="negative_line_with_tax",
                )

    def create_customer(self, document: InvoiceDocument, *, gen: int, replaced: int = 0) -> str:
        params: CustomerCreateParams = {
            "name": document.customer_name,
            "metadata": {"tenant": document.tenant, "customer_id": document.customer_id},
        }
        if document.customer_email is not None:
            params["email"] = document.customer_email
        options = _once(keys.customer_key(document, gen, replaced))
        return self._call(lambda: self._v1.customers.create(params, options)).id

    def update_customer(
        self, document: InvoiceDocument, customer: str, contact: Contact, *, version: int, gen: int
    ) -> None:
        # An empty text takes away what was there.
        params: CustomerUpdateParams = {"name": contact.name, "email": contact.email or "", "address": ""}
        if (address := contact.address) is not None:
            params["address"] = {
                "country": address.country,
                "postal_code": address.postal_code,
                "state": address.state,
                "city": address.city,
                "line1": address.line1,
                "line2": address.line2,
            }
        options = _once(keys.contact_key(document, customer, contact, version, gen))
        self._call(lambda: self._v1.customers.update(customer, params, options))

    def is_customer_gone(self, ref: str) -> bool:
        try:
            found = self._call(lambda: self._v1.customers.retrieve(ref))
        except GatewayRefused as refused:
            if is_missing(refused):
                return True
            raise
        return bool(getattr(found, "deleted", False))

    def find_invoices(self, document: InvoiceDocument, customer: str, since: datetime) -> Sequence[GatewayInvoice]:
        # A list is consistent at once; a search lags by up to a minute and would create the invoice twice.
        params: InvoiceListParams = {
            "customer": customer,
            "created": {"gte": int(since.timestamp())},
            "limit": PAGE,
        }
        ours = (document.tenant, document.invoice_id)
        every = self._every(lambda: self._v1.invoices.list(params), MAX_INVOICES_SEARCHED)
        return [_invoice(each) for each in every if _owner(each) == ours]

    def create_draft(self, document: InvoiceDocument, customer: str, *, gen: int) -> GatewayInvoice:
        params: InvoiceCreateParams = {
            "customer": customer,
            "currency": document.currency.lower(),
            "collection_method": document.collection_method,
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "automatic_tax": {"enabled": document.automatic_tax},
            # Not inherited from the customer: the amounts are finished.
            "discounts": "",
            "custom_fields": [{"name": "Reference", "value": document.number[:MAX_REFERENCE_CHARACTERS]}],
            "metadata": {
                "tenant": document.tenant,
                "invoice_id": document.invoice_id,
                "run_id": document.run_id,
                "payload_sha": document.sha256(),
            },
        }
        if document.days_until_due is not None:
            params["days_until_due"] = document.days_until_due
        options = _once(keys.create_key(document, gen))
        return _invoice(self._call(lambda: self._v1.invoices.create(params, options)))

    def add_lines(self, document: InvoiceDocument, ref: str, lines: Sequence[DocumentLine], *, gen: int) -> None:
        params: InvoiceAddLinesParams = {
            "lines": [
                {
                    "amount": to_stripe(line.amount_minor, document.currency),
                    "description": line.description,
                    "period": {
                        "start": int(line.period_start.timestamp()),
                        "end": int(line.period_end.timestamp()),
                    },
                    "metadata": {"line_id": line.line_id},
                }
                for line in lines
            ]
        }
        options = _once(keys.lines_key(document, ref, lines, gen))
        self._call(lambda: self._v1.invoices.add_lines(ref, params, options))

    def delete_draft(self, ref: str) -> None:
        self._call(lambda: self._v1.invoices.delete(ref))

    def finalize(self, document: InvoiceDocument, ref: str, *, gen: int) -> GatewayInvoice:
        # Stripe collects from here on; paying explicitly as well would race with it.
        params: InvoiceFinalizeInvoiceParams = {"auto_advance": True}
        options = _once(keys.finalize_key(document, ref, gen))
        return _invoice(self._call(lambda: self._v1.invoices.finalize_invoice(ref, params, options)))

    def invoice(self, ref: str) -> GatewayInvoice | None:
        params: InvoiceRetrieveParams = {"expand": ["payments"]}
        try:
            found = self._call(lambda: self._v1.invoices.retrieve(ref, params))
        except GatewayRefused as refused:
            if is_missing(refused):
                return None
            raise
        if getattr(found, "deleted", False):
            return None
        invoice = _invoice(found)
        return replace(invoice, returned_minor=self._returned(found)) if found.status == "paid" else invoice

    def _returned(self, found: stripe.Invoice) -> int:
        """Credit notes and refunds; a note that was refunded counts once."""
        noted, refunded = found.pre_payment_credit_notes_amount + found.post_payment_credit_notes_amount, 0
        if found.post_payment_credit_notes_amount:
            of_invoice: CreditNoteListParams = {"invoice": found.id, "limit": PAGE}
            notes = self._every(lambda: self._v1.credit_notes.list(of_invoice), MAX_RETURNS)
            refunded -= sum(each.amount_refunded for note in notes for each in note.refunds or ())
        if (payments := found.payments) is not None:
            for payment in self._every(lambda: payments, MAX_RETURNS):
                refunded += self._refunded(payment.payment.payment_intent)
        return from_stripe(noted + max(refunded, 0), found.currency.upper())

    def _refunded(self, intent: object) -> int:
        if not isinstance(intent, str):
            return 0
        params: RefundListParams = {"payment_intent": intent, "limit": PAGE}
        made = self._every(lambda: self._v1.refunds.list(params), MAX_RETURNS)
        return sum(each.amount for each in made if each.status not in _NO_REFUND)

    def _every(self, first: "Callable[[], stripe.ListObject[Listed]]", most: int) -> "list[Listed]":
        """All pages, asked for with the first."""
        return self._call(lambda: list(_bounded(first().auto_paging_iter(), most)))

    def invoice_paid_by(self, payment: str) -> GatewayInvoice | None:
        params: InvoicePaymentListParams = {
            "payment": {"type": "payment_intent", "payment_intent": payment},
            "limit": 1,
        }
        found = self._call(lambda: self._v1.invoice_payments.list(params))
        ref = found.data[0].invoice if found.data else None
        return self.invoice(ref) if isinstance(ref, str) else None

    def lines(self, ref: str, currency: str) -> Sequence[GatewayLine]:
        return [
            GatewayLine(_metadata(line).get("line_id"), from_stripe(line.amount, currency))
            for line in self._every(lambda: self._v1.invoices.line_items.list(ref, {"limit": PAGE}), MAX_LINES)
        ]


def _invoice(found: stripe.Invoice) -> GatewayInvoice:
    currency, metadata = found.currency.upper(), _metadata(found)
    return GatewayInvoice(
        ref=found.id,
        status=GatewayStatus(found.status or "draft"),
        tenant=metadata.get("tenant"),
        invoice_id=metadata.get("invoice_id"),
        payload_sha=metadata.get("payload_sha"),
        currency=currency,
        subtotal_minor=from_stripe(found.subtotal, currency),
        total_minor=from_stripe(found.total, currency),
        amount_due_minor=from_stripe(found.amount_due, currency),
        amount_paid_minor=from_stripe(found.amount_paid, currency),
        number=found.number,
        hosted_invoice_url=getattr(found, "hosted_invoice_url", None),
        invoice_pdf=getattr(found, "invoice_pdf", None),
        due_at=datetime.fromtimestamp(found.due_date, UTC) if found.due_date is not None else None,
    )


def _owner(found: stripe.Invoice) -> tuple[str | None, str | None]:
    metadata = _metadata(found)
    return metadata.get("tenant"), metadata.get("invoice_id")


def _metadata(found: stripe.Invoice | stripe.InvoiceLineItem) -> dict[str, str]:
    return found.metadata.to_dict() if found.metadata is not None else {}


def _once(key: str) -> stripe.RequestOptions:
    return {"idempotency_key": key}


def _bounded(items: Iterable[Item], most: int) -> Iterable[Item]:
    found = list(islice(items, most + 1))
    if len(found) > most:
        raise GatewayRefused(f"Stripe lists more than {most} objects here.", code="too_many_objects")
    return found
