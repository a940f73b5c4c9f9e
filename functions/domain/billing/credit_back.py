"""What of a fee can be credited back: never more than was paid for its line and not returned since."""

from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.line import InvoiceDiscount, InvoiceLine
from functions.domain.billing.push import PaymentStatus
from functions.domain.money import Money
from functions.domain.subscriptions.item import AdvanceFee


def left_of(record: InvoiceRecord, fee: AdvanceFee) -> int | None:
    """Minor units of the fee that can still be credited back; None while nobody knows whether it will be paid.

    An invoice that is written off may still be paid. What the gateway returned of an invoice was returned of all its
    lines alike.
    """
    if record.payment.status is PaymentStatus.VOID:
        return 0
    if record.payment.status is not PaymentStatus.PAID:
        return None
    return max(fee.amount_minor - _returned(record, fee) - fee.given_back_minor, 0)


def advance_of(line: InvoiceLine, invoice_id: str) -> AdvanceFee | None:
    """What its item remembers of a line that charges for time to come; None of any other."""
    if line.total_minor <= 0 or line.period_end <= line.invoice_at:
        return None
    return AdvanceFee(
        invoice_id=invoice_id,
        line_id=line.id,
        starts_at=line.period_start,
        ends_at=line.period_end,
        amount_minor=line.total_minor,
    )


def _returned(record: InvoiceRecord, fee: AdvanceFee) -> int:
    charged = [line for line in record.invoice.lines if line.total_minor > 0]
    returned = min(record.payment.returned_minor, sum(line.total_minor for line in charged))
    if not returned:
        return 0
    shares = Money(returned, record.invoice.currency).allocate([line.total_minor for line in charged])
    return next((share.minor for line, share in zip(charged, shares, strict=True) if line.id == fee.line_id), 0)


def at_most(line: InvoiceLine, most: int) -> InvoiceLine | None:
    """The line that gives no more back than that; None when that is nothing."""
    beyond = -line.total_minor - most
    if beyond <= 0:
        return line
    if not most:
        return None
    less = InvoiceDiscount(reason="not_received", amount_minor=-beyond)
    return line.model_copy(update={"discounts": (*line.discounts, less), "total_minor": -most})
