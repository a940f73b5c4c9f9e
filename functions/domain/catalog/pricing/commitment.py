"""Commitments: the least and the most a price can come to in one period, independent of usage."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.price import Amount, Price
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.wire import WireModel


def _is_absent(value: object) -> bool:
    return value is None


Commitment = Annotated[Amount | None, Field(exclude_if=_is_absent)]


class SpendCommitment(WireModel):
    """The least and the most that all usage of a subscription comes to in a billing period, beside what prices say."""

    minimum_amount: Commitment = None
    maximum_amount: Commitment = None

    @model_validator(mode="after")
    def _minimum_is_within_the_maximum(self) -> Self:
        _require_order(self.minimum_amount, self.maximum_amount)
        return self


class CommittedPrice(Price):
    """Both commitments are amounts of a whole period in major units; part of a period has its part, as of a fee."""

    minimum_amount: Commitment = None
    maximum_amount: Commitment = None

    @model_validator(mode="after")
    def _minimum_is_within_the_maximum(self) -> Self:
        _require_order(self.minimum_amount, self.maximum_amount)
        return self


def _require_order(least: Decimal | None, most: Decimal | None) -> None:
    if least is not None and most is not None and least > most:
        message = f"must be at least the minimumAmount {least:f}"
        refuse([wrong("maximumAmount", code="maximum_below_minimum", message=message, value=most)])
