"""A rate card: one fee, or one feature with its price and entitlement; the models are also its shapes in the API."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from functions.domain.catalog.entitlement_template import EntitlementTemplate
from functions.domain.catalog.pricing import AnyPrice, FlatPrice
from functions.domain.catalog.tax import TaxConfig
from functions.domain.wire import Description, Duration, Key, Metadata, Name, NotYet, WireModel


class _RateCard(WireModel):
    key: Key
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    feature_key: Key | None = None
    entitlement_template: EntitlementTemplate | None = None
    tax_config: TaxConfig | None = None
    discounts: NotYet = None


class FlatFeeCard(_RateCard):
    """A recurring fee, or a one-time fee when the cadence is null."""

    type: Literal["flat_fee"]
    billing_cadence: Duration | None
    price: FlatPrice | None

    @property
    def is_metered(self) -> bool:
        return False


class UsageBasedCard(_RateCard):
    """A price on what a feature's meter measured in each period of its cadence."""

    type: Literal["usage_based"]
    billing_cadence: Duration
    price: AnyPrice | None

    @property
    def is_metered(self) -> bool:
        return self.price is not None and not self.price.is_flat


RateCard = Annotated[FlatFeeCard | UsageBasedCard, Field(discriminator="type")]


def card_to_wire(card: FlatFeeCard | UsageBasedCard) -> dict[str, Any]:
    """The public shape: absent optionals are left out, cadence and price stay though they are null.

    Prices are strings; the few fields the API calls numbers are exact Decimals, which the encoder writes as numbers.
    """
    wire: dict[str, Any] = json.loads(card.model_dump_json(by_alias=True))
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
