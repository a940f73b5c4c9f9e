"""The answers of TIME_WEIGHTED_SUM: events change a level, and a window answers with the level times its hours.

A level goes on where nothing happens, so windows without events have answers too; it ends nowhere but now.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from functions.domain.metering.cells.aggregation import Number, add, negative, quotient
from functions.domain.metering.cells.level_times import SECONDS_PER_HOUR, LevelTimes
from functions.domain.metering.cells.tally import LevelTally
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import BEFORE, Found, GroupKey, OutputWindow, Values, too_many_rows
from functions.domain.metering.values.windows import Window, Windows, WindowSize


def until_now(query: UsageQuery, now: datetime) -> UsageQuery:
    """The question about a level with an end that is not in the future, of which nobody knows; any other as it is.

    The range of a question that begins in the future holds no time.
    """
    if not query.is_of_level:
        return query
    end = datetime.fromtimestamp(int(now.timestamp()), UTC)
    if query.period_to is not None:
        end = min(end, query.period_to)
    if query.period_from is not None:
        end = max(end, query.period_from)
    return replace(query, period_to=end)


def level_values(parts: Iterable[tuple[UsageQuery, Found]], whole: Window, most: int) -> Values:
    """Value-hours by window and group, as far as the level at the window's start or end or the answer is not zero.

    Parts are stretches in which the level was of other holders. Raises TooLarge beyond `most` rows.
    """
    seconds: dict[tuple[Window, GroupKey], Number] = {}
    for query, found in parts:
        for key, value in _value_seconds(query, found, whole, most).items():
            seconds[key] = add(seconds.get(key, 0), value)
    if len(seconds) > most:
        raise too_many_rows(most)
    return {key: _hours(value) for key, value in seconds.items()}


def _value_seconds(query: UsageQuery, found: Found, whole: Window, most: int) -> dict[tuple[Window, GroupKey], Number]:
    windows = Windows(WindowSize(query.window), query.time_zone) if query.window else None
    start, end = _range(query)
    values: dict[tuple[Window, GroupKey], Number] = {}
    if start == end:
        return values
    for group, tallies in _by_group(found).items():
        before = tallies.pop(BEFORE, None)
        level = before.change if before else 0
        places = _windows(windows, tallies, level, start, end) if windows else iter([(None, tallies.get(None))])
        for output, tally in places:
            low, high = (start, end) if output is None else (max(output[0], start), min(output[1], end))
            tally = tally or LevelTally(query.meter.aggregation)
            seconds = tally.value_seconds(level, low, high)
            if level or tally.change or seconds:
                if len(values) >= most:
                    raise too_many_rows(most)
                values[output or whole, group] = seconds
            level = add(level, tally.change)
    return values


def level_total(parts: Iterable[tuple[UsageQuery, Found]]) -> Decimal:
    """Value-hours of all groups, over the ranges of all parts."""
    seconds: Number = 0
    for query, found in parts:
        before, inside = LevelTally(query.meter.aggregation), LevelTally(query.meter.aggregation)
        for (output, _), tally in found.tallies.items():
            (before if output == BEFORE else inside).add_tally(tally)
        seconds = add(seconds, inside.value_seconds(before.change, *_range(query)))
    return _hours(seconds)


def level_times(parts: Iterable[tuple[UsageQuery, Found]], end: int, most: int) -> LevelTimes:
    """Of all parts together, found by the second: each of them adds its level within its own range alone.

    `end` is where the range of all ends. Raises TooLarge where the level changes in more than `most` seconds.
    """
    changes: dict[int, Number] = defaultdict(int)
    for query, found in parts:
        part_start, part_end = _range(query)
        for (output, _), tally in found.tallies.items() if part_start < part_end else ():
            assert isinstance(tally, LevelTally)
            second = part_start if output is None or output == BEFORE else output[0]
            changes[second] = add(changes[second], tally.change)
            changes[part_end] = add(changes[part_end], negative(tally.change))
        if len(changes) > most:
            raise too_many_rows(most)
    changes[end] = 0  # what ends with the range is there until then
    level: Number = 0
    seconds: dict[Decimal, int] = defaultdict(int)
    for second, following in pairwise(sorted(changes)):
        level = add(level, changes[second])
        if level > 0:
            seconds[Decimal(level)] += following - second
    return LevelTimes(dict(seconds), max(Decimal(level), Decimal(0)))


def in_one_group(found: Found) -> Found:
    """All groups together as if none was told apart."""
    united = Found(found.aggregation, found.is_exact, found.max_rows)
    for (output, _), tally in found.tallies.items():
        united.tally(output, (None, None, ())).add_tally(tally)
    return united


def _range(query: UsageQuery) -> tuple[int, int]:
    """An open range begins with the level of zero, so any beginning before the first event is right."""
    assert query.end_second is not None
    return query.first_second or 0, query.end_second


def _by_group(found: Found) -> dict[GroupKey, dict[OutputWindow, LevelTally]]:
    by_group: dict[GroupKey, dict[OutputWindow, LevelTally]] = {}
    for (output, group), tally in found.tallies.items():
        assert isinstance(tally, LevelTally)
        by_group.setdefault(group, {})[output] = tally
    return by_group


def _windows(
    windows: Windows, tallies: Mapping[OutputWindow, LevelTally], level: Number, start: int, end: int
) -> Iterator[tuple[Window, LevelTally | None]]:
    """The windows in which something changed and, while the level is not zero, those between and after them."""
    for output in sorted(output for output in tallies if output):
        if level:
            yield from ((window, None) for window in windows.between(start, output[0]))
        yield output, tallies[output]
        level, start = add(level, tallies[output].change), output[1]
    if level:
        yield from ((window, None) for window in windows.between(start, end))


def _hours(value_seconds: Number) -> Decimal:
    return quotient(value_seconds, SECONDS_PER_HOUR)
