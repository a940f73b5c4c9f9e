"""What every way of charging has in common: usage becomes charges, each one exact reason for money."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.money import EXACT
from functions.domain.wire import Numeric, WireModel

Amount = Annotated[Numeric, Field(ge=0)]
Positive = Annotated[Numeric, Field(gt=0)]
DimensionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][0-9a-zA-Z_]*$", max_length=64)]
ZERO, ONE = Decimal(0), Decimal(1)
NO_LEVELS = LevelTimes()


@dataclass(frozen=True)
class Charge:
    """`quantity` of something at `unit_amount` in major units, exact; `reference` names it within its line.

    `tier` counts from 1. A lump is one amount rather than a price per unit, so it is shown as it is rounded. `exact` is
    what it comes to where the quantity has no end and is shown rounded.
    """

    reference: str
    name: str
    quantity: Decimal
    unit_amount: Decimal
    tier: int | None = None
    is_lump: bool = False
    exact: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        if self.exact is not None:
            return self.exact
        return EXACT.multiply(self.quantity, self.unit_amount)


def lump(reference: str, name: str, amount: Decimal, tier: int | None = None) -> Charge:
    return Charge(reference, name, ONE, amount, tier, is_lump=True)


@dataclass(frozen=True)
class Group:
    """Where a part of the usage belongs: its values of the dimensions asked for, or the hour it was used in (UTC)."""

    values: tuple[str, ...] = ()
    hour: datetime | None = None


@dataclass(frozen=True)
class Needs:
    """What a price must know beside the quantity.

    Its parts by dimension values or by the hours of a time zone; or, of a level, how long it was how high.
    """

    dimensions: tuple[str, ...] = ()
    time_zone: str | None = None
    levels: bool = False

    def __bool__(self) -> bool:
        return self.are_parts or self.levels

    @property
    def are_parts(self) -> bool:
        return bool(self.dimensions) or self.time_zone is not None


@dataclass(frozen=True)
class LineUsage:
    """The usage one line bills: (before, before + quantity] of its period, never negative.

    Most periods have one line. When a period is billed progressively, `before` is what its earlier lines have billed;
    only the first line opens the period and only the last one closes it. `groups` are the parts of `quantity`, and
    `groups_before` those of `before`, for prices that need them. So are `levels` and `levels_before`, with the
    `full_seconds` of a whole recurrence period, of which the line's may be a part.
    """

    quantity: Decimal
    before: Decimal = ZERO
    is_first: bool = True
    is_last: bool = True
    groups: Mapping[Group, Decimal] = field(default_factory=dict)
    groups_before: Mapping[Group, Decimal] = field(default_factory=dict)
    levels: LevelTimes | None = None
    levels_before: LevelTimes = NO_LEVELS
    full_seconds: int = 0

    @property
    def total(self) -> Decimal:
        return EXACT.add(self.before, self.quantity)


class Price(WireModel, ABC):
    """One way of charging; the model is also its shape in the API. `title` is what a reader calls it."""

    title: ClassVar[str]

    @property
    def is_splittable(self) -> bool:
        """Whether a period can be billed progressively, each of its lines by its own usage."""
        return True

    @property
    def is_flat(self) -> bool:
        """A flat price is owed for a stretch of time, independent of usage, and so can be prorated."""
        return False

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def is_share_of_value(self) -> bool:
        """Whether the usage is an amount of money that the price takes a part of."""
        return False

    @property
    def takes_usage_discount(self) -> bool:
        """Where parts of the usage cost differently, nothing says which part would be the free one."""
        return not self.is_flat and not self.needs

    def counted_in(self, _reference: str, unit: str | None) -> str | None:
        """What the quantity of the charge of this reference is counted in, where the priced quantity is in `unit`.

        None where it says nothing: of one amount, and of a value of money.
        """
        return None if self.is_flat or self.is_share_of_value else unit

    def charges(self, usage: LineUsage) -> list[Charge]:
        """The exact reasons for money that a line's usage gives."""
        with localcontext(EXACT):
            return self._charges(usage)

    @abstractmethod
    def _charges(self, usage: LineUsage) -> list[Charge]: ...


def priced_parts(
    reference: str,
    parts: Sequence[tuple[str, Decimal]],
    default: Decimal,
    usage: LineUsage,
    part_of: Callable[[Group], int | None],
) -> list[Charge]:
    """One charge for each part (name, unit amount) that was used, then one for all the usage that belongs to none."""
    quantities = defaultdict[int | None, list[Decimal]](list)
    for group, quantity in usage.groups.items():
        quantities[part_of(group)].append(quantity)
    used = {part: sum(found, ZERO) for part, found in quantities.items()}
    charges = [
        Charge(f"{reference}-{i + 1}-usage", name, used[i], amount)
        for i, (name, amount) in enumerate(parts)
        if used.get(i)
    ]
    if used.get(None):
        charges.append(Charge(f"{reference}-default-usage", "Anything else", used[None], default))
    return charges
