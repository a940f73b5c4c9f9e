"""Graduated percentage: each tier takes its own share of the part of the value that lies in it."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.percentage import Percent
from functions.domain.catalog.pricing.price import Charge, LineUsage, lump
from functions.domain.catalog.pricing.problems import refuse
from functions.domain.catalog.pricing.tiers import MAX_TIERS, TierFlat, UpTo, tier_problems, touched
from functions.domain.wire import WireModel


class PercentageTier(WireModel):
    """`rate` is in percent of the value in the tier; the flat price is owed once the tier is entered."""

    up_to_amount: UpTo = None
    rate: Percent
    flat_price: TierFlat | None = None


class GraduatedPercentagePrice(CommittedPrice):
    title: ClassVar[str] = "Graduated percentage of value"
    type: Literal["graduated_percentage"]
    tiers: Annotated[tuple[PercentageTier, ...], Field(min_length=1, max_length=MAX_TIERS)]

    @model_validator(mode="after")
    def _tiers_climb(self) -> Self:
        refuse(tier_problems(self.tiers))
        return self

    @property
    def is_share_of_value(self) -> bool:
        return True

    def _charges(self, usage: LineUsage) -> list[Charge]:
        charges = []
        for i, value, is_entered in touched(self.tiers, usage):
            tier, name = self.tiers[i], f"graduated-percentage-{i + 1}"
            if value:
                share = f"{tier.rate:f} % of value in tier {i + 1}"
                charges.append(Charge(f"{name}-usage", share, value, tier.rate / 100, i + 1))
            if tier.flat_price and is_entered:
                charges.append(lump(f"{name}-flat-price", f"Tier {i + 1}", tier.flat_price.amount, i + 1))
        return charges
