from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.domain.catalog.coupon import Coupon
from functions.domain.invoicing.coupons import redeem
from functions.domain.invoicing.line import InvoiceLine, explained, line_from
from functions.domain.invoicing.rating import rate
from tests.domain.builders import at, flat, phase, plan, subscription

MAY = at("2026-05-01")


def lines(*amounts: str) -> list[InvoiceLine]:
    cards = [flat(amount, key=f"fee_{i}", term="in_arrears") for i, amount in enumerate(amounts)]
    of = subscription(plan(phase(*cards)), "2026-04-01")
    return [line_from(rate(each, None, "USD", prorate=True), of.id, None) for each in of.services_due_at(MAY)]


def coupon(off: str, **changed: Any) -> Coupon:
    """From words: 25 % or 5 USD."""
    number, unit = off.split()
    amount = {"type": "amount", "amount": number, "currency": unit}
    percentage = {"type": "percentage", "percentage": number}
    return Coupon.model_validate(
        {"key": "welcome", "name": "Welcome", "off": percentage if unit == "%" else amount} | changed
    )


def totals(of: list[InvoiceLine], *coupons: Coupon) -> list[int]:
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
        ([coupon("50 %", subscriptionId="another")], [1000, 2000]),
    ],
)
def test_coupons_are_taken_off_in_order_and_never_more_than_is_owed(coupons: list[Coupon], expected: list[int]):
    assert totals(lines("10", "20"), *coupons) == expected


@pytest.mark.parametrize(
    ("changed", "is_good"),
    [
        ({"until": "2026-05-01T00:00:01Z"}, True),
        ({"until": "2026-05-01T00:00:00Z"}, False),
        ({"times": 1}, True),
        ({"times": 1, "redeemed": 1}, False),
        ({"times": 2, "redeemed": 1}, True),
        ({"redeemed": 99}, True),
    ],
)
def test_a_coupon_ends_after_so_many_times_or_on_a_day(changed: dict[str, Any], is_good: bool):
    assert totals(lines("10"), coupon("25 %", **changed)) == [750 if is_good else 1000]


def test_only_a_coupon_that_took_something_off_is_used_up():
    good, late, idle = coupon("100 %"), coupon("5 USD"), coupon("1 %", subscriptionId="another")

    after = redeem(lines("10"), [good, late, idle], "USD", MAY)[1]

    assert [each.redeemed for each in after] == [1, 0, 0]


def test_a_line_says_which_coupon_took_off_how_much():
    line = redeem(lines("10"), [coupon("25 %")], "USD", MAY)[0][0]

    assert [(each.reason, each.coupon_key, each.amount_minor, each.percentage) for each in line.discounts] == [
        ("coupon", "welcome", 250, Decimal(25))
    ]
    assert sum(each.amount_minor for each in line.charges) - line.discounts_minor == line.total_minor
    assert explained(line, "USD") == "Fee_0: 1 x 10.00 USD; less coupon"


@pytest.mark.parametrize("off", ["0 %", "101 %", "0 USD", "-1 USD"])
def test_a_coupon_takes_off_something_and_not_more_than_everything(off: str):
    with pytest.raises(ValidationError):
        coupon(off)


def test_a_coupon_ends_in_one_way():
    with pytest.raises(ValidationError, match="left out beside times"):
        coupon("1 %", times=1, until="2026-05-01T00:00:00Z")


@given(st.lists(st.decimals(0, 10**6, places=2), min_size=1, max_size=8), st.decimals("0.01", 10**6, places=2))
def test_a_coupon_takes_off_exactly_its_amount_or_everything(amounts: list[Decimal], off: Decimal):
    before = lines(*[f"{amount:f}" for amount in amounts])
    after = redeem(before, [coupon(f"{off:f} USD")], "USD", MAY)[0]

    owed = sum(line.total_minor for line in before)
    assert owed - sum(line.total_minor for line in after) == min(int(off * 100), owed)
    assert all(line.total_minor >= 0 for line in after)
