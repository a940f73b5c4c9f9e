"""Questions about usage: what is asked of which meter, subjects and groups."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from functions.domain.metering.cells.aggregation import WINDOW_SECONDS
from functions.domain.metering.meters.meter import DEFAULT_PERCENTILE, Meter
from functions.domain.metering.values.filters import Predicate
from functions.domain.metering.values.group_values import either_form
from functions.domain.metering.values.holding import Holding, held_within


@dataclass(frozen=True)
class UsageQuery:
    """What is asked of a meter; `customers` maps a customer id to what it holds.

    The range is [period_from, period_to), at second precision; None leaves that side open. `filters` maps a dimension
    to the values it may have, `conditions` a dimension to a test of its text. `percentile` (0 to 100) is for PERCENTILE
    meters. `is_exact` reads the archived events instead of the counters; `tells_apart` reads them where counters had no
    room for the groups (`__other__`); `fills_zero` gives every group seen a row in every window. `is_by_second` puts
    every change of a level into its own second.
    """

    tenant: str
    meter: Meter
    period_from: datetime | None = None
    period_to: datetime | None = None
    window: str | None = None
    time_zone: str = "UTC"
    subjects: tuple[str, ...] = ()
    customers: Mapping[str, tuple[Holding, ...]] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: Mapping[str, Predicate] = field(default_factory=dict)
    percentile: Decimal | None = None
    is_exact: bool = False
    tells_apart: bool = False
    fills_zero: bool = False
    is_by_second: bool = False

    @property
    def is_by_subject(self) -> bool:
        return bool(self.subjects) or "subject" in self.group_by

    @property
    def names_subjects(self) -> bool:
        """Directly or by their customers."""
        return bool(self.subjects or self.customers)

    @property
    def pages_by_subject(self) -> bool:
        """Are its rows those of all subjects there are?"""
        return self.is_by_subject and not self.names_subjects

    @property
    def is_by_customer(self) -> bool:
        return bool(self.customers) or "customer_id" in self.group_by

    def by_holder(self) -> "list[UsageQuery]":
        """The same question in parts: in each, whoever holds a subject holds it over the whole range.

        One part for most questions, none where nobody held anything.
        """
        if not self.customers:
            return [self]
        parts: dict[tuple[datetime | None, datetime | None], dict[str, tuple[Holding, ...]]] = defaultdict(dict)
        for customer, holdings in self.customers.items():
            for each in held_within(holdings, self.period_from, self.period_to):
                held = parts[each.held_from or self.period_from, each.held_to or self.period_to]
                held[customer] = (*held.get(customer, ()), each)
        return [replace(self, period_from=start, period_to=end, customers=held) for (start, end), held in parts.items()]

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(name for name in self.group_by if name not in ("subject", "customer_id"))

    def accepts(self, groups: Mapping[str, str]) -> bool:
        """A dimension that the groups do not name is the empty text, as it is in an event without the property."""
        return all(groups.get(name, "") in allowed for name, allowed in self._allowed.items()) and all(
            test(groups.get(name, "")) for name, test in self.conditions.items()
        )

    @cached_property
    def _allowed(self) -> Mapping[str, frozenset[str]]:
        return {name: either_form(values) for name, values in self.filters.items()}

    @property
    def is_of_level(self) -> bool:
        return self.meter.aggregation.is_level

    @property
    def has_overhang(self) -> bool:
        """Does the range of a level end inside a half hour that need not be cut for anything else?"""
        ends_inside = self.end_second is not None and self.end_second % WINDOW_SECONDS != 0
        return self.is_of_level and ends_inside and not self.is_by_second

    @property
    def percent(self) -> Decimal:
        """What was asked for, or the meter's own, or the 95th."""
        return next(each for each in (self.percentile, self.meter.percentile, DEFAULT_PERCENTILE) if each is not None)

    @property
    def first_second(self) -> int | None:
        return int(self.period_from.timestamp()) if self.period_from else None

    @property
    def end_second(self) -> int | None:
        return int(self.period_to.timestamp()) if self.period_to else None
