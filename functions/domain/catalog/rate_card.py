"""A rate card: one fee, or one feature with its price and entitlement; the models are also its shapes in the API."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import InitErrorDetails

from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.entitlement_template import EntitlementTemplate
from functions.domain.catalog.pricing import AnyPrice, FlatPrice, UnitConversion
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.catalog.tax import TaxConfig
from functions.domain.wire import Description, Duration, Key, Metadata, Name, WireModel


class _RateCard(WireModel):
    key: Key
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    feature_key: Key | None = None
    entitlement_template: EntitlementTemplate | None = None
    tax_config: TaxConfig | None = None
    discounts: Discounts | None = None

    @model_validator(mode="after")
    def _terms_fit_the_price(self) -> Self:
        refuse(_term_problems(self))  # type: ignore[arg-type]
        return self


class FlatFeeCard(_RateCard):
    """A recurring fee, or a one-time fee when the cadence is null."""

    type: Literal["flat_fee"]
    billing_cadence: Duration | None = None
    price: FlatPrice | None = None

    @property
    def is_metered(self) -> bool:
        return False


class UsageBasedCard(_RateCard):
    """A price on what a feature's meter measured in each period of its cadence."""

    type: Literal["usage_based"]
    billing_cadence: Duration
    price: AnyPrice | None = None
    unit_config: UnitConversion | None = None

    @property
    def is_metered(self) -> bool:
        return self.price is not None and not self.price.is_flat


Card = FlatFeeCard | UsageBasedCard
RateCard = Annotated[Card, Field(discriminator="type")]


def _term_problems(card: FlatFeeCard | UsageBasedCard) -> list[InitErrorDetails]:
    if card.discounts is not None and card.price is None:
        message = "must be left out of a free rate card"
        return [wrong("discounts", code="discount_without_price", message=message)]
    return term_problems(card.price, card.discounts, card.unit_config if isinstance(card, UsageBasedCard) else None)


def term_problems(
    price: AnyPrice | None, discounts: Discounts | None, unit_config: UnitConversion | None
) -> list[InitErrorDetails]:
    """Discounts and conversions that nothing says how to apply to the price."""
    problems = []
    if discounts is not None and discounts.usage is not None and price is not None and not price.takes_usage_discount:
        message = "must be left out: no units of this price are alike, so nothing says which are free"
        problems.append(wrong("discounts", "usage", code="usage_discount_not_supported", message=message))
    if unit_config is not None and (price is None or price.is_flat):
        message = "must be left out: this card prices no units"
        problems.append(wrong("unitConfig", code="unit_config_not_supported", message=message))
    return problems


def card_to_wire(card: FlatFeeCard | UsageBasedCard) -> dict[str, Any]:
    """The public shape: absent optionals are left out, cadence and price stay though they are null.

    Prices are strings; the few fields the API calls numbers are exact Decimals, which the encoder writes as numbers.
    """
    wire: dict[str, Any] = json.loads(card.model_dump_json(by_alias=True), parse_float=Decimal)
    template = wire.get("entitlementTemplate")
    if template is not None:
        template = without_nulls(template)
        if "issueAfterReset" in template:
            template["issueAfterReset"] = Decimal(template["issueAfterReset"])
    if wire.get("taxConfig") is not None:
        wire["taxConfig"] = without_nulls(wire["taxConfig"])
    shown = without_nulls(wire | {"entitlementTemplate": template})
    return shown | {"billingCadence": wire["billingCadence"], "price": wire["price"]}


def without_nulls(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if value is not None}
