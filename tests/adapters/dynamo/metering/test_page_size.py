"""A full page of seven meters is one write unit, with all numbers that fit 32 bits."""

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.metering.packed_windows import packed_windows
from functions.adapters.dynamo.metering.page_writer import STAMP
from functions.adapters.memory.ledger import MemoryLedger
from functions.application.metering.ledger.apply_pages import PageApplier
from functions.domain.metering.cells.aggregation import VALUE_BYTES, pack_values
from functions.domain.metering.cells.pages import (
    WINDOW_LETTERS,
    WINDOW_SECONDS,
    WINDOWS_PER_PAGE,
    Page,
    PageDelta,
    PageKey,
)
from functions.domain.metering.ledger.ledger import Commit, Counts
from functions.names import PARTITION_KEY, SORT_KEY
from tests.bench.counting import WRITE_UNIT_BYTES, item_bytes

SPAN = 165_740
LARGEST = 2**32 - 1
VALUES_OF_TWO_GROUPS, VALUES_OF_ONE = 6, 12
MICROSECOND = 999_999  # takes five bytes a latest value: up to a distinct value less a group and window
SUBJECT = PageKey("01J9Z3K4M5N6P7Q8R9S0T1V2W3", 7, "7d444840-9dc0-11d1-b245-5ffdce74fad2", SPAN, 0)
LANE = PageKey(SUBJECT.tenant, SUBJECT.lane, None, SPAN, 0)


def test_a_full_page_of_seven_meters_by_two_groups_is_one_write_unit() -> None:
    for owner in (SUBJECT, LANE):
        page = full_page(owner, groups=2)
        assert values_of(page) == VALUES_OF_TWO_GROUPS * WINDOWS_PER_PAGE
        assert stored_size(page) <= WRITE_UNIT_BYTES, owner


def test_twelve_values_of_one_group_lie_in_the_page() -> None:
    page = full_page(SUBJECT, groups=1)
    assert {len(cell) for cell in page.cells.values() if isinstance(cell, bytes)} == {VALUES_OF_ONE * VALUE_BYTES}
    assert stored_size(page) <= WRITE_UNIT_BYTES


def test_microseconds_of_latest_values_take_the_place_of_distinct_ones() -> None:
    for owner in (SUBJECT, LANE):
        one, two = (full_page(owner, groups, MICROSECOND) for groups in (1, 2))
        assert values_of(one) == (VALUES_OF_ONE - 1) * WINDOWS_PER_PAGE
        assert values_of(two) == (VALUES_OF_TWO_GROUPS - 2) * WINDOWS_PER_PAGE
        assert max(stored_size(one), stored_size(two)) <= WRITE_UNIT_BYTES, owner


def values_of(page: Page) -> int:
    return sum(len(cell) // VALUE_BYTES for cell in page.cells.values() if isinstance(cell, bytes))


def full_page(owner: PageKey, groups: int, micros: int = 0) -> Page:
    """Values come one by one until none of them fits any more."""
    ledger = MemoryLedger()
    applier = PageApplier(ledger)
    for n in range(1, 20):
        cells = {}
        for place, letter in enumerate(WINDOW_LETTERS):
            for group in range(groups):
                cells[f"{letter}{'2a'[group]}"] = pack_values([place * 1_000 + group * 100 + n])
        delta = PageDelta(owner, values=cells) if n > 1 else numbers(owner, groups, micros)
        applier.apply([Commit(7, n, "a", 0, 0, {}, [delta], [], [], [], [], "", b"", Counts(), {})])
    (page,) = ledger.read_pages([owner])
    return page


def numbers(owner: PageKey, groups: int, micros: int) -> PageDelta:
    """What the other six of seven meters keep, code by code as the directory numbers them."""
    delta = PageDelta(owner, {}, {}, {}, {})
    for place, letter in enumerate(WINDOW_LETTERS):
        last_second = (SPAN * WINDOWS_PER_PAGE + place + 1) * WINDOW_SECONDS - 1
        for first in range(0, 8 * groups, 8):
            names = [f"{letter}{'0123456789abcdef'[first + code]}" for code in range(8)]
            total, calls, _, mean, count, fastest, slowest, context = names
            delta.sum |= {total: LARGEST, calls: LARGEST, mean: LARGEST, count: LARGEST}
            delta.lowest[fastest] = LARGEST
            delta.highest[slowest] = LARGEST
            delta.latest[context] = (last_second, micros, LARGEST)
    return delta


def stored_size(page: Page) -> int:
    key = page.key
    windows = {letter: {"B": body} for letter, body in packed_windows(key, page.cells, page.cells).items()}
    assert set(windows) == set(WINDOW_LETTERS)
    place = {PARTITION_KEY: {"S": keys.page_owner(key)}, SORT_KEY: {"S": keys.page(key.span, key.number)}}
    return item_bytes({**place, STAMP: {"N": "1" * 12}, **windows})
