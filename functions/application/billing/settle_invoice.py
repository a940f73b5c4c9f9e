"""Take a gateway's message as a hint, read the invoice's real state there, and write it on ours."""

from dataclasses import replace
from enum import StrEnum

from functions.application.billing.push_invoice import payment_update
from functions.application.ports.clock import Clock
from functions.application.ports.gateway import (
    Gateway,
    GatewayEvent,
    GatewayStatus,
    InvoicePayments,
    PushStore,
)

# Made by hand at the gateway they carry nothing of ours: the invoice does.
_MONEY_BACK = ("credit_note.", "refund.", "charge.refund")


class Settled(StrEnum):
    RECORDED = "recorded"
    UNCHANGED = "unchanged"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"


def settle_invoice(
    event: GatewayEvent, *, gateway: Gateway, pushes: PushStore, payments: InvoicePayments, clock: Clock
) -> Settled:
    """Messages come twice, late and in any order, so only what the gateway answers now is written.

    Raises Unavailable or GatewayUnauthorized when it cannot tell; the sender then repeats the message.
    """
    event = _resolved(event, gateway)
    if event.tenant is None or event.invoice_id is None or event.gateway_invoice is None:
        return Settled.IGNORED
    if pushes.is_settled(event.tenant, event.event_id):
        return Settled.DUPLICATE
    record = pushes.record(event.tenant, event.invoice_id)
    if record is None or record.gateway_invoice not in (None, event.gateway_invoice):
        # Another deployment shares the gateway's account, or somebody copied our metadata.
        return Settled.IGNORED
    invoice = gateway.invoice(event.gateway_invoice)
    settled = Settled.UNCHANGED
    if (
        invoice is not None
        and invoice.status is not GatewayStatus.DRAFT
        and (invoice.tenant, invoice.invoice_id) == (event.tenant, event.invoice_id)
    ):
        update = payment_update(invoice, clock.now())
        if payments.record_payment(event.tenant, event.invoice_id, update):
            settled = Settled.RECORDED
    # Last, so that a crash before this line repeats the (idempotent) write instead of losing it.
    pushes.mark_settled(event.tenant, event.event_id, now=clock.now())
    return settled


def _resolved(event: GatewayEvent, gateway: Gateway) -> GatewayEvent:
    if event.invoice_id is not None or not event.type.startswith(_MONEY_BACK):
        return event
    invoice = None
    if event.gateway_invoice is not None:
        invoice = gateway.invoice(event.gateway_invoice)
    elif event.payment is not None:
        invoice = gateway.invoice_paid_by(event.payment)
    if invoice is None:
        return event
    return replace(event, tenant=invoice.tenant, invoice_id=invoice.invoice_id, gateway_invoice=invoice.ref)
