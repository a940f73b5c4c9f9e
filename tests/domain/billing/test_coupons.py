from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.domain.billing.coupons import redeem
from functions.domain.billing.line import InvoiceLine, explained, line_from
from functions.domain.billing.rating import rate
from functions.domain.catalog.coupon import AppliedCoupon
from tests.domain.builders import at, flat, phase, plan, subscription
from tests.domain.coupons import applied as coupon
from tests.domain.coupons import coupon_create

MAY = at("2026-05-01")


def lines(*amounts: str) -> list[InvoiceLine]:
    cards = [flat(amount, key=f"fee_{i}", term="in_arrears") for i, amount in enumerate(amounts)]
    of = subscription(plan(phase(*cards)), "2026-04-01")
    return [line_from(rate(each, None, "USD", prorate=True), of.id, None) for each in of.billables_due_at(MAY)]


def totals(of: list[InvoiceLine], *coupons: AppliedCoupon) -> list[int]:
    return [line.total_minor for line in redeem(of, coupons, "USD", MAY)[0]]


@pytest.mark.parametrize(
    ("coupons", "expected"),
    [
        ([coupon("25 %")], [750, 1500]),
        ([coupon("100 %")], [0, 0]),
        ([coupon("3 USD")], [900, 1800]),
        ([coupon("0.01 USD")], [1000, 1999]),
        ([coupon("30 USD")], [0, 0]),
        ([coupon("31 USD")], [0, 0]),
        ([coupon("3 EUR")], [1000, 2000]),
        ([coupon("50 %"), coupon("3 USD")], [400, 800]),
        ([coupon("3 USD"), coupon("50 %")], [450, 900]),
        ([coupon("100 %"), coupon("3 USD")], [0, 0]),
        ([coupon("50 %", subscription_id="another")], [1000, 2000]),
    ],
)
def test_coupons_are_deducted_in_order_and_never_more_than_is_owed(
    coupons: list[AppliedCoupon], expected: list[int]
) -> None:
    assert totals(lines("10", "20"), *coupons) == expected


@pytest.mark.parametrize(
    ("amounts", "off", "taken"),
    [
        (["0.04"] * 30, "10 %", 12),
        (["0.01"] * 30, "50 %", 15),
        (["0.01"] * 3, "33 %", 1),
        (["10.01"] * 10, "12.5 %", 1251),
        (["0.05", *["3.34"] * 30, "4.75"], "10 %", 1050),
        (["0.01", "99.99"], "99.99 %", 9999),
    ],
)
def test_a_percentage_is_rounded_once_however_many_lines_it_is_of(amounts: list[str], off: str, taken: int) -> None:
    of = lines(*amounts)
    before, after = [line.total_minor for line in of], totals(of, coupon(off))
    assert sum(before) - sum(after) == taken
    assert all(0 <= left <= whole for left, whole in zip(after, before, strict=True))
    shares = [Decimal(whole) * taken / sum(before) for whole in before]
    assert all(abs(whole - left - share) < 1 for left, whole, share in zip(after, before, shares, strict=True))


@pytest.mark.parametrize(
    ("duration", "invoice_count", "is_good"),
    [
        ("until 2026-05-01T00:00:01Z", 5, True),
        ("until 2026-05-01", 0, False),
        ("once", 0, True),
        ("once", 1, False),
        ("2 times", 1, True),
        ("2 times", 2, False),
        ("forever", 99, True),
    ],
)
def test_a_coupon_ends_after_so_many_invoices_or_on_a_day(duration: str, invoice_count: int, is_good: bool) -> None:
    assert totals(lines("10"), coupon("25 %", duration, invoice_count=invoice_count)) == [750 if is_good else 1000]


def test_only_a_coupon_that_took_something_off_is_used() -> None:
    good, late, idle = coupon("100 %"), coupon("5 USD"), coupon("1 %", subscription_id="another")

    assert redeem(lines("10"), [good, late, idle], "USD", MAY)[1] == [good]


def test_a_line_says_which_coupon_took_off_how_much() -> None:
    line = redeem(lines("10"), [coupon("25 %")], "USD", MAY)[0][0]

    assert [(each.reason, each.coupon_key, each.amount_minor, each.percentage) for each in line.discounts] == [
        ("coupon", "welcome", 250, Decimal(25))
    ]
    assert sum(each.amount_minor for each in line.charges) - line.discounts_minor == line.total_minor
    assert explained(line, "USD") == "Fee_0: 1 x 10.00 USD; less coupon welcome"


@pytest.mark.parametrize("off", ["0 %", "101 %", "0 USD", "-1 USD", "0.001 USD", "0.5 JPY", "1 XYZ"])
def test_a_coupon_deducts_something_that_can_be_paid_and_not_more_than_everything(off: str) -> None:
    with pytest.raises(ValidationError):
        coupon_create(off)


@given(st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=8), st.decimals("0.01", 10**6, places=2))
def test_a_coupon_deducts_exactly_its_amount_or_everything(amounts: list[Decimal], off: Decimal) -> None:
    before = lines(*[f"{amount:f}" for amount in amounts])
    after = redeem(before, [coupon(f"{off:f} USD")], "USD", MAY)[0]

    owed = sum(line.total_minor for line in before)
    assert owed - sum(line.total_minor for line in after) == min(int(off * 100), owed)
    assert all(line.total_minor >= 0 for line in after)
