"""Counter pages: how a (window, meter, group) cell finds its page and its short name, forth and back.

A page holds about six hours of half-hour windows for sixteen codes of one subject (or of a whole lane), so that a
usual page is one write unit. A code stands for (meter, group values) in one (tenant, lane).
"""

from decimal import Decimal
from string import ascii_lowercase, digits

import msgspec

from functions.domain.metering.aggregation import EXACT_SUMS, Aggregation, Number

WINDOW_SECONDS = 1_800  # day boundaries of nearly all time zones are whole windows
WINDOWS_PER_PAGE = 12
PAGE_SECONDS = WINDOW_SECONDS * WINDOWS_PER_PAGE
CODES_PER_PAGE = 16

_WINDOW_LETTERS = "ABCDEFGHIJKL"
_ALPHABET = digits + ascii_lowercase
_BASE = len(_ALPHABET)


def encode_code(index: int) -> str:
    text = ""
    while True:
        index, rest = divmod(index, _BASE)
        text = _ALPHABET[rest] + text
        if not index:
            return text


def decode_code(text: str) -> int:
    return int(text, _BASE)


def cell_name(window: int, code: int) -> str:
    """The attribute of the cell: a capital for the window within its page, then the code in base 36."""
    return _WINDOW_LETTERS[window % WINDOWS_PER_PAGE] + encode_code(code)


def parse_cell(name: str, span: int) -> tuple[int, int]:
    """(window number, code) of a cell on the page of `span`."""
    return span * WINDOWS_PER_PAGE + _WINDOW_LETTERS.index(name[0]), decode_code(name[1:])


def is_cell(name: str) -> bool:
    return name[0] in _WINDOW_LETTERS


class PageKey(msgspec.Struct, frozen=True, array_like=True, order=True):
    """Whose page (a subject's, or the lane's totals when `subject` is None), its six-hour span and its number."""

    tenant: str
    lane: int
    subject: str | None
    span: int
    number: int


Cells = dict[str, Number]


class PageDelta(msgspec.Struct, array_like=True):
    """What one commit does to one page: cells to add to, and cells that keep the highest or the lowest value."""

    key: PageKey
    add: Cells = {}
    highest: Cells = {}
    lowest: Cells = {}

    @property
    def has_extremes(self) -> bool:
        return bool(self.highest or self.lowest)

    def cells_for(self, aggregation: Aggregation) -> Cells:
        if aggregation.is_additive:
            return self.add
        return self.highest if aggregation is Aggregation.MAX else self.lowest

    def applied_to(self, cells: Cells) -> Cells:
        """The page's new cells, given all its present ones; used where adding alone does not do."""
        merged = dict(cells)
        for name, value in self.add.items():
            merged[name] = EXACT_SUMS.add(merged.get(name, 0), value)
        for name, value in self.highest.items():
            merged[name] = max(merged.get(name, value), value)
        for name, value in self.lowest.items():
            merged[name] = min(merged.get(name, value), value)
        return merged


class Page(msgspec.Struct):
    """A stored page: its cells and the number of the last commit applied to it (0: the page does not exist yet)."""

    key: PageKey
    stamp: int = 0
    cells: Cells = {}


def as_number(value: Decimal) -> Number:
    """Integers as int, so that equal quantities have one representation."""
    return int(value) if value == value.to_integral_value() else value
