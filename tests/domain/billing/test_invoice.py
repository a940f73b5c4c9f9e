from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.billing.invoice import (
    BilledCustomer,
    Invoice,
    InvoiceRecord,
    InvoiceStatus,
    Payment,
    invoice_id,
    issued,
    number_prefix,
)
from functions.domain.billing.line import InvoiceLine, UsageSnapshot, line_from
from functions.domain.billing.push import PaymentStatus
from functions.domain.billing.rating import rate
from tests.domain.builders import at, flat, phase, plan, subscription, unit

NOW = at("2026-05-01T01:00:00")
ACME = BilledCustomer(id="01CUSTOMER0000000000000000", name="Acme Inc.", email="pay@acme.test", subject_keys=("a",))


def lines(quantity: str = "1234567", *cards: dict[str, Any], boundary: str = "2026-05-01") -> list[InvoiceLine]:
    of = subscription(plan(phase(*(cards or (flat("10"), unit("0.0000025"))))), "2026-04-01")
    made = []
    for billable in of.billables_due_at(at(boundary)):
        count = Decimal(quantity) if billable.item.card.is_metered else None
        usage = UsageSnapshot(
            meter="tokens_total", subjects=("a",), filters={}, quantity=Decimal(quantity), lanes={"0": 7}, taken_at=NOW
        )
        made.append(line_from(rate(billable, count, "USD", prorate=True), of.id, usage if count is not None else None))
    return made


def acme_invoice(*of: InvoiceLine, **changed: object) -> InvoiceRecord:
    record = issued(
        of or lines(),
        id=invoice_id("default", ACME.id, "USD", at("2026-05-01")),
        tenant="default",
        number="INV-ACME-1",
        run_id="run-1",
        customer=ACME,
        currency="USD",
        invoice_at=at("2026-05-01"),
        now=NOW,
    )
    return replace(record, invoice=record.invoice.model_copy(update=changed))


def test_lines_are_named_after_what_they_bill() -> None:
    assert [line.reference.split("/", 1)[1] for line in lines()] == [
        "main/fee/v[0]/period[1]",
        "main/tokens/v[0]/period[0]",
    ]
    assert [line.id for line in lines()] == [line.id for line in lines()]


def test_an_invoice_adds_up_its_lines_and_covers_their_periods() -> None:
    invoice = acme_invoice().invoice

    assert [line.total_minor for line in invoice.lines] == [1000, 309]
    assert invoice.total_minor == 1309
    assert (invoice.period_start, invoice.period_end) == (at("2026-04-01"), at("2026-06-01"))
    assert invoice.due_at == at("2026-05-31T01:00:00")


@given(st.lists(st.decimals(0, 10**9, places=6), min_size=1, max_size=20))
def test_totals_always_add_up(quantities: list[Decimal]) -> None:
    cards = [unit("0.0137", key=f"card_{n}") for n in range(len(quantities))]
    made = lines("1", *cards)
    of = subscription(plan(phase(*cards)), "2026-04-01")
    made = [
        line_from(rate(billable, quantity, "USD", prorate=True), of.id, None)
        for billable, quantity in zip(of.billables_due_at(at("2026-05-01")), quantities, strict=True)
    ]
    invoice = acme_invoice(*made).invoice

    assert invoice.total_minor == sum(charge.amount_minor for line in invoice.lines for charge in line.charges)
    assert invoice.document().total_minor == invoice.total_minor


def test_the_document_carries_finished_amounts_and_explains_each_of_them() -> None:
    document = acme_invoice().invoice.document()

    assert [(line.description, line.amount_minor) for line in document.lines] == [
        ("Fee: 1 x 10.00 USD", 1000),
        ("Tokens: 1,234,567 x 0.0000025 USD", 309),
    ]
    assert (document.total_minor, document.days_until_due, document.customer_email) == (1309, 30, "pay@acme.test")


def test_unused_meters_are_said_to_be_unused() -> None:
    assert acme_invoice(*lines("0")).invoice.document().lines[1].description == "Tokens: 0 used"


def test_more_lines_than_a_gateway_takes_are_grouped_by_item_and_add_up() -> None:
    one = lines("100", unit("0.01"))[0]
    many = [
        one.model_copy(update={"reference": f"sub/main/card_{n // 30}/v[0]/period[{n}]", "total_minor": n})
        for n in range(300)
    ]
    document = acme_invoice(*many).invoice.document()

    assert [line.line_id for line in document.lines] == [f"sub/main/card_{n}/v[0]/all" for n in range(10)]
    assert document.lines[0].description == "Tokens (30 periods)"
    assert document.total_minor == sum(range(300))


@pytest.mark.parametrize(
    ("phases", "keys", "items", "first"),
    [
        (1, 100, 3, "sub/phase_0/card_0/all"),
        (2, 150, 1, "sub/phase_0/all"),
        (251, 1, 2, "sub/all"),
    ],
)
def test_an_invoice_of_any_number_of_lines_can_be_collected(phases: int, keys: int, items: int, first: str) -> None:
    one = lines("100", unit("0.01"))[0]
    places = [(p, k, i) for p in range(phases) for k in range(keys) for i in range(items)]
    many = [
        one.model_copy(update={"reference": f"sub/phase_{p}/card_{k}/v[{i}]/period[0]", "name": f"Card {k}"})
        for p, k, i in places
    ]
    document = acme_invoice(*many).invoice.document()

    assert document.lines[0].line_id == first
    assert len({line.line_id for line in document.lines}) == len(document.lines) <= 250
    assert document.total_minor == len(many) * one.total_minor


def test_a_line_of_the_longest_keys_after_many_edits_can_be_collected() -> None:
    one = lines("100", unit("0.01"))[0]
    reference = f"{'0' * 26}/{'p' * 64}/{'k' * 64}/v[1000]/period[10000]/credit[20260501T000000Z]"
    document = acme_invoice(one.model_copy(update={"reference": reference})).invoice.document()

    assert [line.line_id for line in document.lines] == [one.id]


def test_lines_of_several_items_are_named_after_the_first_and_counted() -> None:
    one = lines("100", unit("0.01"))[0]
    many = [
        one.model_copy(update={"reference": f"sub/main/card_{n}/v[0]/period[0]", "name": f"Card {n}"})
        for n in range(300)
    ]
    (line,) = acme_invoice(*many).invoice.document().lines

    assert line.description == "Card 0 and 299 more (300 lines)"


def test_control_characters_and_long_names_never_reach_the_gateway() -> None:
    shouty = ACME.model_copy(update={"name": "A\x00\n" + "x" * 300})
    document = acme_invoice(customer=shouty).invoice.document()

    assert document.customer_name.startswith("A  xxx")
    assert len(document.customer_name) == 200


def test_an_address_no_gateway_would_take_is_left_out() -> None:
    for email in ("x" * 200 + "@acme.test", "pay\x01@acme.test"):
        customer = ACME.model_copy(update={"email": email})
        assert acme_invoice(customer=customer).invoice.document().customer_email is None


def test_an_invoice_survives_storage_byte_for_byte() -> None:
    invoice = acme_invoice().invoice
    again = Invoice.model_validate_json(invoice.model_dump_json())

    assert again == invoice
    assert again.document().sha256() == invoice.document().sha256()


@pytest.mark.parametrize(
    ("payment", "now", "status", "extended"),
    [
        (PaymentStatus.ISSUED, NOW, InvoiceStatus.ISSUED, "issued"),
        (PaymentStatus.PUSH_FAILED, NOW, InvoiceStatus.ISSUED, "issued.push_failed"),
        (PaymentStatus.OPEN, NOW, InvoiceStatus.PAYMENT_PROCESSING, "payment_processing.pending"),
        (PaymentStatus.OPEN, at("2026-05-31T01:00:00"), InvoiceStatus.OVERDUE, "overdue"),
        (PaymentStatus.PAID, at("2027-01-01"), InvoiceStatus.PAID, "paid"),
        (PaymentStatus.UNCOLLECTIBLE, at("2027-01-01"), InvoiceStatus.UNCOLLECTIBLE, "uncollectible"),
        (PaymentStatus.VOID, at("2027-01-01"), InvoiceStatus.VOIDED, "voided"),
    ],
)
def test_the_public_status_follows_from_payment_and_time(
    payment: PaymentStatus, now: datetime, status: InvoiceStatus, extended: str
) -> None:
    failure = "card_declined" if payment is PaymentStatus.PUSH_FAILED else None
    record = replace(acme_invoice(), payment=Payment(status=payment, updated_at=NOW, failure_code=failure))

    assert (record.status(now), record.extended_status(now)) == (status, extended)


def test_the_same_boundary_gives_the_same_invoice_id_and_another_tenant_another() -> None:
    same = [invoice_id("default", "c", "USD", at("2026-05-01")) for _ in range(2)]

    assert same[0] == same[1]
    assert len({same[0], invoice_id("other", "c", "USD", at("2026-05-01"))}) == 2
    assert invoice_id("default", "c", "USD", at("2026-05-01"), 1) != same[0]
    assert invoice_id("default", "c", "USD", at("2026-04-01")) < same[0]


@pytest.mark.parametrize(
    ("name", "prefix"), [("Acme Inc.", "ACME"), ("é7 b", "7B"), ("日本", "CUST"), ("x", "X"), ("a-b-c-d-e", "ABCD")]
)
def test_numbers_start_with_four_letters_of_the_customer(name: str, prefix: str) -> None:
    assert number_prefix(name) == prefix
