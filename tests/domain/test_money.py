from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.errors import InvalidInput
from functions.domain.money import Money, minor_digits

WEIGHTS = st.lists(st.one_of(st.integers(0, 10**15), st.decimals(0, 10**12, places=9)), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("0.005", "USD", 1),
        ("-0.005", "USD", -1),
        ("0.0049999999999999999999999999999999999999", "USD", 0),
        ("2.5", "JPY", 3),
        ("-2.5", "JPY", -3),
        ("1.235", "KWD", 1240),
        ("1.2349", "KWD", 1230),
        ("-1.235", "BHD", -1240),
        ("0.004", "OMR", 0),
        ("5.124", "JOD", 5120),
        ("5.126", "TND", 5130),
        ("123.5", "MGA", 12400),
        ("99.49", "ISK", 99),
        ("9" * 38 + ".995", "USD", 10**40),
    ],
)
def test_money_is_rounded_half_away_from_zero_to_what_can_be_collected(amount: str, currency: str, minor: int) -> None:
    assert Money.rounded(Decimal(amount), currency) == Money(minor, currency)


@given(st.integers(0, 10**20), WEIGHTS.filter(any))
def test_an_allocation_adds_up_to_the_whole_and_gives_nothing_to_a_weight_of_nothing(
    minor: int, weights: list[int | Decimal]
) -> None:
    parts = [each.minor for each in Money(minor, "USD").allocate(weights)]

    assert sum(parts) == minor
    assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if not weight)
    assert all(part >= 0 for part in parts)


def test_what_does_not_divide_goes_to_the_largest_remainders() -> None:
    assert [each.minor for each in Money(100, "USD").allocate([1, 1, 1])] == [34, 33, 33]


@pytest.mark.parametrize(
    ("minor", "currency", "parts"),
    [
        (1000, "KWD", [340, 330, 330]),
        (10, "TND", [10, 0, 0]),
        (10_000, "MGA", [3400, 3300, 3300]),
        (1001, "KWD", [334, 334, 333]),  # as it was rounded once
    ],
)
def test_parts_can_be_collected_where_the_whole_can(minor: int, currency: str, parts: list[int]) -> None:
    assert [each.minor for each in Money(minor, currency).allocate([1, 1, 1])] == parts


def test_a_currency_without_minor_units_is_no_currency() -> None:
    with pytest.raises(InvalidInput, match="ISO 4217"):
        minor_digits("XAU")
