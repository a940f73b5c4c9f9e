"""Graduated price: each tier prices the part of the quantity that lies in it, and its flat price once it is entered."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import Charge, LineUsage, lump
from functions.domain.catalog.pricing.refusal import refuse
from functions.domain.catalog.pricing.tiers import FLAT, MAX_TIERS, Tier, component_problems, tier_problems, touched


class GraduatedPrice(CommittedPrice):
    title: ClassVar[str] = "Graduated tiers"
    type: Literal["tiered"]
    mode: Literal["graduated"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=MAX_TIERS)]

    @model_validator(mode="after")
    def _tiers_climb(self) -> Self:
        refuse(tier_problems(self.tiers) + component_problems(self.tiers))
        return self

    def counted_in(self, reference: str, unit: str | None) -> str | None:
        return None if reference.endswith(FLAT) else unit

    def _charges(self, usage: LineUsage) -> list[Charge]:
        charges = []
        for i, quantity, is_entered in touched(self.tiers, usage):
            tier, name = self.tiers[i], f"graduated-tiered-{i + 1}"
            if tier.unit_price and quantity:
                unit = tier.unit_price.amount
                charges.append(Charge(f"{name}-price-usage", f"Usage in tier {i + 1}", quantity, unit, i + 1))
            if tier.flat_price and is_entered:
                charges.append(lump(f"{name}-flat-price", f"Tier {i + 1}", tier.flat_price.amount, i + 1))
        return charges
