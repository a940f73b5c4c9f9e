"""Cells while a commit is counted: contributions by (window, code number), merged as they come, packed at the end."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import (
    LARGEST_INT,
    Aggregation,
    Latest,
    Number,
    add,
    pack_values,
    times,
)
from functions.domain.metering.cells.pages import (
    COARSE_SECONDS,
    CODES_PER_PAGE,
    MAX_BUCKETS,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    PageDelta,
    PageKey,
    cell_name,
)

# What a contribution takes in a commit, on the subject's page and on the lane's, before compression.
DECIMAL_BYTES = 64  # as text, up to 32 characters each; few are longer, and digits take half of it compressed
SECOND_BYTES = 22  # with its microsecond
VALUE_BYTES = 18
BUCKET_BYTES = 16
MOST_CELLS = 3  # of one event in one meter: a level's
MOST_CELL_BYTES = DECIMAL_BYTES + SECOND_BYTES  # beside the cell itself, values and buckets not counted

CellId = tuple[int, int]  # window, code number


class OpenCells:
    """One dict a kind; distinct values are sets and sketches dicts of counts until they are packed."""

    __slots__ = ("highest", "latest", "lowest", "sketch", "sum", "values")

    def __init__(self) -> None:
        self.sum: dict[CellId, Number] = {}
        self.highest: dict[CellId, Number] = {}
        self.lowest: dict[CellId, Number] = {}
        self.latest: dict[CellId, Latest] = {}
        self.values: dict[CellId, set[int]] = {}
        self.sketch: dict[CellId, dict[int, int]] = {}

    def add(self, cell_id: CellId, value: Number, cell_bytes: int) -> int:
        """Add to a sum; like all of these returns the bytes by which the commit grows."""
        present = self.sum.get(cell_id)
        total = value if present is None else add(present, value)
        if type(total) is int:
            if -LARGEST_INT < total < LARGEST_INT:
                self.sum[cell_id] = total
                return cell_bytes if present is None else 0
            total = Decimal(total)
        self.sum[cell_id] = total
        if present is None:
            return cell_bytes + DECIMAL_BYTES
        return 0 if type(present) is Decimal else DECIMAL_BYTES

    def merge(self, other: "OpenCells") -> None:
        sums = self.sum
        for cell_id, value in other.sum.items():
            present = sums.get(cell_id)
            if present is None:
                sums[cell_id] = value
            elif type(value) is int and type(present) is int:
                sums[cell_id] = present + value
            else:
                sums[cell_id] = add(present, value)
        for cell_id, value in other.highest.items():
            add_highest(self, cell_id, value, 0, 0)
        for cell_id, value in other.lowest.items():
            add_lowest(self, cell_id, value, 0, 0)
        for cell_id, latest in other.latest.items():
            _later(self, cell_id, latest, 0)
        for cell_id, values in other.values.items():
            self.values.setdefault(cell_id, set()).update(values)
        for cell_id, counts in other.sketch.items():
            total = self.sketch.setdefault(cell_id, {})
            for bucket, count in counts.items():
                total[bucket] = total.get(bucket, 0) + count

    def packed(self) -> Iterator[tuple[str, dict[CellId, Any]]]:
        """The kinds that have cells, by the name of their field in a page delta."""
        yield "sum", self.sum
        for name in ("highest", "lowest", "latest"):
            if cells := getattr(self, name):
                yield name, cells
        if self.values:
            yield "values", {cell_id: pack_values(values) for cell_id, values in self.values.items()}
        if self.sketch:
            yield "sketch", {cell_id: sketch.pack(counts, MAX_BUCKETS) for cell_id, counts in self.sketch.items()}


def as_pages(cells: OpenCells, tenant: str, lane: int, subject: str | None) -> Iterator[PageDelta]:
    """The page deltas that hold the cells of an owner."""
    pages: dict[tuple[int, int], PageDelta] = {}
    for kind, found in cells.packed():
        last = None
        for cell_id, cell in found.items():
            span_and_number, name = _on_page(cell_id)
            if span_and_number is not last:  # most cells are on the page of the one before
                last = span_and_number
                page = pages.get(span_and_number)
                if page is None:
                    page = pages[span_and_number] = PageDelta(PageKey(tenant, lane, subject, *span_and_number))
                cells_of_page = getattr(page, kind)
            cells_of_page[name] = cell
    return iter(pages.values())


@lru_cache(maxsize=20_000)  # the subjects of a commit have cells of the same ids
def _on_page(cell_id: CellId) -> tuple[tuple[int, int], str]:
    window, number = cell_id
    return _span_and_number(window // WINDOWS_PER_PAGE, number // CODES_PER_PAGE), cell_name(window, number)


@lru_cache(maxsize=20_000)  # one tuple for all cells of a page
def _span_and_number(span: int, number: int) -> tuple[int, int]:
    return span, number


Add = Callable[[OpenCells, CellId, Any, Any, int], int]


def _average(cells: OpenCells, cell_id: CellId, value: Number, _second: int, cell_bytes: int) -> int:
    window, number = cell_id
    return cells.add(cell_id, value, cell_bytes) + cells.add((window, number + 1), 1, cell_bytes)


def add_highest(cells: OpenCells, cell_id: CellId, value: Number, _second: int, cell_bytes: int) -> int:
    present = cells.highest.get(cell_id)
    if present is not None and present >= value:
        return 0
    cells.highest[cell_id] = value
    return cell_bytes + DECIMAL_BYTES if present is None else 0


def add_lowest(cells: OpenCells, cell_id: CellId, value: Number, _second: int, cell_bytes: int) -> int:
    present = cells.lowest.get(cell_id)
    if present is not None and present <= value:
        return 0
    cells.lowest[cell_id] = value
    return cell_bytes + DECIMAL_BYTES if present is None else 0


def add_latest(cells: OpenCells, cell_id: CellId, value: Number, moment: tuple[int, int], cell_bytes: int) -> int:
    return _later(cells, cell_id, (*moment, value), cell_bytes)


def _later(cells: OpenCells, cell_id: CellId, latest: Latest, cell_bytes: int) -> int:
    present = cells.latest.get(cell_id)
    if present is not None and present >= latest:
        return 0
    cells.latest[cell_id] = latest
    return cell_bytes + DECIMAL_BYTES + SECOND_BYTES if present is None else 0


def _value(cells: OpenCells, cell_id: CellId, fingerprint: int, _second: int, cell_bytes: int) -> int:
    values = cells.values.get(cell_id)
    if values is None:
        cells.values[cell_id] = {fingerprint}
        return cell_bytes + VALUE_BYTES
    before = len(values)
    values.add(fingerprint)
    return VALUE_BYTES * (len(values) - before)


def _bucket(cells: OpenCells, cell_id: CellId, value: Number, _second: int, cell_bytes: int) -> int:
    bucket = sketch.bucket_of(value)
    counts = cells.sketch.get(cell_id)
    if counts is None:
        cells.sketch[cell_id] = {bucket: 1}
        return cell_bytes + BUCKET_BYTES
    if bucket in counts:
        counts[bucket] += 1
        return 0
    counts[bucket] = 1
    return BUCKET_BYTES


def _level(cells: OpenCells, cell_id: CellId, value: Number, second: int, cell_bytes: int) -> int:
    window, number = cell_id
    return (
        cells.add(cell_id, value, cell_bytes)
        + cells.add((window, number + 1), times(value, second % WINDOW_SECONDS), cell_bytes)
        + cells.add((second // COARSE_SECONDS, number), value, cell_bytes)
    )


def _sum(cells: OpenCells, cell_id: CellId, value: Number, _second: int, cell_bytes: int) -> int:
    return cells.add(cell_id, value, cell_bytes)


# Adds one event: the open cells, the id of the first cell, the value (a fingerprint for UNIQUE_COUNT), when it happened
# (`moment`) and the bytes of a new cell; returns the bytes by which the commit grows.
ADD: dict[Aggregation, Add] = {
    Aggregation.SUM: _sum,
    Aggregation.COUNT: _sum,
    Aggregation.AVG: _average,
    Aggregation.MAX: add_highest,
    Aggregation.MIN: add_lowest,
    Aggregation.LATEST: add_latest,
    Aggregation.UNIQUE_COUNT: _value,
    Aggregation.PERCENTILE: _bucket,
    Aggregation.TIME_WEIGHTED_SUM: _level,
}
