"""What was used in each phase of an entitlement, asked of its meter."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from functions.application.ports.usage import PhasedUsage
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.entitlements.engine import Counted
from functions.domain.errors import Conflict
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.windows import WindowSize
from functions.domain.money import EXACT
from functions.domain.period import Period

ZERO = Decimal(0)
Known = Mapping[Period, Decimal]


@dataclass(frozen=True)
class PhaseUsage:
    """The usage of one feature by one customer; `held` are the subjects whose usage is theirs."""

    tenant: str
    feature: MeteredFeature
    held: Sequence[Holding]
    meter: PhasedUsage

    @cached_property
    def kind(self) -> Counted:
        """Sums add up; the highest of a period, or how many values it had, can only grow; the rest are levels."""
        is_added = self.adds_up or self.meter.only_grows(self.tenant, self._slug)
        return Counted.ADDED if is_added else Counted.LEVEL

    def of_phases(
        self, cuts: Sequence[datetime], period_starts: Collection[datetime], known: Known | None = None
    ) -> list[Decimal]:
        """By phase what was added in it, or the level at its end.

        `period_starts` are where usage periods begin: what does not add up is measured since then. `known` is what
        was measured of some phases already.
        """
        if self.adds_up:
            phases = [Period(start, end) for start, end in pairwise(cuts)]
            return [self._used(each) if known is None or each not in known else known[each] for each in phases]
        found, since, before = [], cuts[0], ZERO
        for start, end in pairwise(cuts):
            if start in period_starts:
                since, before = start, ZERO
            total = self._used(Period(since, end))
            found.append(total if self.kind is Counted.LEVEL else EXACT.subtract(total, before))
            before = total
        return found

    def by_window(self, period: Period, size: WindowSize, time_zone: str) -> Known:
        """What was added in each whole window of the period; empty for usage that does not add up."""
        if not self.adds_up:
            return {}
        windows = self.meter.by_window(self._question(period), size, time_zone)
        return {Period(each.start, each.end): each.quantity for each in windows}

    @cached_property
    def adds_up(self) -> bool:
        return self.meter.adds_up(self.tenant, self._slug)

    @property
    def _slug(self) -> str:
        if self.feature.meter_slug is None:
            raise Conflict(f"Feature {self.feature.key!r} has no meter.", code="feature_without_meter")
        return self.feature.meter_slug

    def _used(self, period: Period) -> Decimal:
        return self.meter.usage(self._question(period))[0] if period.length else ZERO

    def _question(self, period: Period) -> UsageQuestion:
        return UsageQuestion(self.tenant, self._slug, self.held, self.feature.filters, period)
