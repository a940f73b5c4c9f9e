"""An invoice document is right or it does not exist, and its fingerprint is its content."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from functions.domain.billing.document import MAX_LINES, DocumentLine, InvoiceDocument
from functions.domain.errors import InvalidInput

MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def line(line_id: str = "l1", amount: Any = 1234, **changes: Any) -> DocumentLine:
    return replace(DocumentLine(line_id, "1,234 x $0.01", amount, MAY, JUNE), **changes)


def document(**changes: Any) -> InvoiceDocument:
    lines = changes.get("lines", (line("l1", 1234), line("l2", -34)))
    values: dict[str, Any] = {
        "tenant": "default",
        "invoice_id": "01INVOICE",
        "number": "INV-1",
        "run_id": "run-1",
        "customer_id": "01CUSTOMER",
        "customer_name": "Acme",
        "customer_email": "pay@acme.example",
        "currency": "USD",
        "lines": lines,
        "total_minor": sum(each.amount_minor for each in lines),
        "collection_method": "send_invoice",
        "days_until_due": 30,
    }
    return InvoiceDocument(**{**values, **changes})


def test_json_and_back_is_the_same_document() -> None:
    assert InvoiceDocument.from_json(document().to_json()) == document()
    assert InvoiceDocument.from_json(document().to_json()).sha256() == document().sha256()


def test_the_fingerprint_ignores_how_an_instant_is_written_but_nothing_else() -> None:
    paris = timezone(timedelta(hours=2))
    same = document(lines=(line("l1", 1234, period_start=MAY.astimezone(paris)), line("l2", -34)))
    assert same.sha256() == document().sha256()
    others = [
        document(lines=(line("l1", 1235), line("l2", -35))),
        document(lines=(line("l2", -34), line("l1", 1234))),
        document(currency="EUR"),
        document(days_until_due=31),
        document(run_id="run-2"),
        document(customer_email=None),
        document(automatic_tax=True),
    ]
    assert len({document().sha256(), *(other.sha256() for other in others)}) == len(others) + 1


def test_the_encoding_has_no_float() -> None:
    assert json.loads(document().to_json(), parse_float=lambda text: pytest.fail(text))["total_minor"] == 1200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"total_minor": 1201}, "total_minor"),
        ({"total_minor": 1200.0}, "total_minor"),
        ({"lines": (line(amount=12.5),), "total_minor": 12}, "lines[0].amount_minor"),
        ({"lines": (line(amount=True),), "total_minor": 1}, "lines[0].amount_minor"),
        ({"lines": (line(), line())}, "lines[1].line_id"),
        ({"lines": ()}, "lines"),
        ({"lines": tuple(line(f"l{i}") for i in range(MAX_LINES + 1))}, "lines"),
        ({"lines": (line(description=" "),)}, "lines[0].description"),
        ({"lines": (line(description="x" * 501),)}, "lines[0].description"),
        ({"lines": (line(period_end=MAY - timedelta(1)),)}, "lines[0].period_end"),
        ({"lines": (line(period_start=MAY.replace(tzinfo=None)),)}, "lines[0].period_start"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"tenant": ""}, "tenant"),
        ({"invoice_id": "a\nb"}, "invoice_id"),
        ({"customer_name": ""}, "customer_name"),
        ({"customer_email": ""}, "customer_email"),
        ({"days_until_due": None}, "days_until_due"),
        ({"days_until_due": -1}, "days_until_due"),
        ({"collection_method": "charge_automatically"}, "days_until_due"),
        ({"collection_method": "cash"}, "collection_method"),
    ],
)
def test_a_wrong_document_cannot_be_built_and_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        document(**changes)
    assert refusal.value.code == "invoice_document_invalid"
    assert field in {each.field for each in refusal.value.fields}


def test_the_longest_invoice_is_allowed() -> None:
    assert document(lines=tuple(line(f"l{i}", 1) for i in range(MAX_LINES))).total_minor == MAX_LINES
