"""Events of one subject sorted into rows: those of one window and group are counted together."""

from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.meters.compiled_meter import Groups
from functions.domain.metering.meters.groupings import Grouping, MetersByType
from functions.domain.metering.meters.values import Data, Uncountable, decode_data, decode_objects
from functions.domain.metering.values.event import Event


class Rows:
    """The events of one window that a grouping takes, their seconds and data; `event_indexes` are by group."""

    __slots__ = ("data", "event_indexes", "events", "grouping", "seconds", "window")

    def __init__(
        self, grouping: Grouping, window: int, events: Sequence[Event], seconds: Sequence[int], data: Sequence[Data]
    ) -> None:
        self.grouping = grouping
        self.window = window
        self.events = events
        self.seconds = seconds
        self.data = data
        indexes: dict[Groups, list[int]] = defaultdict(list)
        for index, groups in enumerate(grouping.all_groups(data)):
            indexes[groups].append(index)
        self.event_indexes = indexes


def picker(indexes: Sequence[int], count: int) -> Any:
    """Takes from a column of `count` values those at the indexes."""
    if len(indexes) == count:
        return _all
    return itemgetter(*indexes) if len(indexes) > 1 else itemgetter(slice(indexes[0], indexes[0] + 1))


def _all(column: Sequence[Any]) -> Sequence[Any]:
    return column


def sort_events(events: list[Event], by_type: MetersByType) -> tuple[list[Rows], list[tuple[Event, Uncountable]]]:
    """The rows of some events, in those of every grouping that lets an event through; and the unreadable events."""
    all_rows: list[Rows] = []
    unreadable: list[tuple[Event, Uncountable]] = []
    for type_, window, found, seconds in _by_type_and_window(events):
        if meters := by_type.get(type_):
            data = decode_objects([event.data for event in found])
            if data is None:
                found, data = _readable(found, unreadable)
                seconds = _seconds(found)
            for grouping in meters.groupings:
                if grouping.counts is None:
                    all_rows.append(Rows(grouping, window, found, seconds, data))
                elif kept := [index for index, each in enumerate(data) if grouping.counts(each)]:
                    pick = picker(kept, len(data))
                    all_rows.append(Rows(grouping, window, pick(found), pick(seconds), pick(data)))
    return all_rows, unreadable


def _by_type_and_window(events: list[Event]) -> list[tuple[str, int, list[Event], list[int]]]:
    seconds = _seconds(events)
    first, last = min(seconds) // WINDOW_SECONDS, max(seconds) // WINDOW_SECONDS
    if first == last and len({event.type for event in events}) == 1:
        return [(events[0].type, first, events, seconds)]
    found = defaultdict[tuple[str, int], list[Event]](list)
    for event in events:
        found[event.type, event.time // WINDOW_SECONDS].append(event)
    return [(type_, window, some, _seconds(some)) for (type_, window), some in found.items()]


def _seconds(events: list[Event]) -> list[int]:
    return [event.time for event in events]


def _readable(events: list[Event], unreadable: list[tuple[Event, Uncountable]]) -> tuple[list[Event], list[Data]]:
    readable, all_data = [], []
    for event in events:
        try:
            all_data.append(decode_data(event.data))
        except Uncountable as problem:
            unreadable.append((event, problem))
        else:
            readable.append(event)
    return readable, all_data
