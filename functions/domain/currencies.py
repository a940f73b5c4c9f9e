"""The currencies that amounts can be in, as people see them."""

from dataclasses import dataclass
from functools import cache

from functions.domain.money import is_collectable, minor_digits

# As Unicode's CLDR shows them to readers of English. Most currencies are shown by their code.
SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CNY": "CN¥",
    "EUR": "€",
    "GBP": "£",
    "HKD": "HK$",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NZD": "NZ$",
    "PHP": "₱",
    "TWD": "NT$",
    "USD": "$",
    "VND": "₫",
    "XAF": "FCFA",
    "XCD": "EC$",
    "XOF": "F\u202fCFA",
    "XPF": "CFPF",
}


@dataclass(frozen=True)
class KnownCurrency:
    """`subunits` are the digits after the decimal point."""

    code: str
    name: str
    symbol: str
    subunits: int
    is_collectable: bool


@cache
def known_currencies() -> tuple[KnownCurrency, ...]:
    """Every current ISO 4217 currency with minor units, by code."""
    from iso4217 import Currency

    return tuple(
        KnownCurrency(code, known.currency_name, SYMBOLS.get(code, code), minor_digits(code), is_collectable(code))
        for code, known in sorted((each.code, each) for each in Currency if each.exponent is not None)
    )
