"""The grid of an answer: which window and which group a piece of usage belongs to, and whether counters can say so."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from functions.domain.metering.cells.pages import COARSE_SECONDS, FIRST_WINDOW, WINDOW_SECONDS
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import BEFORE, GroupKey, OutputWindow
from functions.domain.metering.values.windows import Seconds, Windows, WindowSize


class Verdict(NamedTuple):
    """Of a half-hour window that touches the range: whether only its events can be told apart, or else its output
    window.

    With `has_overhang` it is taken whole, though the range ends inside it, and what lies behind the range deducted.
    """

    is_cut: bool
    output: OutputWindow
    has_overhang: bool = False


class Grid:
    """The windows and groups of one question; what made a level before the range is kept under BEFORE.

    With `takes_overhang`, which is for levels, the half hour in which the range ends is not cut by that.
    """

    def __init__(self, query: UsageQuery, *, takes_overhang: bool = False) -> None:
        self._takes_overhang = takes_overhang
        self._query = query
        self._to, begins = query.end_second, query.first_second
        self._from = None if query.is_of_level else begins
        self._before = begins if query.is_of_level else None
        self._windows: Windows | Seconds | None = Seconds() if query.is_by_second else None
        if query.window:
            self._windows = Windows(WindowSize(query.window), query.time_zone)
        self._customer_of = {each.subject: customer for customer, held in query.customers.items() for each in held}
        self._verdicts: dict[int, Verdict | None] = {}

    def containing(self, second: int) -> OutputWindow:
        if self._before is not None and second < self._before:
            return BEFORE
        return self._windows.containing(second) if self._windows else None

    def is_inside(self, second: int) -> bool:
        return (self._from is None or second >= self._from) and (self._to is None or second < self._to)

    def touches(self, first: int, last: int) -> bool:
        """Is any of the seconds first..last in the range?"""
        return (self._from is None or last >= self._from) and (self._to is None or first < self._to)

    def verdict(self, window: int) -> Verdict | None:
        """None for a half-hour window outside the range."""
        if window not in self._verdicts:
            self._verdicts[window] = self._judge(window * WINDOW_SECONDS)
        return self._verdicts[window]

    def _judge(self, start: int) -> Verdict | None:
        end = start + WINDOW_SECONDS
        if (self._from is not None and end <= self._from) or (self._to is not None and start >= self._to):
            return None
        output = self.containing(start)
        is_within = self.is_inside(start) and self.is_inside(end - 1)
        is_cut = self._query.is_exact or output != self.containing(end - 1)
        if self._takes_overhang:
            return Verdict(is_cut, None if is_cut else output, not is_within)
        is_cut = is_cut or not is_within
        return Verdict(is_cut, None if is_cut else output)

    def spans(self, seconds: int, last: int) -> tuple[int, int]:
        """The first and last of the stretches of so many seconds that the range touches; `last` when it is open."""
        return (
            max(self._from or 0, FIRST_WINDOW * WINDOW_SECONDS) // seconds,
            last if self._to is None else (self._to - 1) // seconds,
        )

    @property
    def coarse_end(self) -> int:
        """The number of the first coarse window that is not before the range of a level; 0 when none can be used."""
        return 0 if self._query.is_exact else (self._before or 0) // COARSE_SECONDS

    @cached_property
    def asked_subjects(self) -> list[str]:
        """The subjects named by the question, directly or by their customers; those of both where both are."""
        query = self._query
        if not query.customers:
            return sorted(set(query.subjects))
        return sorted(self._customer_of.keys() & set(query.subjects) if query.subjects else self._customer_of)

    def group(self, subject: str | None, groups: Mapping[str, str]) -> GroupKey:
        query = self._query
        customer = self._customer_of.get(subject) if subject is not None else None
        shown = subject if query.is_by_subject else None
        return shown, customer, tuple(groups.get(name, "") for name in query.dimensions)


class Overhang(Grid):
    """The same windows and groups for what lies behind the end of the range."""

    def is_inside(self, second: int) -> bool:
        return self._to is not None and second >= self._to

    def touches(self, _first: int, last: int) -> bool:
        return self.is_inside(last)
