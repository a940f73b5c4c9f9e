"""The cells of a half-hour window as one binary attribute of their page: MessagePack of cell by the code's place there.

An attribute a cell would take two to three times the bytes, and a page is to be one write unit; and a request with one
parameter a window is built and sent in a fraction of the time.

| cell                    | stored as                                                        |
|-------------------------|------------------------------------------------------------------|
| number                  | integer of up to 64 bits, otherwise text with every digit        |
| latest                  | [seconds since the window began, number], behind them its        |
|                         | microsecond within the second where it has one                   |
| values, sketch          | binary                                                           |
| dirty                   | nil                                                              |
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from functions.domain.metering.cells.aggregation import DIRTY, LARGEST_INT, Cell
from functions.domain.metering.cells.pages import (
    CODES_PER_PAGE,
    WINDOW_LETTERS,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    Cells,
    PageKey,
    as_number,
    cell_name,
    code_in,
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, Any]).decode


def packed_windows(key: PageKey, cells: Cells, changed: Cells) -> dict[str, bytes]:
    """The attributes of the windows that change, whole, given the page's present cells."""
    first = key.number * CODES_PER_PAGE
    windows: dict[str, dict[int, Any]] = {name[0]: {} for name in changed}
    for name, cell in (cells | changed).items():
        letter = name[0]
        if letter in windows:
            windows[letter][code_in(name) - first] = cell if type(cell) is int else _stored(cell, key.span, letter)
    return {letter: _packed(window) for letter, window in windows.items()}


def _stored(cell: Cell, span: int, letter: str) -> Any:
    if isinstance(cell, tuple):
        second, micros, value = cell
        offset = second - _start(span, letter)
        return (offset, value, micros) if micros else (offset, value)
    return None if cell == DIRTY else cell


def _packed(window: dict[int, Any]) -> bytes:
    try:
        return _encode(window)
    except OverflowError:
        return _encode({code: _shortened(cell) for code, cell in window.items()})


def _shortened(cell: Any) -> Any:
    if isinstance(cell, tuple):
        return [_shortened(each) for each in cell]
    return str(cell) if isinstance(cell, int) and not -LARGEST_INT <= cell < LARGEST_INT else cell


def stored_cells(key: PageKey, item: Mapping[str, Mapping[str, Any]]) -> Cells:
    """The cells of a stored page, by name."""
    cells: Cells = {}
    first = key.number * CODES_PER_PAGE
    for letter, attribute in item.items():
        if letter not in WINDOW_LETTERS:
            continue
        place = WINDOW_LETTERS.index(letter)
        for code, cell in _decode(attribute["B"]).items():
            cells[cell_name(place, first + code)] = cell if type(cell) is int else _cell(cell, key.span, letter)
    return cells


def _cell(stored: Any, span: int, letter: str) -> Cell:
    if isinstance(stored, str):
        return as_number(Decimal(stored))
    if isinstance(stored, list):
        offset, value, micros = stored if len(stored) == 3 else (*stored, 0)
        return _start(span, letter) + offset, micros, value if isinstance(value, int) else as_number(Decimal(value))
    return DIRTY if stored is None else bytes(stored)


def _start(span: int, letter: str) -> int:
    """When a window begins, epoch seconds."""
    return (span * WINDOWS_PER_PAGE + WINDOW_LETTERS.index(letter)) * WINDOW_SECONDS
