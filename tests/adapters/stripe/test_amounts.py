"""Stripe's amounts follow Stripe's digits, not ISO's, and nothing is rounded on the way."""

from decimal import Decimal

import pytest
from iso4217 import Currency

from functions.adapters.stripe.amounts import from_stripe, to_stripe
from functions.domain.errors import InvalidInput
from functions.domain.money import Money, is_collectable


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (1234, "USD", 1234),
        (-1234, "EUR", -1234),
        (1234, "JPY", 1234),
        (12300, "MGA", 123),
        (-12300, "MGA", -123),
        (12340, "KWD", 12340),
        (12, "ISK", 1200),
        (-12, "ISK", -1200),
        (0, "BHD", 0),
    ],
)
def test_minor_units_become_stripe_amounts_and_back(minor: int, currency: str, amount: int) -> None:
    assert to_stripe(minor, currency) == amount
    assert from_stripe(amount, currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "code"),
    [
        (12345, "KWD", "amount_not_representable"),
        (12350, "MGA", "amount_not_representable"),
        (1, "UGX", "currency_not_supported"),
        (1000, "IQD", "currency_not_supported"),
        (1000, "CLF", "currency_not_supported"),
    ],
)
def test_what_stripe_cannot_represent_is_refused_not_rounded(minor: int, currency: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        to_stripe(minor, currency)
    assert refusal.value.code == code


def test_a_fraction_of_an_isk_from_stripe_is_refused() -> None:
    with pytest.raises(InvalidInput):
        from_stripe(1250, "ISK")


@pytest.mark.parametrize("currency", [each.code for each in Currency if each.exponent is not None])
def test_what_is_collectable_can_be_sent_to_the_gateway(currency: str) -> None:
    minors = [Money.rounded(Decimal(major), currency).minor for major in ("12345.678", "0.5", "-7.4949")]
    if is_collectable(currency):
        assert [from_stripe(to_stripe(minor, currency), currency) for minor in minors] == minors
    else:
        with pytest.raises(InvalidInput, match="cannot be sent"):
            to_stripe(minors[0], currency)
