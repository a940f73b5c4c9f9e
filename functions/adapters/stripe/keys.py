"""Every idempotency key we give Stripe: the same work has the same key, a new generation another one."""

from collections.abc import Sequence
from hashlib import sha256

from functions.domain.billing.contact import Contact
from functions.domain.billing.document import DocumentLine, InvoiceDocument

# Stripe refuses longer ones.
MAX_KEY_CHARACTERS = 255


def customer_key(document: InvoiceDocument, gen: int, replaced: int = 0) -> str:
    # Name and e-mail may differ between two invoices of one customer; the same key with other words would be refused.
    words = _digest(document.customer_name, document.customer_email or "")
    after = [f"r{replaced}"] if replaced else []
    return _key(document.tenant, "cust", document.customer_id, document.currency, words, *after, f"g{gen}")


def contact_key(document: InvoiceDocument, customer: str, contact: Contact, version: int, gen: int) -> str:
    """With the version: who went back to what they had before must not be answered by the first time."""
    return _key(document.tenant, "contact", customer, contact.sha256(), f"v{version}", f"g{gen}")


def create_key(document: InvoiceDocument, gen: int) -> str:
    return _key(document.tenant, document.invoice_id, "create", f"g{gen}")


def lines_key(document: InvoiceDocument, ref: str, lines: Sequence[DocumentLine], gen: int) -> str:
    chunk = _digest(ref, *(line.line_id for line in lines))
    return _key(document.tenant, document.invoice_id, "lines", chunk, f"g{gen}")


def finalize_key(document: InvoiceDocument, ref: str, gen: int) -> str:
    return _key(document.tenant, document.invoice_id, "finalize", ref, f"g{gen}")


def _key(*parts: str) -> str:
    key = ":".join(("bill", *parts))
    return key if len(key) <= MAX_KEY_CHARACTERS else f"bill:{_digest(*parts)}"


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()
