"""The rows of an answer: what was found by window and group, in order, with zeros where they were asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from functions.domain.errors import TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.tally import Tally, new_tally
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.values.windows import Window, Windows, WindowSize

GroupKey = tuple[str | None, str | None, tuple[str, ...]]  # subject, customer id, dimension values
OutputWindow = Window | None  # an output window, or None when the whole range is one
Values = dict[tuple[Window, GroupKey], Decimal]
# Where levels keep what happened before the range; it is no window of any answer.
BEFORE: Window = (0, 0)


@dataclass(frozen=True)
class UsageRow:
    value: Decimal
    window_start: datetime
    window_end: datetime
    subject: str | None = None
    customer_id: str | None = None
    group_by: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Found:
    """Tallies by output window and group, and the first and last second that something was found at.

    `overhang` are the owners (lane, subject) whose last half hour was taken whole though the range ends inside it.
    """

    aggregation: Aggregation
    is_exact: bool = False
    max_rows: int = 20_000  # about what fits into an answer of 4 MB
    tallies: dict[tuple[OutputWindow, GroupKey], Tally] = field(default_factory=dict)
    first: int | None = None
    last: int | None = None
    overhang: set[tuple[int, str | None]] = field(default_factory=set)

    def saw(self, first: int, last: int) -> None:
        """Something was found in the seconds first..last."""
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def tally(self, output: OutputWindow, group: GroupKey) -> Tally:
        """The tally to add to."""
        key = (output, group)
        found = self.tallies.get(key)
        if found is None:
            if len(self.tallies) >= self.max_rows:
                raise too_many_rows(self.max_rows)
            found = self.tallies[key] = new_tally(self.aggregation, self.is_exact)
        return found

    def take(self, other: "Found") -> None:
        """Adds what was found of other groups."""
        if len(self.tallies) + len(other.tallies) > self.max_rows:
            raise too_many_rows(self.max_rows)
        self.tallies |= other.tallies
        self.overhang |= other.overhang
        if other.first is not None and other.last is not None:
            self.saw(other.first, other.last)


def too_many_rows(most: int) -> TooLarge:
    return TooLarge(f"The answer has more than {most} rows; choose a larger window, a shorter range or fewer groups.")


def together(parts: Sequence[Found], query: UsageQuery, most: int) -> Found:
    """What was found in the stretches of one range."""
    if len(parts) == 1:
        return parts[0]
    united = Found(query.meter.aggregation, query.is_exact, most)
    for part in parts:
        for (output, group), tally in part.tallies.items():
            united.tally(output, group).add_tally(tally)
    return united


def found_values(query: UsageQuery, found: Found, whole: Window) -> Values:
    """`whole` is the range shown where no window size was asked."""
    return {
        (output or whole, group): tally.answer(query.percent)
        for (output, group), tally in found.tallies.items()
        if not tally.is_empty
    }


def rows_of(query: UsageQuery, values: Values, whole: Window, most: int) -> list[UsageRow]:
    """By window start, subject, customer and groups; with zeros where they were asked for."""
    if not values and _is_zero_when_empty(query):
        values = {(whole, (None, None, ())): Decimal(0)}
    if query.fills_zero and query.window:
        _fill(query, values, most)
    rows = [_row(query, window, group, value) for (window, group), value in values.items()]
    return sorted(rows, key=_order)


def _is_zero_when_empty(query: UsageQuery) -> bool:
    is_plain = not (query.window or query.group_by or query.subjects or query.customers)
    return is_plain and query.meter.aggregation.is_zero_when_empty


def _fill(query: UsageQuery, values: Values, most: int) -> None:
    """A zero for every group seen in every window of the range; an open side ends where usage does."""
    seen = [window for window, _ in values]
    assert query.window
    start = query.first_second if query.first_second is not None else min((low for low, _ in seen), default=None)
    end = query.end_second if query.end_second is not None else max((high for _, high in seen), default=None)
    groups = {group for _, group in values}
    if not groups and not (query.is_by_subject or query.is_by_customer or query.dimensions):
        groups = {(None, None, ())}
    if start is None or end is None or not groups:
        return
    for count, window in enumerate(Windows(WindowSize(query.window), query.time_zone).between(start, end), 1):
        if count * len(groups) > most:
            raise TooLarge(
                f"Zero filled, the answer has more than {most} rows; choose a shorter range, a larger window or "
                "fewer groups."
            )
        for group in groups:
            values.setdefault((window, group), Decimal(0))


def _row(query: UsageQuery, window: Window, group: GroupKey, value: Decimal) -> UsageRow:
    subject, customer, texts = group
    start, end = (datetime.fromtimestamp(second, UTC) for second in window)
    return UsageRow(value, start, end, subject, customer, dict(zip(query.dimensions, texts, strict=True)))


def _order(row: UsageRow) -> tuple[object, ...]:
    return row.window_start, row.subject or "", row.customer_id or "", sorted(row.group_by.items())
