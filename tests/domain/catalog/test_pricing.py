from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from functions.domain.catalog.pricing import AnyPrice, FlatPrice, UnitPrice

PRICE: TypeAdapter[FlatPrice | UnitPrice] = TypeAdapter(AnyPrice)
HUGE = "9" * 38


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        ({"type": "unit", "amount": "0.5"}, "0", []),
        ({"type": "unit", "amount": "0.5"}, "1", [("unit-price-usage", "1", "0.5")]),
        ({"type": "unit", "amount": "0.0000025"}, "1234567", [("unit-price-usage", "1234567", "3.0864175")]),
        ({"type": "unit", "amount": "0.5"}, "0.001", [("unit-price-usage", "0.001", "0.0005")]),
        ({"type": "unit", "amount": "0"}, "7", [("unit-price-usage", "7", "0")]),
        (
            {"type": "unit", "amount": "0.000000000000000001"},
            HUGE,
            [("unit-price-usage", HUGE, "99999999999999999999.999999999999999999")],
        ),
        ({"type": "flat", "amount": "99.99"}, "0", [("flat-price", "1", "99.99")]),
        ({"type": "flat", "amount": "99.99", "paymentTerm": "in_arrears"}, "5", [("flat-price", "1", "99.99")]),
    ],
)
def test_a_quantity_becomes_exact_charges(price: dict[str, Any], quantity: str, expected: list[tuple[str, str, str]]):
    charges = PRICE.validate_python(price).charges(Decimal(quantity))

    assert [(each.reference, each.quantity, each.amount) for each in charges] == [
        (reference, Decimal(count), Decimal(amount)) for reference, count, amount in expected
    ]


@pytest.mark.parametrize(
    ("price", "named"),
    [
        ({"type": "tiered", "mode": "volume", "tiers": []}, "'flat', 'unit'"),
        ({"type": "package", "amount": "1", "quantityPerPackage": "10"}, "'flat', 'unit'"),
        ({"type": "dynamic"}, "'flat', 'unit'"),
        ({"type": "unit", "amount": "1", "minimumAmount": "5"}, "is not supported yet"),
        ({"type": "unit", "amount": "1", "maximumAmount": "5"}, "is not supported yet"),
        ({"type": "unit", "amount": "-1"}, "greater than or equal to 0"),
        ({"type": "unit", "amount": "1e3"}, "must be a decimal in a string"),
        ({"type": "unit", "amount": 0.1}, "must be a decimal in a string"),
        ({"type": "unit", "amount": "NaN"}, "must be a decimal in a string"),
        ({"type": "unit", "amount": "1" * 19}, "18 digits"),
        ({"type": "unit", "amount": "0." + "1" * 19}, "18 digits"),
        ({"type": "flat", "amount": "1", "paymentTerm": "later"}, "in_advance"),
        ({"type": "unit", "amount": "1", "surprise": 1}, "Extra inputs"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused_with_what_would_be_right(price: dict[str, Any], named: str):
    with pytest.raises(ValidationError, match=named):
        PRICE.validate_python(price)


def test_a_price_goes_over_the_wire_and_back_without_losing_a_digit():
    wire = {"type": "unit", "amount": "0.000000250000000001"}

    assert PRICE.dump_python(PRICE.validate_python(wire), mode="json", by_alias=True) == wire


@given(st.decimals(0, 10**12, places=9), st.decimals(0, 10**12, places=9), st.decimals(0, 1000, places=12))
def test_more_usage_never_costs_less(one: Decimal, other: Decimal, amount: Decimal):
    price = UnitPrice(type="unit", amount=amount)
    low, high = sorted((one, other))

    assert sum(each.amount for each in price.charges(low)) <= sum(each.amount for each in price.charges(high))
