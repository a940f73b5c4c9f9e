"""The frozen invoice document: what a gateway is asked to collect, in finished integer amounts, and its fingerprint."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal, get_args

from functions.domain.errors import FieldError, InvalidInput
from functions.domain.money import MAX_AMOUNT_MINOR, minor_digits

CollectionMethod = Literal["send_invoice", "charge_automatically"]

# Payment providers cap the items of one invoice (Stripe: 250); longer invoices are grouped or split before this point.
MAX_LINES = 250
# Identifiers travel as provider metadata values (Stripe: 500 characters) and inside idempotency keys.
MAX_ID_CHARACTERS = 200
# Printed on the invoice; longer texts are cut by the code that builds the line, so that nothing is cut in silence here.
MAX_DESCRIPTION_CHARACTERS = 500
MAX_DAYS_UNTIL_DUE = 365


@dataclass(frozen=True)
class DocumentLine:
    """One rounded amount in minor units of the document's currency, for a half-open period in UTC."""

    line_id: str
    description: str
    amount_minor: int
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True)
class InvoiceDocument:
    """An issued invoice as it leaves the house; nothing after it recomputes an amount.

    Raises InvalidInput (code `invoice_document_invalid`) naming every field that is wrong. `run_id` is the run that
    issued the invoice, not the one that pushes it: pushing again must send the same bytes.
    """

    tenant: str
    invoice_id: str
    number: str
    run_id: str
    customer_id: str
    customer_name: str
    customer_email: str | None
    currency: str
    lines: tuple[DocumentLine, ...]
    total_minor: int
    collection_method: CollectionMethod
    days_until_due: int | None = None
    automatic_tax: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(self.lines))
        wrong = [*self._wrong_header(), *self._wrong_lines()]
        if wrong:
            what = "; ".join(f"{each.field}: {each.message}" for each in wrong[:5])
            raise InvalidInput(
                f"Invoice document {self.invoice_id!r} is not valid: {what}",
                code="invoice_document_invalid",
                fields=wrong,
            )

    def _wrong_header(self) -> list[FieldError]:
        wrong = [
            FieldError(field, "invalid_text", problem)
            for field in ("tenant", "invoice_id", "number", "run_id", "customer_id", "customer_name")
            if (problem := _wrong_text(getattr(self, field), MAX_ID_CHARACTERS))
        ]
        if self.customer_email is not None and (problem := _wrong_text(self.customer_email, MAX_ID_CHARACTERS)):
            wrong.append(FieldError("customer_email", "invalid_text", problem))
        if self.collection_method not in get_args(CollectionMethod):
            wrong.append(FieldError("collection_method", "unknown", "must be send_invoice or charge_automatically"))
        days = self.days_until_due
        if self.collection_method == "send_invoice":
            if not _is_int(days) or not 0 <= (days or 0) <= MAX_DAYS_UNTIL_DUE:
                wrong.append(FieldError("days_until_due", "required", f"must be 0 to {MAX_DAYS_UNTIL_DUE} days"))
        elif days is not None:
            wrong.append(FieldError("days_until_due", "unexpected", "only send_invoice has a due date"))
        try:
            minor_digits(self.currency)
        except InvalidInput as error:
            wrong.append(FieldError("currency", "unknown_currency", error.detail))
        return wrong

    def _wrong_lines(self) -> list[FieldError]:
        wrong = []
        if not 1 <= len(self.lines) <= MAX_LINES:
            wrong.append(FieldError("lines", "line_count", f"must be 1 to {MAX_LINES} lines, not {len(self.lines)}"))
        seen: set[str] = set()
        for i, line in enumerate(self.lines):
            if problem := _wrong_text(line.line_id, MAX_ID_CHARACTERS):
                wrong.append(FieldError(f"lines[{i}].line_id", "invalid_text", problem))
            if line.line_id in seen:
                wrong.append(FieldError(f"lines[{i}].line_id", "duplicate", f"{line.line_id!r} is used twice"))
            seen.add(line.line_id)
            if problem := _wrong_text(line.description, MAX_DESCRIPTION_CHARACTERS):
                wrong.append(FieldError(f"lines[{i}].description", "invalid_text", problem))
            if not _is_int(line.amount_minor) or abs(line.amount_minor) > MAX_AMOUNT_MINOR:
                wrong.append(FieldError(f"lines[{i}].amount_minor", "amount", "must be an integer of minor units"))
            wrong += _wrong_period(f"lines[{i}]", line)
        if wrong:
            return wrong
        total = sum(line.amount_minor for line in self.lines)
        if not _is_int(self.total_minor) or self.total_minor != total:
            wrong.append(FieldError("total_minor", "total", f"is {self.total_minor}, the lines add up to {total}"))
        return wrong

    def to_json(self) -> str:
        """The canonical encoding: sorted keys, no spaces, UTC instants; equal documents give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_instant)

    @classmethod
    def from_json(cls, text: str) -> "InvoiceDocument":
        values: dict[str, Any] = json.loads(text)
        lines = tuple(
            DocumentLine(
                **{
                    **line,
                    "period_start": datetime.fromisoformat(line["period_start"]),
                    "period_end": datetime.fromisoformat(line["period_end"]),
                }
            )
            for line in values.pop("lines")
        )
        return cls(**values, lines=lines)

    def sha256(self) -> str:
        """The fingerprint a push is bound to: a document that changed after its first push is refused."""
        return sha256(self.to_json().encode()).hexdigest()


def deliverable(email: str | None) -> str | None:
    """A gateway would refuse the whole invoice for an address it cannot take; it is sent without one instead."""
    return email if email and email == printable(email, MAX_ID_CHARACTERS) else None


def printable(text: str, longest: int) -> str:
    return "".join(character if ord(character) >= 32 else " " for character in text)[:longest].strip()


def _instant(value: object) -> str:
    assert isinstance(value, datetime), value
    return value.astimezone(UTC).isoformat()


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong_text(value: object, longest: int) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "must be a text that is not empty"
    if len(value) > longest:
        return f"has {len(value)} characters, at most {longest} are allowed"
    if any(ord(character) < 32 for character in value):
        return "must not contain control characters"
    return None


def _wrong_period(where: str, line: DocumentLine) -> list[FieldError]:
    if line.period_start.tzinfo is None or line.period_end.tzinfo is None:
        return [FieldError(f"{where}.period_start", "period", "both ends must name their time zone")]
    if line.period_start > line.period_end:
        return [FieldError(f"{where}.period_end", "period", "must not be before the start")]
    return []
