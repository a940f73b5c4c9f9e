"""How usage is measured for rating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from functions.domain.billing.usage_question import UsageQuestion
    from functions.domain.catalog.pricing import Group, Needs
    from functions.domain.metering.cells.aggregation import Aggregation
    from functions.domain.metering.cells.level_times import LevelTimes
    from functions.domain.metering.values.windows import WindowSize


class UsageMeter(Protocol):
    def only_grows(self, tenant: str, meter: str) -> bool:
        """Whether a longer period measures what a shorter one does and more, so that it can be billed in parts.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def adds_up(self, tenant: str, meter: str) -> bool:
        """Whether what it measures in a period is the sum of what it measures in the period's parts.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        """What the meter measured of what is held in the period, and the last commit it contains of each lane.

        Raises NotFound for a meter that does not exist.
        """
        ...

    def parts(self, question: UsageQuestion, needs: Needs) -> Mapping[Group, Decimal]:
        """The same usage cut by dimension values, or by the hours of a time zone.

        Raises Unbillable for a meter without those dimensions or whose parts do not add up.
        """
        ...

    def levels(self, question: UsageQuestion) -> LevelTimes:
        """For how long the level of all that is held was how high, and how high it is at the end of the period.

        Raises Unbillable for a meter that measures no level.
        """
        ...


@dataclass(frozen=True)
class MeasuredWindow:
    """One window of a line's period, cut to it, with what was measured in it."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True)
class Windowed:
    """A period's windows of one size in UTC; those in which nothing was used are left out."""

    aggregation: Aggregation
    size: WindowSize
    windows: Sequence[MeasuredWindow]


class WindowedUsage(UsageMeter, Protocol):
    """What explaining asks of the meters beside what billing asks."""

    def windows(self, question: UsageQuestion, most: int) -> Windowed:
        """The same usage by the smallest windows (hours, days, months, years) of which the period has at most `most`.

        Raises NotFound for a meter that does not exist.
        """
        ...


class Measuring(Protocol):
    """Where the usage of many customers is measured."""

    def reading_once(self, tenant: str) -> WindowedUsage:
        """A meter for one invoice of the tenant: what several questions about its customer read is read once.

        Its answers are as of the first of them, or later. It is not to be asked about the next invoice.
        """
        ...


class PhasedUsage(UsageMeter, Protocol):
    """What balances ask of the meters beside what billing asks."""

    def by_window(self, question: UsageQuestion, size: WindowSize, time_zone: str) -> Sequence[MeasuredWindow]:
        """The same usage by windows of a size, cut to the period; those in which nothing was used are left out."""
        ...


class PhasedMeasuring(Protocol):
    def reading_once(self, tenant: str) -> PhasedUsage:
        """A meter for the questions about one customer, as that of `Measuring`."""
        ...
