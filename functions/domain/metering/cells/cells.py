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

Place = tuple[int, int]  # window, code number


class OpenCells:
    """One dict a kind; distinct values are sets and sketches dicts of counts until they are packed."""

    __slots__ = ("highest", "latest", "lowest", "sketch", "sum", "values")

    def __init__(self) -> None:
        self.sum: dict[Place, Number] = {}
        self.highest: dict[Place, Number] = {}
        self.lowest: dict[Place, Number] = {}
        self.latest: dict[Place, Latest] = {}
        self.values: dict[Place, set[int]] = {}
        self.sketch: dict[Place, dict[int, int]] = {}

    def add(self, place: Place, value: Number, cell_bytes: int) -> int:
        """Add to a sum; like all of these returns the bytes by which the commit grows."""
        present = self.sum.get(place)
        total = value if present is None else add(present, value)
        if type(total) is int:
            if -LARGEST_INT < total < LARGEST_INT:
                self.sum[place] = total
                return cell_bytes if present is None else 0
            total = Decimal(total)
        self.sum[place] = total
        if present is None:
            return cell_bytes + DECIMAL_BYTES
        return 0 if type(present) is Decimal else DECIMAL_BYTES

    def merge(self, other: "OpenCells") -> None:
        sums = self.sum
        for place, value in other.sum.items():
            present = sums.get(place)
            if present is None:
                sums[place] = value
            elif type(value) is int and type(present) is int:
                sums[place] = present + value
            else:
                sums[place] = add(present, value)
        for place, value in other.highest.items():
            add_highest(self, place, value, 0, 0)
        for place, value in other.lowest.items():
            add_lowest(self, place, value, 0, 0)
        for place, latest in other.latest.items():
            _later(self, place, latest, 0)
        for place, values in other.values.items():
            self.values.setdefault(place, set()).update(values)
        for place, counts in other.sketch.items():
            total = self.sketch.setdefault(place, {})
            for bucket, count in counts.items():
                total[bucket] = total.get(bucket, 0) + count

    def packed(self) -> Iterator[tuple[str, dict[Place, Any]]]:
        """The kinds that have cells, by the name of their field in a page delta."""
        yield "sum", self.sum
        for name in ("highest", "lowest", "latest"):
            if cells := getattr(self, name):
                yield name, cells
        if self.values:
            yield "values", {place: pack_values(values) for place, values in self.values.items()}
        if self.sketch:
            yield "sketch", {place: sketch.pack(counts, MAX_BUCKETS) for place, counts in self.sketch.items()}


def as_pages(cells: OpenCells, tenant: str, lane: int, subject: str | None) -> Iterator[PageDelta]:
    """The page deltas that hold the cells of an owner."""
    pages: dict[tuple[int, int], PageDelta] = {}
    for kind, found in cells.packed():
        last = None
        for place, cell in found.items():
            span_and_number, name = _on_page(place)
            if span_and_number is not last:  # most cells are on the page of the one before
                last = span_and_number
                page = pages.get(span_and_number)
                if page is None:
                    page = pages[span_and_number] = PageDelta(PageKey(tenant, lane, subject, *span_and_number))
                cells_of_page = getattr(page, kind)
            cells_of_page[name] = cell
    return iter(pages.values())


@lru_cache(maxsize=20_000)  # the subjects of a commit have their cells in the same places
def _on_page(place: Place) -> tuple[tuple[int, int], str]:
    window, number = place
    return _span_and_number(window // WINDOWS_PER_PAGE, number // CODES_PER_PAGE), cell_name(window, number)


@lru_cache(maxsize=20_000)  # one tuple for all cells of a page
def _span_and_number(span: int, number: int) -> tuple[int, int]:
    return span, number


Add = Callable[[OpenCells, Place, Any, Any, int], int]


def _average(cells: OpenCells, place: Place, value: Number, _second: int, cell_bytes: int) -> int:
    window, number = place
    return cells.add(place, value, cell_bytes) + cells.add((window, number + 1), 1, cell_bytes)


def add_highest(cells: OpenCells, place: Place, value: Number, _second: int, cell_bytes: int) -> int:
    present = cells.highest.get(place)
    if present is not None and present >= value:
        return 0
    cells.highest[place] = value
    return cell_bytes + DECIMAL_BYTES if present is None else 0


def add_lowest(cells: OpenCells, place: Place, value: Number, _second: int, cell_bytes: int) -> int:
    present = cells.lowest.get(place)
    if present is not None and present <= value:
        return 0
    cells.lowest[place] = value
    return cell_bytes + DECIMAL_BYTES if present is None else 0


def add_latest(cells: OpenCells, place: Place, value: Number, moment: tuple[int, int], cell_bytes: int) -> int:
    return _later(cells, place, (*moment, value), cell_bytes)


def _later(cells: OpenCells, place: Place, latest: Latest, cell_bytes: int) -> int:
    present = cells.latest.get(place)
    if present is not None and present >= latest:
        return 0
    cells.latest[place] = latest
    return cell_bytes + DECIMAL_BYTES + SECOND_BYTES if present is None else 0


def _value(cells: OpenCells, place: Place, fingerprint: int, _second: int, cell_bytes: int) -> int:
    values = cells.values.get(place)
    if values is None:
        cells.values[place] = {fingerprint}
        return cell_bytes + VALUE_BYTES
    before = len(values)
    values.add(fingerprint)
    return VALUE_BYTES * (len(values) - before)


def _bucket(cells: OpenCells, place: Place, value: Number, _second: int, cell_bytes: int) -> int:
    bucket = sketch.bucket_of(value)
    counts = cells.sketch.get(place)
    if counts is None:
        cells.sketch[place] = {bucket: 1}
        return cell_bytes + BUCKET_BYTES
    if bucket in counts:
        counts[bucket] += 1
        return 0
    counts[bucket] = 1
    return BUCKET_BYTES


def _level(cells: OpenCells, place: Place, value: Number, second: int, cell_bytes: int) -> int:
    window, number = place
    return (
        cells.add(place, value, cell_bytes)
        + cells.add((window, number + 1), times(value, second % WINDOW_SECONDS), cell_bytes)
        + cells.add((second // COARSE_SECONDS, number), value, cell_bytes)
    )


def _sum(cells: OpenCells, place: Place, value: Number, _second: int, cell_bytes: int) -> int:
    return cells.add(place, value, cell_bytes)


# Adds one event: the open cells, the first cell's place, the value (a fingerprint for UNIQUE_COUNT), when it happened
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
