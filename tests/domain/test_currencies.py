"""The currencies are those that amounts can be in."""

import pytest

from functions.domain.currencies import SYMBOLS, known_currencies
from functions.domain.errors import InvalidInput
from functions.domain.money import is_collectable, minor_digits

BY_CODE = {each.code: each for each in known_currencies()}


@pytest.mark.parametrize(
    ("code", "name", "symbol", "subunits"),
    [("USD", "US Dollar", "$", 2), ("JPY", "Yen", "¥", 0), ("KWD", "Kuwaiti Dinar", "KWD", 3), ("EUR", "Euro", "€", 2)],
)
def test_a_currency_is_shown_as_people_write_it(code: str, name: str, symbol: str, subunits: int) -> None:
    found = BY_CODE[code]
    assert (found.name, found.symbol, found.subunits) == (name, symbol, subunits)


def test_each_is_one_that_amounts_can_be_in_and_comes_once_in_order() -> None:
    assert list(BY_CODE) == sorted({each.code for each in known_currencies()})
    assert len(known_currencies()) == len(BY_CODE) > 150
    assert all(each.subunits == minor_digits(code) for code, each in BY_CODE.items())
    assert all(each.is_collectable == is_collectable(code) for code, each in BY_CODE.items())


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "DEM", "usd"])
def test_what_no_amount_can_be_in_is_not_among_them(code: str) -> None:
    assert code not in BY_CODE
    with pytest.raises(InvalidInput):
        minor_digits(code)


def test_no_symbol_is_of_a_currency_that_is_gone() -> None:
    assert SYMBOLS.keys() <= BY_CODE.keys()


def test_some_cannot_be_collected() -> None:
    assert not BY_CODE["IQD"].is_collectable and BY_CODE["USD"].is_collectable
