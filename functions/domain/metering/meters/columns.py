"""Adding up by columns: what the events of one window and group have in a property, taken and added up in one go.

Only values that need no judging make a column: whole numbers of 64 bits, texts for UNIQUE_COUNT. All others are taken
event by event (`ADD` in `cells`), which gives the same cells.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from functions.domain.metering.cells.aggregation import LARGEST_INT, Aggregation, Moment
from functions.domain.metering.cells.cells import VALUE_BYTES, CellId, OpenCells, add_highest, add_latest, add_lowest
from functions.domain.metering.meters.values import Data
from functions.domain.metering.values.json_path import parse_path

Column = Sequence[Any]
Groups = tuple[str, ...]
TakeAllGroups = Callable[[Sequence[Data]], Iterable[Groups]]
TakeColumn = Callable[[Sequence[Data]], Column | None]
_NUMBERS, _TEXTS = {int}, {str}


def column_taker(path: str, *, is_text: bool) -> TakeColumn:
    """Takes the property `$.name` of each event's data, or None when one of them, or the path, needs a closer look."""
    column = _named((path,))
    if column is None:
        return lambda _all_data: None
    (found,) = column

    def texts(all_data: Sequence[Data]) -> Column | None:
        column = _taken(found, all_data)
        return column if {*map(type, column)} == _TEXTS else None

    def numbers(all_data: Sequence[Data]) -> Column | None:
        column = _taken(found, all_data)
        if {*map(type, column)} != _NUMBERS:
            return None
        return column if min(column) > -LARGEST_INT and max(column) < LARGEST_INT else None

    return texts if is_text else numbers


def groups_taker(paths: Sequence[str], one_by_one: Callable[[Data], Groups]) -> TakeAllGroups:
    """Takes the dimensions' values of each event's data."""
    found = _named(paths)
    if not paths or found is None:
        return lambda all_data: map(one_by_one, all_data)

    def all_groups(all_data: Sequence[Data]) -> Iterable[Groups]:
        columns = [_taken(name, all_data) for name in found]
        for column in columns:
            if {*map(type, column)} != _TEXTS:
                return map(one_by_one, all_data)
        return zip(*columns, strict=True)

    return all_groups


def _named(paths: Iterable[str]) -> list[Callable[[Data], Any]] | None:
    """What takes the properties `$.name`, when all paths are such."""
    steps = [parse_path(path) for path in paths]
    if any(len(each) > 1 or not isinstance(each[0], str) for each in steps):
        return None
    return [itemgetter(each[0]) for each in steps]


def _taken(found: Callable[[Data], Any], all_data: Sequence[Data]) -> list[Any]:
    """Nothing at all when one of them does not have it."""
    try:
        return [*map(found, all_data)]
    except KeyError:
        return []


def _sum(cells: OpenCells, cell_id: CellId, column: Column, _seconds: Sequence[int], cell_bytes: int) -> int:
    return cells.add(cell_id, sum(column), cell_bytes)


def _count(cells: OpenCells, cell_id: CellId, column: Column, _seconds: Sequence[int], cell_bytes: int) -> int:
    return cells.add(cell_id, len(column), cell_bytes)


def _average(cells: OpenCells, cell_id: CellId, column: Column, _seconds: Sequence[int], cell_bytes: int) -> int:
    window, number = cell_id
    return cells.add(cell_id, sum(column), cell_bytes) + cells.add((window, number + 1), len(column), cell_bytes)


def _highest(cells: OpenCells, cell_id: CellId, column: Column, _seconds: Sequence[int], cell_bytes: int) -> int:
    return add_highest(cells, cell_id, max(column), 0, cell_bytes)


def _lowest(cells: OpenCells, cell_id: CellId, column: Column, _seconds: Sequence[int], cell_bytes: int) -> int:
    return add_lowest(cells, cell_id, min(column), 0, cell_bytes)


def _latest(cells: OpenCells, cell_id: CellId, column: Column, moments: Sequence[Moment], cell_bytes: int) -> int:
    """Moments that are seconds have no microseconds."""
    moment, value = max(zip(moments, column, strict=True))
    if isinstance(moment, int):
        moment = moment, 0
    return add_latest(cells, cell_id, value, moment, cell_bytes)


def add_fingerprints(cells: OpenCells, cell_id: CellId, fingerprints: set[int], cell_bytes: int) -> int:
    """Adds distinct values; returns, as all of these, the bytes by which the commit grows."""
    present = cells.values.get(cell_id)
    if present is None:
        cells.values[cell_id] = fingerprints
        return cell_bytes + VALUE_BYTES * len(fingerprints)
    before = len(present)
    present |= fingerprints
    return VALUE_BYTES * (len(present) - before)


AddColumn = Callable[[OpenCells, CellId, Column, Sequence[Any], int], int]

# Adds a column to the open cells: the id of the first cell, the values, their moments (if the grouping looks at time)
# and the bytes of a new cell. What is not here is added event by event.
ADD_COLUMN: dict[Aggregation, AddColumn] = {
    Aggregation.SUM: _sum,
    Aggregation.COUNT: _count,
    Aggregation.AVG: _average,
    Aggregation.MAX: _highest,
    Aggregation.MIN: _lowest,
    Aggregation.LATEST: _latest,
}
