"""Unit conversion: what was metered (bytes, tokens) becomes what is priced (GB, millions of tokens)."""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Annotated, Literal

from pydantic import Field

from functions.domain.catalog.pricing.price import Positive
from functions.domain.money import EXACT
from functions.domain.wire import MAX_FRACTION_DIGITS, WireModel

_ROUNDINGS = {"ceiling": ROUND_CEILING, "floor": ROUND_FLOOR, "half_up": ROUND_HALF_UP}


class UnitConversion(WireModel):
    """`precision` is the digits after the point that rounding keeps; without rounding all of them are kept.

    A quotient that has no end keeps as many digits as any amount of the API.
    """

    operation: Literal["multiply", "divide"]
    conversion_factor: Positive
    rounding: Literal["none", "ceiling", "floor", "half_up"] = "none"
    precision: Annotated[int, Field(ge=0, le=MAX_FRACTION_DIGITS)] = 0
    display_unit: Annotated[str | None, Field(max_length=64, exclude_if=lambda value: value is None)] = None

    def convert(self, quantity: Decimal) -> Decimal:
        with localcontext(EXACT):
            if self.operation == "multiply":
                converted = quantity * self.conversion_factor
            else:
                converted = quantity / self.conversion_factor
            if self.rounding != "none":
                return converted.quantize(Decimal(1).scaleb(-self.precision), _ROUNDINGS[self.rounding])
            return converted if self.operation == "multiply" else _ended(converted)


def _ended(quotient: Decimal) -> Decimal:
    kept = quotient.quantize(Decimal(1).scaleb(-MAX_FRACTION_DIGITS), ROUND_HALF_UP)
    return quotient if quotient == kept else kept
