"""Money as the API shows it."""

from functions.domain.money import Money
from functions.domain.wire import plain


def money_shown(minor: int, currency: str) -> str:
    """In major units: "12.34"."""
    return plain(Money(minor, currency).major)
