"""Graduated price: each tier prices the part of the quantity that lies in it, and its flat price once it is entered."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import ZERO, Charge, LineUsage, Needs, lump
from functions.domain.catalog.pricing.problems import refuse
from functions.domain.catalog.pricing.prorated import OF_LEVELS, Prorated, averaged, levels_of
from functions.domain.catalog.pricing.tiers import FLAT, MAX_TIERS, Tier, component_problems, tier_problems, touched


class GraduatedPrice(CommittedPrice):
    """Prorated, each unit of a level costs the price of its tier for its share of the period; a flat price is whole."""

    title: ClassVar[str] = "Graduated tiers"
    type: Literal["tiered"]
    mode: Literal["graduated"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=MAX_TIERS)]
    prorated: Prorated = False

    @model_validator(mode="after")
    def _tiers_climb(self) -> Self:
        refuse(tier_problems(self.tiers) + component_problems(self.tiers))
        return self

    def counted_in(self, reference: str, unit: str | None) -> str | None:
        return None if reference.endswith(FLAT) else unit

    @property
    def needs(self) -> Needs:
        return OF_LEVELS if self.prorated else super().needs

    def _charges(self, usage: LineUsage) -> list[Charge]:
        if self.prorated:
            return self._of_levels(usage)
        charges = []
        for i, quantity, is_entered in touched(self.tiers, usage):
            tier, name = self.tiers[i], f"graduated-tiered-{i + 1}"
            if tier.unit_price and quantity:
                unit = tier.unit_price.amount
                charges.append(Charge(f"{name}-price-usage", f"Usage in tier {i + 1}", quantity, unit, i + 1))
            if tier.flat_price and is_entered:
                charges.append(lump(f"{name}-flat-price", f"Tier {i + 1}", tier.flat_price.amount, i + 1))
        return charges

    def _of_levels(self, usage: LineUsage) -> list[Charge]:
        """A tier is entered when the level first rises above its beginning, the first one by the first line."""
        before, own = levels_of(usage)
        charges, begins = [], ZERO
        for i, tier in enumerate(self.tiers):
            name, ends = f"graduated-tiered-{i + 1}", tier.up_to_amount
            lasted = own.value_seconds(begins, ends)
            if tier.unit_price and lasted:
                earlier, unit = before.value_seconds(begins, ends), tier.unit_price.amount
                words = f"Average units in tier {i + 1}"
                charges.append(averaged(f"{name}-price-usage", words, earlier, lasted, unit, i + 1, usage.full_seconds))
            is_entered = usage.is_first if i == 0 else before.highest <= begins < own.highest
            if tier.flat_price and is_entered:
                charges.append(lump(f"{name}-flat-price", f"Tier {i + 1}", tier.flat_price.amount, i + 1))
            begins = ends or begins
        return charges
