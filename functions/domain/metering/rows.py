"""Events of one subject sorted into rows: those of one window and group are counted together."""

from collections.abc import Iterable, Iterator

from functions.domain.metering.compiled_meter import Groups
from functions.domain.metering.event import Event
from functions.domain.metering.groupings import Grouping, MetersByType
from functions.domain.metering.pages import WINDOW_SECONDS
from functions.domain.metering.values import Data, Uncountable, decode_data, decode_objects


class Row:
    """The events of one window and group, and their data; `groups` are the values of the grouping's dimensions."""

    __slots__ = ("data", "events", "grouping", "groups", "window")

    def __init__(self, grouping: Grouping, window: int, groups: Groups) -> None:
        self.grouping = grouping
        self.window = window
        self.groups = groups
        self.events: list[Event] = []
        self.data: list[Data] = []


class Rows:
    """The rows of some events, a row for every grouping that lets an event through; `unreadable` are in none."""

    def __init__(self, events: list[Event], by_type: MetersByType) -> None:
        self.unreadable: list[tuple[Event, Uncountable]] = []
        self._rows: list[Row] = []
        for type_, found in _by_type(events).items():
            if meters := by_type.get(type_):
                self._sort(found, meters.groupings)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def _sort(self, events: list[Event], groupings: Iterable[Grouping]) -> None:
        data = decode_objects([event.data for event in events])
        if data is None:
            events, data = self._readable(events)
        for grouping in groupings:
            if grouping.counts is None:
                self._rows.extend(_rows_of(grouping, events, data))
            elif kept := [place for place, each in enumerate(data) if grouping.counts(each)]:
                rows = _rows_of(grouping, [events[place] for place in kept], [data[place] for place in kept])
                self._rows.extend(rows)

    def _readable(self, events: list[Event]) -> tuple[list[Event], list[Data]]:
        readable, all_data = [], []
        for event in events:
            try:
                all_data.append(decode_data(event.data))
            except Uncountable as problem:
                self.unreadable.append((event, problem))
            else:
                readable.append(event)
        return readable, all_data


def _by_type(events: list[Event]) -> dict[str, list[Event]]:
    if len(events) == 1 or len({event.type for event in events}) == 1:
        return {events[0].type: events}
    by_type: dict[str, list[Event]] = {}
    for event in events:
        by_type.setdefault(event.type, []).append(event)
    return by_type


def _rows_of(grouping: Grouping, events: list[Event], all_data: list[Data]) -> Iterable[Row]:
    windows = [event.time // WINDOW_SECONDS for event in events]
    rows: dict[tuple[int, Groups], Row] = {}
    for place, event, data in zip(zip(windows, grouping.all_groups(all_data)), events, all_data):  # noqa: B905
        try:
            row = rows[place]
        except KeyError:
            row = rows[place] = Row(grouping, *place)
        row.events.append(event)
        row.data.append(data)
    return rows.values()
