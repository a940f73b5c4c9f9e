"""How a gateway reaches a customer: what it prints on the next invoice and where it sends it."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256

from functions.domain.billing.document import MAX_ID_CHARACTERS, InvoiceDocument, deliverable, printable

MAX_ADDRESS_CHARACTERS = 256


@dataclass(frozen=True)
class PostalAddress:
    """Empty is absent."""

    country: str = ""
    postal_code: str = ""
    state: str = ""
    city: str = ""
    line1: str = ""
    line2: str = ""


@dataclass(frozen=True)
class Contact:
    name: str
    email: str | None = None
    address: PostalAddress | None = None

    @classmethod
    def of(cls, document: InvoiceDocument) -> "Contact":
        """As it was when the invoice was issued, which knows no address."""
        return cls(document.customer_name, document.customer_email)

    @classmethod
    def made(cls, *, id: str, name: str, email: str | None, address: PostalAddress | None) -> "Contact":
        """Of what a gateway takes; the rest would have it refuse the whole."""
        if address is not None:
            fields = {field: printable(text, MAX_ADDRESS_CHARACTERS) for field, text in asdict(address).items()}
            address = PostalAddress(**fields) if any(fields.values()) else None
        return cls(printable(name, MAX_ID_CHARACTERS) or id, deliverable(email), address)

    def sha256(self) -> str:
        """By which a later one is told from the one that was sent."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return sha256(text.encode()).hexdigest()
