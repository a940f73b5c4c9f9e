"""How long a level was how high: what a price needs that looks at each unit for the time it was there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from functions.domain.metering.cells.aggregation import quotient
from functions.domain.money import EXACT

ZERO = Decimal(0)
SECONDS_PER_HOUR = 3_600


@dataclass(frozen=True)
class LevelTimes:
    """The seconds for which a level was exactly so high, by its height, and how high it was at the end.

    Nobody is paid for having less than nothing, so a level of zero or below is not among them.
    """

    seconds: Mapping[Decimal, int] = field(default_factory=dict)
    last: Decimal = ZERO

    @property
    def value_hours(self) -> Decimal:
        return quotient(self.value_seconds(), SECONDS_PER_HOUR)

    @property
    def parts(self) -> list[tuple[Decimal, Decimal]]:
        """Each level with its value-hours."""
        return [(level, LevelTimes({level: seconds}).value_hours) for level, seconds in self.seconds.items()]

    @property
    def highest(self) -> Decimal:
        return max(self.seconds, default=ZERO)

    def value_seconds(self, above: Decimal = ZERO, to: Decimal | None = None) -> Decimal:
        """The units of the level that lie in (above, to], each times the seconds it was there, exactly."""
        with localcontext(EXACT):
            within = [
                ((level if to is None else min(level, to)) - above) * seconds
                for level, seconds in self.seconds.items()
                if level > above
            ]
            return sum(within, ZERO)

    def then(self, later: "LevelTimes") -> "LevelTimes":
        """Both together, the other one after this one."""
        seconds = dict(self.seconds)
        for level, more in later.seconds.items():
            seconds[level] = seconds.get(level, 0) + more
        return LevelTimes(seconds, later.last)

    def converted(self, convert: Callable[[Decimal], Decimal]) -> "LevelTimes":
        """In other units: the level itself is converted, and rounded, at every moment."""
        seconds: dict[Decimal, int] = {}
        for level, lasted in self.seconds.items():
            if (converted := convert(level)) > 0:
                seconds[converted] = seconds.get(converted, 0) + lasted
        return LevelTimes(seconds, convert(self.last))
