"""Discounts of a rate card: the first units for nothing, and a percentage off every charge."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer

from functions.domain.catalog.pricing.price import Positive
from functions.domain.wire import Numeric, WireModel


def _from_number(value: Any) -> Any:
    """The API has percentages as JSON numbers; of so few digits a float says exactly which decimal was meant."""
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else value


Percentage = Annotated[
    Numeric,
    BeforeValidator(_from_number),
    Field(ge=0, le=100, decimal_places=6),
    PlainSerializer(float, return_type=float, when_used="json"),
]


class PercentageDiscount(WireModel):
    """Off every charge of the rate card, as it is rounded; 100 makes it free."""

    percentage: Percentage


class UsageDiscount(WireModel):
    """The first units of every period are not priced at all."""

    quantity: Positive


class Discounts(WireModel):
    percentage: PercentageDiscount | None = Field(default=None, exclude_if=lambda value: value is None)
    usage: UsageDiscount | None = Field(default=None, exclude_if=lambda value: value is None)
