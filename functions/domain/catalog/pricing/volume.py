"""Volume price: the tier that the whole quantity of the period falls into prices all of it."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import Charge, LineUsage, lump
from functions.domain.catalog.pricing.refusal import refuse
from functions.domain.catalog.pricing.tiers import FLAT, MAX_TIERS, Tier, component_problems, tier_problems


class VolumePrice(CommittedPrice):
    """The tier is known when the period closes, so only its last line bills anything, and that line all of it."""

    title: ClassVar[str] = "Volume tiers"
    type: Literal["tiered"]
    mode: Literal["volume"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=MAX_TIERS)]

    @model_validator(mode="after")
    def _tiers_climb(self) -> Self:
        refuse(tier_problems(self.tiers) + component_problems(self.tiers))
        return self

    @property
    def is_splittable(self) -> bool:
        return False

    def counted_in(self, reference: str, unit: str | None) -> str | None:
        return None if reference.endswith(FLAT) else unit

    def _charges(self, usage: LineUsage) -> list[Charge]:
        if not usage.is_last:
            return []
        whole = usage.total
        bounds = (tier.up_to_amount for tier in self.tiers)
        i = next(i for i, bound in enumerate(bounds) if bound is None or whole <= bound)
        tier, charges = self.tiers[i], []
        if tier.flat_price:
            charges.append(lump("volume-flat-price", f"Tier {i + 1}", tier.flat_price.amount, i + 1))
        if tier.unit_price and whole:
            unit = tier.unit_price.amount
            charges.append(Charge("volume-tiered-price", f"Usage at tier {i + 1}", whole, unit, i + 1))
        return charges
