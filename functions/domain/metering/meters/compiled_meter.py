"""A meter ready to take values and groups from events, one by one or by columns; no pydantic, it is hot."""

from collections.abc import Callable, Mapping
from typing import Any

from functions.domain.metering.cells.aggregation import LARGEST_INT, Aggregation
from functions.domain.metering.cells.cells import ADD
from functions.domain.metering.meters.columns import ADD_COLUMN, TakeColumn, column_taker
from functions.domain.metering.meters.meter import Meter, code_family
from functions.domain.metering.meters.values import Data, countable, group_text, too_costly, unique_text
from functions.domain.metering.values import filters
from functions.domain.metering.values.json_path import MISSING, Find, TooCostly, finder, parse_path

Groups = tuple[str, ...]
Taken = Any  # Number; text for UNIQUE_COUNT; None for nothing


class CompiledMeter:
    """A meter ready for the hot loop.

    `value` takes from decoded data the exact number, or the text for UNIQUE_COUNT; None when the event does not
    contribute (the event filter, a JSON null for UNIQUE_COUNT); raises Uncountable. `groups` gives the dimension values
    in the order of the sorted dimension names. Both are made for the meter's paths, because they run for every event.
    `counts` says whether the event filter lets an event through, `has_filter` whether there is one. `family` is what
    codes of equal group values must share to be the same code: the meter and the names of its dimensions.

    `column` takes the values of many events that are let through, or None when one of them needs a closer look;
    `add_column` adds them up, when that is more than to `add` one after the other.
    """

    __slots__ = (
        *("add", "add_column", "aggregation", "column", "counts", "dimensions", "family", "groups", "has_filter"),
        *("_former", "id", "looks_at_time", "meter", "orders_microseconds", "takes_text", "value"),
    )

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.id = meter.id
        self.aggregation = meter.aggregation
        self.takes_text = meter.aggregation is Aggregation.UNIQUE_COUNT
        self.orders_microseconds = meter.aggregation.orders_microseconds
        self.column = _column_taker(meter)
        self.add = ADD[meter.aggregation]
        self.add_column = ADD_COLUMN.get(meter.aggregation)
        self.looks_at_time = self.orders_microseconds or not (self.add_column or self.takes_text)
        self.dimensions, self.groups = _named_taker(meter.group_by)
        self.has_filter = bool(meter.event_filter)
        self.counts = _event_test(meter.event_filter)
        self.value = _filtered(self.counts, _value_taker(meter)) if self.has_filter else _value_taker(meter)
        self.family = code_family(meter.id, self.dimensions)
        self._former = [(each.until, *_named_taker(each.group_by)) for each in meter.former]

    def groups_at(self, data: Data, version: int) -> dict[str, str]:
        """The dimensions under which an event was counted that was decided under this version of the meter set."""
        for until, names, take in self._former:
            if version < until:
                return dict(zip(names, take(data), strict=True))
        return dict(zip(self.dimensions, self.groups(data), strict=True))


TakeValue = Callable[[Data], Taken]
TakeGroups = Callable[[Data], Groups]
Test = Callable[[Data], bool]


def _value_taker(meter: Meter) -> TakeValue:
    if not meter.aggregation.needs_value:
        return lambda _data: 1
    path = meter.value_property or ""
    steps = parse_path(path)
    is_unique = meter.aggregation is Aggregation.UNIQUE_COUNT
    if len(steps) > 1 or not isinstance(steps[0], str):
        return _found_value(finder(path), path, unique_text if is_unique else countable)
    name = steps[0]

    def named_text(data: Data) -> Taken:
        found = data.get(name, MISSING)
        return found if type(found) is str else unique_text(found, path)

    def named_number(data: Data) -> Taken:
        found = data.get(name, MISSING)
        if type(found) is int and -LARGEST_INT < found < LARGEST_INT:
            return found
        return countable(found, path)

    return named_text if is_unique else named_number


def _column_taker(meter: Meter) -> TakeColumn:
    if not meter.aggregation.needs_value:
        return lambda all_data: all_data
    return column_taker(meter.value_property or "", is_text=meter.aggregation is Aggregation.UNIQUE_COUNT)


def _found_value(find: Find, path: str, taken: Callable[[Any, str], Taken]) -> TakeValue:
    def take(data: Data) -> Taken:
        try:
            return taken(find(data), path)
        except TooCostly:
            raise too_costly(path) from None

    return take


def _groups_taker(paths: list[str]) -> TakeGroups:
    steps = [parse_path(path) for path in paths]
    names = [each[0] for each in steps if len(each) == 1 and isinstance(each[0], str)]
    if not paths:
        return lambda _data: ()
    if len(names) < len(paths):
        finds = [finder(path) for path in paths]
        return lambda data: tuple([_text_at(find, data) for find in finds])
    if len(names) > 1:
        return lambda data: tuple([group_text(data.get(name, MISSING)) for name in names])
    (name,) = names

    def named_group(data: Data) -> Groups:
        found = data.get(name, MISSING)
        return (found if type(found) is str else group_text(found),)

    return named_group


def _named_taker(group_by: Mapping[str, str]) -> tuple[Groups, TakeGroups]:
    names = tuple(sorted(group_by))
    return names, _groups_taker([group_by[name] for name in names])


def _text_at(find: Find, data: Data) -> str:
    try:
        return group_text(find(data))
    except TooCostly:
        return ""


def _event_test(event_filter: Mapping[str, Mapping[str, Any]]) -> Test:
    """Each condition is about the text that a dimension of the same path would have."""
    tests = [(finder(path), filters.predicate(condition)) for path, condition in event_filter.items()]
    return lambda data: all(test(_text_at(find, data)) for find, test in tests)


def _filtered(counts: Test, take: TakeValue) -> TakeValue:
    return lambda data: take(data) if counts(data) else None
