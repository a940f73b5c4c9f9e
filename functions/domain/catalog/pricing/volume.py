"""Volume price: the tier that the whole quantity of the period falls into prices all of it."""

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import ZERO, Charge, LineUsage, Needs, lump
from functions.domain.catalog.pricing.problems import refuse
from functions.domain.catalog.pricing.prorated import OF_LEVELS, Prorated, averaged, levels_of
from functions.domain.catalog.pricing.tiers import FLAT, MAX_TIERS, Tier, component_problems, tier_problems


class VolumePrice(CommittedPrice):
    """The tier is known when the period closes, so only its last line bills anything, and that line all of it.

    Prorated, the units at the end of the period decide the tier, and their average over the period is charged.
    """

    title: ClassVar[str] = "Volume tiers"
    type: Literal["tiered"]
    mode: Literal["volume"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=MAX_TIERS)]
    prorated: Prorated = False

    @model_validator(mode="after")
    def _tiers_climb(self) -> Self:
        refuse(tier_problems(self.tiers) + component_problems(self.tiers))
        return self

    @property
    def is_splittable(self) -> bool:
        return False

    def counted_in(self, reference: str, unit: str | None) -> str | None:
        return None if reference.endswith(FLAT) else unit

    @property
    def needs(self) -> Needs:
        return OF_LEVELS if self.prorated else super().needs

    def _charges(self, usage: LineUsage) -> list[Charge]:
        if not usage.is_last:
            return []
        if self.prorated:
            return self._of_levels(usage)
        i, charges = self._tier_of(usage.total)
        if (price := self.tiers[i].unit_price) and usage.total:
            name = f"Usage at tier {i + 1}"
            charges.append(Charge("volume-tiered-price", name, usage.total, price.amount, i + 1))
        return charges

    def _of_levels(self, usage: LineUsage) -> list[Charge]:
        before, own = levels_of(usage)
        whole = before.then(own)
        i, charges = self._tier_of(whole.last)
        if (price := self.tiers[i].unit_price) and (lasted := whole.value_seconds()):
            name, full = f"Average units at tier {i + 1}", usage.full_seconds
            charges.append(averaged("volume-tiered-price", name, ZERO, lasted, price.amount, i + 1, full))
        return charges

    def _tier_of(self, units: Decimal) -> tuple[int, list[Charge]]:
        """The index of the tier that so many units fall into, and its flat price."""
        bounds = (tier.up_to_amount for tier in self.tiers)
        i = next(i for i, bound in enumerate(bounds) if bound is None or units <= bound)
        flat = self.tiers[i].flat_price
        return i, [lump("volume-flat-price", f"Tier {i + 1}", flat.amount, i + 1)] if flat else []
