"""What a line of usage asks of its meter."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from functions.domain.catalog.feature import GroupFilter
from functions.domain.metering.values.holding import Holding
from functions.domain.period import Period


@dataclass(frozen=True)
class UsageQuestion:
    """The usage of a meter (its slug) by the subjects that are held, through the filters, in the period."""

    tenant: str
    meter: str
    held: Sequence[Holding]
    filters: Mapping[str, GroupFilter]
    period: Period

    def within(self, period: Period) -> "UsageQuestion":
        """The same about another period."""
        return replace(self, period=period)

    @property
    def key(self) -> Hashable:
        """Equal for questions that have the same answer."""
        return self.tenant, self.meter, tuple(self.held), repr(sorted(self.filters.items())), self.period
