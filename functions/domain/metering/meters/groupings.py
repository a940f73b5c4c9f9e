"""Meters by the type of event they count, and those among them that group alike: found once for all of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from functions.domain.metering.meters.columns import groups_taker
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.meter import MeterSet, pattern_characters, searches
from functions.domain.metering.meters.values import Data
from functions.domain.metering.values.event import Event

FEW_LOOK_UPS = 32  # up to here an event's exact number makes no difference


class Grouping:
    """Meters that take the same events into the same groups.

    `counts` is their common event filter, if any; `all_groups` takes the dimensions' values of many events; `by_value`
    has the meters that take the same value together; one of them may look at when events happened, and tell apart the
    microseconds of a second.
    """

    __slots__ = ("all_groups", "by_value", "counts", "looks_at_time", "meters", "orders_microseconds")

    def __init__(self, meters: Sequence[CompiledMeter]) -> None:
        first = meters[0]
        self.meters = tuple(meters)
        self.orders_microseconds = any(meter.orders_microseconds for meter in meters)
        self.looks_at_time = any(meter.looks_at_time for meter in meters)
        self.counts: Callable[[Data], bool] | None = first.counts if first.has_filter else None
        self.all_groups = groups_taker([first.meter.group_by[name] for name in first.dimensions], first.groups)
        self.by_value = tuple(map(tuple, _together(meters, _way_of_taking)))


def groupings_of(meters: Iterable[CompiledMeter]) -> tuple[Grouping, ...]:
    return tuple(map(Grouping, _together(meters, _way_of_grouping)))


def _way_of_grouping(meter: CompiledMeter) -> Any:
    return [meter.meter.group_by[name] for name in meter.dimensions], meter.meter.event_filter


def _way_of_taking(meter: CompiledMeter) -> Any:
    return meter.aggregation.needs_value and meter.meter.value_property, meter.takes_text


def _together(meters: Iterable[CompiledMeter], what: Callable[[CompiledMeter], Any]) -> Iterable[list[CompiledMeter]]:
    alike: list[tuple[Any, list[CompiledMeter]]] = []
    for meter in meters:
        mine = what(meter)
        for other, found in alike:
            if other == mine:
                found.append(meter)
                break
        else:
            alike.append((mine, [meter]))
    return [found for _, found in alike]


class MetersOfType(list[CompiledMeter]):
    """Meters that count events of one type; `groupings` of them that group alike.

    `look_ups` is how much work an event is beside searches and patterns, `searches` whether there are any such.
    """

    @cached_property
    def groupings(self) -> tuple[Grouping, ...]:
        return groupings_of(self)

    @cached_property
    def look_ups(self) -> int:
        return sum(1 + sum(1 for _ in meter.meter.paths()) for meter in self)

    @cached_property
    def searches(self) -> bool:
        meters = [meter.meter for meter in self]
        return bool(searches(meters)) or pattern_characters(meters) > 0


class MetersByType(dict[str, MetersOfType]):
    """A tenant's meters by event type."""

    def search(self, events: Iterable[Event]) -> bool:
        """Do meters of any of their types search?"""
        searching = self._searching
        return not searching.isdisjoint(event.type for event in events) if searching else False

    def look_ups(self, events: Collection[Event]) -> int:
        """How much work they are beside searches."""
        if not self._is_wide:
            return len(events) * FEW_LOOK_UPS
        return sum([self._look_ups.get(event.type, 1) for event in events])

    @cached_property
    def _searching(self) -> frozenset[str]:
        return frozenset(type_ for type_, meters in self.items() if meters.searches)

    @cached_property
    def _look_ups(self) -> Mapping[str, int]:
        return {type_: meters.look_ups for type_, meters in self.items()}

    @cached_property
    def _is_wide(self) -> bool:
        return max(self._look_ups.values(), default=0) > FEW_LOOK_UPS


@lru_cache(maxsize=256)
def _compiled(body: bytes) -> MetersByType:
    by_type = MetersByType()
    for meter in MeterSet.decode(body).meters:
        by_type.setdefault(meter.event_type, MetersOfType()).append(CompiledMeter(meter))
    return by_type


def compile_meters(meter_set: MeterSet) -> MetersByType:
    """The meters of a set by event type, compiled once per content."""
    return _compiled(meter_set.encode())
