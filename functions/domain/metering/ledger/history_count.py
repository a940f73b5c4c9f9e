"""Counting a meter's history: archived values into cells by subject, packed into parts when they are many enough."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from functions.domain.metering.cells.aggregation import Aggregation, moment
from functions.domain.metering.cells.cells import ADD, OpenCells
from functions.domain.metering.cells.pages import FIRST_WINDOW, WINDOW_SECONDS
from functions.domain.metering.ledger.history import HistoryRow
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.values import Uncountable, decode_data
from functions.domain.metering.values.group_values import fitting_groups

CELL_BYTES = 32  # as the live counting estimates them; in memory it is some ten times more
SUBJECT_BYTES = 64


class OpenHistory:
    """What a stretch of the log adds to a meter, until it is taken out. `size` is an estimate in bytes."""

    def __init__(self, meter: CompiledMeter, value_fingerprint: Callable[[str], int]) -> None:
        self._meter = meter
        self._parts = len(meter.aggregation.parts)
        self._add = ADD[meter.aggregation]
        self._value_fingerprint = value_fingerprint
        self._numbers: dict[tuple[str, ...], int] = {}
        self._subjects: dict[str, OpenCells] = {}
        self.dimensions: Sequence[str] = ()
        self.size = 0

    def add(self, subject: str, second: int, micros: int, raw_data: bytes, meter_version: int) -> None:
        """Count an event if the meter takes a value from it."""
        try:
            data = decode_data(raw_data)
            value = self._meter.value(data)
        except Uncountable:
            return
        if value is None:
            return
        groups = fitting_groups(self._meter.groups_at(data, meter_version))
        self.dimensions = tuple(groups)  # the same for all: every line is older than any change of the meter
        if self._meter.aggregation is Aggregation.UNIQUE_COUNT:
            value = self._value_fingerprint(str(value))
        number = self._number(tuple(groups.values()))
        cells = self._subjects.get(subject)
        if cells is None:
            cells = self._subjects[subject] = OpenCells()
            self.size += SUBJECT_BYTES
        at = moment(self._meter.aggregation, second, micros)
        self.size += self._add(cells, (second // WINDOW_SECONDS, number), value, at, CELL_BYTES)

    def _number(self, texts: tuple[str, ...]) -> int:
        number = self._numbers.get(texts)
        if number is None:
            number = self._numbers[texts] = len(self._numbers) * self._parts
            self.size += CELL_BYTES + sum(map(len, texts))
        return number

    def rows(self) -> Iterator[tuple[str | None, list[HistoryRow]]]:
        """Each subject's rows and, at the end, those of all subjects together (None)."""
        total = OpenCells()
        texts = {number: each for each, number in self._numbers.items()}
        for subject, cells in self._subjects.items():
            total.merge(cells)
            yield subject, self._packed(cells, texts)
        if self._subjects:
            yield None, self._packed(total, texts)

    def _packed(self, cells: OpenCells, texts: dict[int, tuple[str, ...]]) -> list[HistoryRow]:
        found: dict[tuple[int, int], list[Any]] = {}
        for _, kind in cells.packed():
            for (window, number), cell in kind.items():
                if window < FIRST_WINDOW:  # a history is read whole: it needs no coarse windows
                    continue
                part = number % self._parts
                found.setdefault((window, number - part), [None] * self._parts)[part] = cell
        return [HistoryRow(window, texts[number], tuple(row)) for (window, number), row in sorted(found.items())]
