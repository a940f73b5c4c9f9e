"""Money in integer minor units, the only rounding in the product, and splitting without loss."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, reduce

from functions.domain.errors import InvalidInput

# Wide enough for a quantity of 100 digits, as sums of usage can have, a conversion and a price of 36 each, exactly.
EXACT = Context(prec=192)


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    """Of any number of quantities; 0 of none."""
    return reduce(EXACT.add, amounts, Decimal(0))


# Twelve digits, the widest amount a provider documents; smaller limits per currency are the provider's to refuse.
MAX_AMOUNT_MINOR = 999_999_999_999

# Digits that can be collected, where ISO 4217 has more: the last of three must be 0, and nobody pays a fifth of an
# ariary. Source: docs.stripe.com/currencies (special cases).
_COLLECTED_DIGITS = {"BHD": 2, "JOD": 2, "KWD": 2, "MGA": 0, "OMR": 2, "TND": 2}
# Collected in whole units. UGX is not among them: how its amounts are said is announced to change.
WHOLE_UNITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)


@cache
def minor_digits(currency: str) -> int:
    """Digits after the decimal point of an ISO 4217 currency: USD 2, JPY 0, KWD 3.

    Raises InvalidInput for a code that is not a current ISO currency with minor units.
    """
    from iso4217 import Currency

    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    if digits is None:
        raise InvalidInput(f"{currency!r} is not an ISO 4217 currency code such as USD, EUR or JPY.")
    return int(digits)


def collected_digits(currency: str) -> int:
    """Digits after the decimal point of amounts that can be collected: KWD 2; raises InvalidInput as `minor_digits`."""
    return _COLLECTED_DIGITS.get(currency, minor_digits(currency))


def is_collectable(currency: str) -> bool:
    """Does any gateway know how its amounts are said? Not those of IQD, CLF or UYW."""
    return currency in WHOLE_UNITS or collected_digits(currency) == 2


def smallest(currency: str) -> "Money":
    """The smallest amount that can be collected."""
    return Money(_unit(currency), currency)


@dataclass(frozen=True, order=True)
class Money:
    """An amount in minor units (cents) of one currency; adding different currencies is a programming error."""

    minor: int
    currency: str

    @classmethod
    def zero(cls, currency: str) -> "Money":
        return cls(0, currency)

    @classmethod
    def rounded(cls, major: Decimal, currency: str) -> "Money":
        """The exact amount in major units, rounded half away from zero to what can be collected: KWD 1.235 to 1.24."""
        units = int(major.scaleb(collected_digits(currency), EXACT).to_integral_value(ROUND_HALF_UP))
        return cls(units * _unit(currency), currency)

    @property
    def major(self) -> Decimal:
        return Decimal(self.minor).scaleb(-minor_digits(self.currency), EXACT)

    def __add__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, (self, other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        assert self.currency == other.currency, (self, other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        return f"{self.major:f} {self.currency}"

    def allocate(self, weights: Sequence[int | Decimal]) -> list["Money"]:
        """Split by weights so that the parts add up exactly; the largest remainders get the odd units first."""
        assert weights and all(weight >= 0 for weight in weights) and any(weights), weights
        unit = _unit(self.currency)
        if self.minor % unit:  # as it was rounded once
            unit = 1
        whole, total = Decimal(self.minor // unit), reduce(EXACT.add, map(Decimal, weights))
        shares = [EXACT.divide(EXACT.multiply(whole, Decimal(weight)), total) for weight in weights]
        floors = [int(share.to_integral_value("ROUND_FLOOR")) for share in shares]
        odd = self.minor // unit - sum(floors)
        by_remainder = sorted(range(len(shares)), key=lambda i: (EXACT.subtract(floors[i], shares[i]), i))
        for i in by_remainder[:odd]:
            floors[i] += 1
        return [Money(units * unit, self.currency) for units in floors]


@cache
def _unit(currency: str) -> int:
    """The smallest amount that can be collected, in minor units."""
    unit: int = 10 ** (minor_digits(currency) - collected_digits(currency))
    return unit
