"""Stripe's own currency table: how our ISO 4217 minor units become Stripe's integer amounts, and back."""

from functions.domain.errors import InvalidInput
from functions.domain.money import WHOLE_UNITS, minor_digits

# Source: docs.stripe.com/currencies (special cases).
# No decimals in ISO 4217; Stripe still wants two, and both must be 0.
TWO_DECIMAL_WHOLE_UNITS = frozenset({"ISK"})
# Stripe's digits are not ISO 4217's: MGA has two in ISO, none here.
ZERO_DECIMAL = WHOLE_UNITS - TWO_DECIMAL_WHOLE_UNITS
# Three decimals, the last of which must be 0.
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Stripe announced a change of its digits; refused until somebody has checked it against a live account.
REFUSED = frozenset({"UGX"})


def stripe_digits(currency: str) -> int:
    """Digits after the decimal point in Stripe's amounts; raises InvalidInput where Stripe's rule is not known."""
    digits = minor_digits(currency)
    if currency in ZERO_DECIMAL:
        return 0
    if currency in THREE_DECIMAL:
        return 3
    if currency in TWO_DECIMAL_WHOLE_UNITS:
        return 2
    if currency in REFUSED or digits != 2:
        raise InvalidInput(f"Invoices in {currency} cannot be sent to Stripe.", code="currency_not_supported")
    return 2


def to_stripe(minor: int, currency: str) -> int:
    """ISO minor units -> Stripe's amount; raises InvalidInput when Stripe cannot represent it exactly."""
    amount, rest = _shifted(minor, stripe_digits(currency) - minor_digits(currency))
    if rest:
        raise _not_representable(minor, currency, "it has no fractions there")
    if currency in THREE_DECIMAL and amount % 10:
        raise _not_representable(minor, currency, "the last of three digits must be 0")
    if currency in TWO_DECIMAL_WHOLE_UNITS and amount % 100:
        raise _not_representable(minor, currency, "only whole units are allowed")
    return amount


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's amount -> ISO minor units; raises InvalidInput for an amount our books cannot hold."""
    minor, rest = _shifted(amount, minor_digits(currency) - stripe_digits(currency))
    if rest:
        raise _not_representable(amount, currency, "it is finer than the currency's minor unit")
    return minor


def _shifted(amount: int, digits: int) -> tuple[int, int]:
    """The amount with `digits` more (or fewer) decimal digits, and what was lost."""
    factor: int = 10 ** abs(digits)
    return (amount * factor, 0) if digits >= 0 else divmod(amount, factor)


def _not_representable(amount: int, currency: str, why: str) -> InvalidInput:
    return InvalidInput(f"{amount} {currency} cannot be sent to Stripe: {why}.", code="amount_not_representable")
