"""Counter pages: how a (window, meter, group) cell finds its page and its short name, forth and back.

A page holds three hours of half-hour windows for sixteen codes of one subject (or of a whole lane), so that a
usual page is one write unit. A code stands for (meter, group values) in one (tenant, lane).
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from operator import gt, lt
from string import ascii_lowercase, digits
from typing import Any, NamedTuple

import msgspec

from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import DIRTY, VALUE_BYTES, Cell, Latest, Number, add
from functions.domain.metering.cells.aggregation import WINDOW_SECONDS as WINDOW_SECONDS

WINDOWS_PER_PAGE = 6
PAGE_SECONDS = WINDOW_SECONDS * WINDOWS_PER_PAGE
# A level is what all changes before it make, so its changes are kept by three days too: 21 such pages a year.
# These coarse windows are numbered from the epoch like the half hours and lie where those of 1970 and 1971 would, in
# which nothing is counted; so one way of writing serves both.
COARSE_SECONDS = 3 * 86_400
FIRST_WINDOW = 36_000  # the first that is a half hour; coarse windows reach it in 2265
CODES_PER_PAGE = 16
# A page must stay far below DynamoDB's 400 KB whatever is sent: at most 96 cells, each of a name and at most 200
# buckets of 8 bytes, make 155 KB; distinct values beyond `WINDOW_BYTES` lie beside it.
MAX_BUCKETS = 200
# A stored window takes distinct values up to here, further ones lie beside the page. Seven meters have room for twelve
# values in one group or six in two, and six such windows, the keys and the stamp are one write unit of 1,024 bytes.
WINDOW_BYTES = 144
# What a cell takes in its stored window, once its number has grown: code, number; code, length; code, second, number,
# and the microsecond within it where there is one.
NUMBER_BYTES, VALUES_BYTES, LATEST_BYTES, MICROS_BYTES = 6, 3, 9, 5

WINDOW_LETTERS = "ABCDEF"
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
    return _name(window % WINDOWS_PER_PAGE, code)


@lru_cache(maxsize=20_000)  # one text for all pages that have the cell
def _name(place: int, code: int) -> str:
    return WINDOW_LETTERS[place] + encode_code(code)


def parse_cell(name: str, span: int) -> tuple[int, int]:
    """(window number, code) of a cell on the page of `span`."""
    return span * WINDOWS_PER_PAGE + WINDOW_LETTERS.index(name[0]), decode_code(name[1:])


@lru_cache(maxsize=20_000)
def code_in(name: str) -> int:
    """The code of a cell, behind the letter of the window within its page."""
    return decode_code(name[1:])


class PageKey(msgspec.Struct, frozen=True, array_like=True, order=True, cache_hash=True):
    """Whose page (a subject's, or the lane's totals when `subject` is None), its three-hour span and its number."""

    tenant: str
    lane: int
    subject: str | None
    span: int
    number: int


Cells = dict[str, Cell]


# Of a stored commit, compressed: measured with a page for each event.
PAGE_WEIGHT, CELL_WEIGHT = 24, 8


class PageDelta(msgspec.Struct, array_like=True):
    """What one commit does to one page: contributions to cells, by the kind of the cell.

    What was voided is deducted from sums and sketches by negative contributions. `lost_...` are voided contributions
    that cannot be deducted: a cell that does not surely hold more than them becomes dirty, like all those of `dirty`.
    """

    key: PageKey
    sum: dict[str, Number] = {}
    highest: dict[str, Number] = {}
    lowest: dict[str, Number] = {}
    latest: dict[str, Latest] = {}
    values: dict[str, bytes] = {}
    sketch: dict[str, bytes] = {}
    lost_highest: dict[str, Number] = {}
    lost_lowest: dict[str, Number] = {}
    lost_latest: dict[str, Latest] = {}
    dirty: list[str] = []

    @property
    def weight(self) -> int:
        """About how many bytes it takes in a stored commit."""
        cells = len(self.sum) + len(self.highest) + len(self.lowest) + len(self.latest) + len(self.dirty)
        packed = 0 if self.key.subject is None else sum(map(len, self.values.values()))
        return PAGE_WEIGHT + cells * CELL_WEIGHT + packed + sum(map(len, self.sketch.values()))

    def applied_to(self, cells: Cells) -> Cells:
        """The cells this changes with their new contents, given the page's present ones; all kinds but values."""
        changed: Cells = {}
        present: Any
        for name, value in self.sum.items():
            present = cells.get(name)
            if present is None:
                changed[name] = value
            elif value:
                changed[name] = add(present, value)
        for is_better, part in ((gt, self.highest), (lt, self.lowest), (gt, self.latest)):
            for name, cell in part.items():
                present = cells.get(name)
                if present is None or (present != DIRTY and is_better(cell, present)):
                    changed[name] = cell
        for name, packed in self.sketch.items():
            present = cells.get(name)
            changed[name] = packed if present is None else sketch.merge(as_bytes(present), packed, MAX_BUCKETS)
        for name in self._made_dirty(cells):
            changed[name] = DIRTY
        return changed

    def _made_dirty(self, cells: Cells) -> Iterator[str]:
        """Whatever is greater than all that is lost was contributed by an event that is still there."""
        for name in self.dirty:
            if cells.get(name) != DIRTY:
                yield name
        for keep, lost in ((max, self.lost_highest), (min, self.lost_lowest), (max, self.lost_latest)):
            for name, cell in lost.items():
                present: Any = cells.get(name)
                if present != DIRTY and (present is None or present == cell or keep(present, cell) == cell):
                    yield name


class Page(msgspec.Struct):
    """A stored page: its cells and the number of the last commit that changed it (0: the page does not exist yet)."""

    key: PageKey
    stamp: int = 0
    cells: Cells = {}


class PageWrite(NamedTuple):
    """New contents of some cells of a page, valid only while the page is as it was seen, whole, in `page`.

    `stamp` is the number of the commit that changes it.
    """

    stamp: int
    page: Page
    changed: Cells


class ValueChunk(NamedTuple):
    """Distinct values of a cell that has too many for its page, packed; `n` is the commit they came with."""

    n: int
    key: PageKey
    cell: str
    values: bytes


def chunks_by_page(chunks: Iterable[ValueChunk]) -> dict[tuple[PageKey, int], dict[str, bytes]]:
    """The values by cell of each page and commit, which are stored together."""
    by_page: dict[tuple[PageKey, int], dict[str, bytes]] = {}
    for n, key, cell, values in chunks:
        by_page.setdefault((key, n), {})[cell] = values
    return by_page


class UnitedChunks(NamedTuple):
    """Values by cell in place of the chunks that some commits put beside a page; `parts` are their numbers, rising."""

    key: PageKey
    cells: Mapping[str, bytes]
    parts: tuple[int, ...]

    @property
    def name(self) -> str:
        """Another one for other values, so that nobody who unites up to the same commit takes values away."""
        digest = blake2b(digest_size=8, person=b"united values")
        for cell, values in sorted(self.cells.items()):
            digest.update(b"%s %d " % (cell.encode(), len(values)) + values)
        return f"{self.parts[-1]:012d}.{digest.hexdigest()}"


def as_bytes(cell: Cell) -> bytes:
    assert isinstance(cell, bytes), "not a set of values or a sketch"
    return cell


def stored_bytes(cell: Cell) -> int:
    """About what a cell takes in its stored window."""
    if isinstance(cell, bytes):
        return VALUES_BYTES + len(cell)
    if isinstance(cell, tuple):
        return LATEST_BYTES + MICROS_BYTES if cell[1] else LATEST_BYTES
    return NUMBER_BYTES


def has_room_for(used: int, count: int) -> bool:
    """Do so many more distinct values fit into a stored window that takes so many bytes without them?"""
    return used + VALUE_BYTES * count <= WINDOW_BYTES


def as_number(value: Decimal) -> Number:
    """Integers as int, so that equal quantities have one representation."""
    return int(value) if value == value.to_integral_value() else value
