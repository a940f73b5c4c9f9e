"""Adding up to one answer: cells of counters and values of events, in any order, merged part by part."""

from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import (
    Aggregation,
    Cell,
    Keep,
    Number,
    add,
    answer,
    contribution,
    merge,
    negative,
    pack_values,
    times,
    unpack_values,
)


class Tally:
    """The parts of one window and group. Sets and sketches stay unpacked until the answer, so many merge in no time."""

    __slots__ = ("_aggregation", "_held", "_keeps")

    def __init__(self, aggregation: Aggregation) -> None:
        self._aggregation = aggregation
        self._keeps: Sequence[Keep] = aggregation.parts
        self._held: list[Any] = [None] * len(self._keeps)

    def add_cell(self, part: int, cell: Cell, _start: int = 0) -> None:
        """Of a half hour that begins in the second `_start`, which only levels need to know."""
        keep, held = self._keeps[part], self._held[part]
        if keep is Keep.SUM and type(held) is int and type(cell) is int:
            self._held[part] = held + cell
        elif keep is Keep.VALUES:
            self._held[part] = set() if held is None else held
            self._held[part].update(unpack_values(cell))  # type: ignore[arg-type]
        elif keep is Keep.SKETCH:
            self._held[part] = Counter() if held is None else held
            self._held[part].update(sketch.unpack(cell))  # type: ignore[arg-type]
        else:
            self._held[part] = cell if held is None else merge(keep, held, cell)

    def add_value(self, value: Number, fingerprint: int, second: int, micros: int = 0) -> None:
        """One event's value, of which UNIQUE_COUNT takes the fingerprint alone."""
        for part, cell in enumerate(contribution(self._aggregation, value, second, fingerprint, micros)):
            self.add_cell(part, cell)

    def add_tally(self, other: "Tally") -> None:
        for part, cell in enumerate(other._cells()):
            if cell is not None:
                self.add_cell(part, cell)

    @property
    def is_empty(self) -> bool:
        """Nothing is left to answer with: a commit half applied may show one part of two for a moment, and of voided
        events counts of zero stay. A sum does not say how many it is of, so one of zero is an answer.
        """
        if any(held is None for held in self._held):
            return True
        return self._aggregation is not Aggregation.SUM and self._count() == 0

    def _count(self) -> int:
        match self._aggregation:
            case Aggregation.COUNT:
                return int(self._held[0])
            case Aggregation.AVG:
                return int(self._held[1])
            case Aggregation.UNIQUE_COUNT:
                return len(self._held[0])
            case Aggregation.PERCENTILE:
                return sum(self._held[0].values())
        return 1

    def answer(self, percentile: Decimal) -> Decimal:
        cells: Any = self._cells()
        return answer(self._aggregation, cells, percentile)

    def _cells(self) -> list[Cell | None]:
        return [
            None if held is None else _packed(keep, held) for keep, held in zip(self._keeps, self._held, strict=True)
        ]


def _packed(keep: Keep, held: Any) -> Cell:
    if keep is Keep.VALUES:
        return pack_values(held)
    return sketch.pack({bucket: n for bucket, n in held.items() if n}) if keep is Keep.SKETCH else held


class ExactTally(Tally):
    """The percentile of the values themselves, by nearest rank; only events can be added, never cells."""

    __slots__ = ("_values",)

    def __init__(self, aggregation: Aggregation) -> None:
        super().__init__(aggregation)
        self._values: Counter[Number] = Counter()

    def add_value(self, value: Number, _fingerprint: int, _second: int, _micros: int = 0) -> None:
        self._values[value] += 1

    def add_tally(self, other: Tally) -> None:
        assert isinstance(other, ExactTally)
        self._values.update(other._values)

    @property
    def is_empty(self) -> bool:
        return not self._values

    def answer(self, percentile: Decimal) -> Decimal:
        total = self._values.total()
        rank = max(1, int((percentile * total / 100).to_integral_value(ROUND_CEILING)))
        for value in sorted(self._values):
            rank -= self._values[value]
            if rank <= 0:
                return Decimal(value)
        raise AssertionError("No values have no percentile.")


class LevelTally(Tally):
    """By how much a level changed, and the sum of the changes times their seconds: enough for any integral."""

    __slots__ = ("change", "moment")

    def __init__(self, aggregation: Aggregation) -> None:
        super().__init__(aggregation)
        self.change: Number = 0
        self.moment: Number = 0

    def add_cell(self, part: int, cell: Cell, start: int = 0) -> None:
        assert isinstance(cell, int | Decimal)
        if part == 0:
            self.change = add(self.change, cell)
            cell = times(cell, start)
        self.moment = add(self.moment, cell)

    def add_value(self, value: Number, _fingerprint: int, second: int, _micros: int = 0) -> None:
        self.change = add(self.change, value)
        self.moment = add(self.moment, times(value, second))

    def add_tally(self, other: Tally) -> None:
        assert isinstance(other, LevelTally)
        self.change = add(self.change, other.change)
        self.moment = add(self.moment, other.moment)

    def subtract(self, other: "LevelTally") -> None:
        self.change = add(self.change, negative(other.change))
        self.moment = add(self.moment, negative(other.moment))

    def value_seconds(self, before: Number, start: int, end: int) -> Number:
        """The integral from `start` to `end`, between which all changes are, of a level that was `before`."""
        of_changes = add(times(self.change, end), negative(self.moment))
        return add(times(before, end - start), of_changes)

    @property
    def is_empty(self) -> bool:
        return not self.change and not self.moment

    def answer(self, _percentile: Decimal) -> Decimal:
        raise AssertionError("A level has an answer only together with what was before it.")


def new_tally(aggregation: Aggregation, is_exact: bool) -> Tally:
    if aggregation.is_level:
        return LevelTally(aggregation)
    if is_exact and aggregation is Aggregation.PERCENTILE:
        return ExactTally(aggregation)
    return Tally(aggregation)
