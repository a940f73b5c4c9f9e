"""What an invoice line is measured by: a meter's total for a customer's subjects, its parts, and how far it counted."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Protocol

from functions.application.metering.usage.query_usage import UsageReader
from functions.application.ports.clock import Clock
from functions.application.ports.usage import MeasuredWindow, Windowed
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.feature import GroupFilter
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.errors import NotFound, Unbillable
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.filters import Predicate, predicate
from functions.domain.metering.values.holding import held_within
from functions.domain.metering.values.windows import Windows, WindowSize
from functions.domain.money import EXACT
from functions.domain.period import Period

BILLED = ""  # the customer of a query; any name would do
READABLE_SIZES = (WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH, WindowSize.YEAR)


class MeterSets(Protocol):
    def meter_set(self, tenant: str) -> MeterSet: ...


class MeasuredUsage:
    """Reads the ledger's counters, which a billing run has closed before."""

    def __init__(self, reader: UsageReader, meters: MeterSets, clock: Clock) -> None:
        self._reader = reader
        self._meter_set = meters.meter_set
        self._clock = clock

    def reading_once(self, tenant: str) -> "MeasuredUsage":
        found = copy(self)
        found._reader = self._reader.reading_once(tenant)
        found._meter_set = cache(self._meter_set)
        return found

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        found = self._meter(question.tenant, question.meter)
        names = subjects_of(question)
        if not names:
            return Decimal(0), {}
        query = self._query(found, question)
        # Before the counters: what they contain may be more than these commits, never less.
        lanes = self._reader.applied(question.tenant, names)
        return self._reader.total(query, self._clock.now()), lanes

    def only_grows(self, tenant: str, meter: str) -> bool:
        return self._meter(tenant, meter).aggregation.only_grows

    def adds_up(self, tenant: str, meter: str) -> bool:
        return self._meter(tenant, meter).aggregation.is_divisible

    def parts(self, question: UsageQuestion, needs: Needs) -> dict[Group, Decimal]:
        found = self._meter(question.tenant, question.meter)
        _require_parts(found, needs)
        if not subjects_of(question):
            return {}
        query = replace(
            self._query(found, question),
            window=WindowSize.HOUR if needs.time_zone else None,
            time_zone=needs.time_zone or "UTC",
            group_by=needs.dimensions,
            tells_apart=bool(question.filters or needs.dimensions),
        )
        parts = dict[Group, Decimal]()
        for row in self._reader.rows(query, self._clock.now()):
            group = _group(row, needs)
            parts[group] = EXACT.add(parts.get(group, Decimal(0)), row.value)
        return parts

    def levels(self, question: UsageQuestion) -> LevelTimes:
        found = self._meter(question.tenant, question.meter)
        if not found.aggregation.is_level:
            message = (
                f"Meter {found.slug!r} is a {found.aggregation}; a prorated price needs to know for how long each unit "
                f"was there, so a {Aggregation.TIME_WEIGHTED_SUM}."
            )
            raise Unbillable(message, code="meter_without_level")
        if not subjects_of(question):
            return LevelTimes()
        return self._reader.levels(self._query(found, question), self._clock.now())

    def windows(self, question: UsageQuestion, most: int) -> Windowed:
        found = self._meter(question.tenant, question.meter)
        size = window_size(question.period, most)
        return Windowed(found.aggregation, size, self.by_window(question, size, "UTC"))

    def by_window(self, question: UsageQuestion, size: WindowSize, time_zone: str) -> list[MeasuredWindow]:
        found, period = self._meter(question.tenant, question.meter), question.period
        query = replace(self._query(found, question), window=size, time_zone=time_zone)
        return [
            MeasuredWindow(max(each.start, period.start), min(each.end, period.end), quantity)
            for each, quantity in self._reader.by_window(query, self._clock.now())
        ]

    def _query(self, meter: Meter, question: UsageQuestion) -> UsageQuery:
        """What money is owed for, as one number. Raises Unavailable while the meter's history is not counted."""
        query = UsageQuery(
            question.tenant,
            meter,
            question.period.start,
            question.period.end,
            customers={BILLED: tuple(question.held)},
            filters=_values(question.filters),
            conditions=_conditions(question.filters),
            tells_apart=bool(question.filters),
            # Counters know a percentile to 1 %; money is owed for what it was.
            is_exact=meter.aggregation is Aggregation.PERCENTILE,
        )
        self._reader.require_whole(query)
        return query

    def _meter(self, tenant: str, slug: str) -> Meter:
        found = next((each for each in self._meter_set(tenant).meters if each.slug == slug), None)
        if found is None:
            raise NotFound(f"There is no meter {slug!r} to bill by.", code="meter_not_found")
        return found


def subjects_of(question: UsageQuestion) -> tuple[str, ...]:
    """Those held in the period, each once; none of a period without time."""
    period = question.period
    if not period.length:
        return ()
    return tuple(dict.fromkeys(each.subject for each in held_within(question.held, period.start, period.end)))


def window_size(period: Period, most: int) -> WindowSize:
    """The smallest size in UTC of which the period has at most `most` windows; years when no size has so few."""
    start, end = int(period.start.timestamp()), int(period.end.timestamp())
    for size in READABLE_SIZES:
        if sum(1 for _ in islice(Windows(size, "UTC").between(start, end), most + 1)) <= most:
            return size
    return READABLE_SIZES[-1]


def _group(row: UsageRow, needs: Needs) -> Group:
    hour: datetime | None = row.window_start if needs.time_zone else None
    return Group(tuple(row.group_by.get(name) or "" for name in needs.dimensions), hour)


def _require_parts(meter: Meter, needs: Needs) -> None:
    """Only sums and counts can be cut: the highest of two parts is not the sum of their highest."""
    if not meter.aggregation.is_divisible:
        divisible = ", ".join(each for each in Aggregation if each.is_divisible)
        message = (
            f"Meter {meter.slug!r} is a {meter.aggregation}; a price by parts of the usage needs one of {divisible}."
        )
        raise Unbillable(message, code="meter_not_additive")
    missing = [name for name in needs.dimensions if name not in meter.group_by]
    if missing:
        message = f"Meter {meter.slug!r} has no dimension {missing[0]!r}, which the price needs; it has"
        raise Unbillable(f"{message} {', '.join(meter.group_by) or 'none'}.", code="dimension_not_found")


def _values(filters: Mapping[str, GroupFilter]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(each) for name, each in filters.items() if not isinstance(each, Mapping)}


def _conditions(filters: Mapping[str, GroupFilter]) -> dict[str, Predicate]:
    return {name: predicate(each) for name, each in filters.items() if isinstance(each, Mapping)}
