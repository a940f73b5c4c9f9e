"""The windows of an answer: minutes to years in a time zone, following its DST changes."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

Window = tuple[int, int]  # [start, end) in epoch seconds


class WindowSize(StrEnum):
    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"


CLOCK_SECONDS = {WindowSize.MINUTE: 60, WindowSize.HOUR: 3_600}


class Seconds:
    """Windows of one second each."""

    def containing(self, second: int) -> Window:
        return second, second + 1


class Windows:
    """The windows of a size; they cover all time and never overlap, also when a zone changes its clocks.

    Minutes and hours begin where the zone's wall clock shows a full one and end at a change of its offset that lies
    inside. Days and longer begin at the first midnight of their first date; weeks begin on Monday.
    """

    def __init__(self, size: WindowSize, time_zone: str) -> None:
        self._size = size
        self._zone = ZoneInfo(time_zone)
        self._step = CLOCK_SECONDS.get(size, 0)
        self._computed = lru_cache(maxsize=10_000)(self._clock_window if self._step else self._calendar_window)
        self._last: Window = (0, 0)

    def containing(self, second: int) -> Window:
        """A day is asked about for each of its half hours, so the last answer is mostly the next one, too."""
        last = self._last
        if not last[0] <= second < last[1]:
            self._last = last = self._computed(second)
        return last

    def between(self, start: int, end: int) -> Iterator[Window]:
        """The windows that have a second of [start, end) in them, in order."""
        while start < end:
            window = self.containing(start)
            yield window
            start = window[1]

    def _clock_window(self, second: int) -> Window:
        offset = self._offset(second)
        start = second - (second + offset) % self._step
        end = start + self._step
        if self._offset(start) != offset:
            start = self._change(start, second)
        if self._offset(end - 1) != offset:
            end = self._change(second, end - 1)
        return start, end

    def _offset(self, second: int) -> int:
        offset = datetime.fromtimestamp(second, self._zone).utcoffset()
        return int((offset or timedelta(0)).total_seconds())

    def _change(self, before: int, after: int) -> int:
        """The first second with another offset than `before` has."""
        offset = self._offset(before)
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                before = middle
            else:
                after = middle
        return after

    def _calendar_window(self, second: int) -> Window:
        first = self._first_date(datetime.fromtimestamp(second, self._zone).date())
        following = self._following(first)
        # Clocks that go back across midnight show a date again whose day is over.
        while second >= self._midnight(following):
            first, following = following, self._following(following)
        return self._midnight(first), self._midnight(following)

    def _first_date(self, day: date) -> date:
        match self._size:
            case WindowSize.WEEK:
                return day - timedelta(days=day.weekday())
            case WindowSize.MONTH:
                return day.replace(day=1)
            case WindowSize.QUARTER:
                return day.replace(month=day.month - (day.month - 1) % 3, day=1)
            case WindowSize.YEAR:
                return day.replace(month=1, day=1)
        return day

    def _following(self, first: date) -> date:
        match self._size:
            case WindowSize.WEEK:
                return first + timedelta(days=7)
            case WindowSize.MONTH:
                return (first + timedelta(days=32)).replace(day=1)
            case WindowSize.QUARTER:
                return (first + timedelta(days=95)).replace(day=1)
            case WindowSize.YEAR:
                return first.replace(year=first.year + 1)
        return first + timedelta(days=1)

    def _midnight(self, day: date) -> int:
        """The first one of two, and the moment of the jump where clocks skip it."""
        wall = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return int(wall.astimezone(UTC).timestamp())
