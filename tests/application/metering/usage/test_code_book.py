"""Codes are read once and never missed, in any order in which a commit's codes are stored."""

from functions.adapters.memory.ledger import MemoryLedger
from functions.application.metering.usage.code_book import CodeBook
from functions.domain.metering.ledger.ledger import Code


def put(ledger: MemoryLedger, *numbers: int, parts: int = 1, lane: int = 0, skipped: int = 0) -> None:
    for number in numbers:
        code = Code("t", number, "m", {"model": str(number)}, parts, skipped)
        ledger.table.put(("code", "t", lane, number), code)


def read(book: CodeBook, lane: int = 0) -> list[int]:
    return [code.number for code in book.codes("t", lane)]


class CountingLedger(MemoryLedger):
    """Counts the codes it hands out."""

    given = 0

    def codes(self, tenant: str, lane: int, first: int = 0) -> list[Code]:
        found = list(super().codes(tenant, lane, first))
        self.given += len(found)
        return found


def test_only_new_codes_are_read_again() -> None:
    ledger = CountingLedger()
    book = CodeBook(ledger)
    put(ledger, 0, 1, 2)
    assert read(book) == [0, 1, 2]
    put(ledger, 3)
    assert read(book) == read(book) == [0, 1, 2, 3]
    assert ledger.given == 4


def test_a_code_that_is_stored_after_its_successor_is_found() -> None:
    ledger = MemoryLedger()
    book = CodeBook(ledger)
    put(ledger, 0, 2)
    assert read(book) == [0, 2]
    put(ledger, 1)
    assert read(book) == [0, 1, 2]


def test_codes_of_several_parts_leave_no_gap() -> None:
    ledger = CountingLedger()
    book = CodeBook(ledger)
    put(ledger, 0, 2, parts=2)
    put(ledger, 4)
    assert read(book) == read(book) == [0, 2, 4]
    assert ledger.given == 3


def test_skipped_numbers_are_no_gap_and_a_code_before_them_is_found_later() -> None:
    ledger = CountingLedger()
    book = CodeBook(ledger)
    put(ledger, *range(14))
    put(ledger, 16, parts=2, skipped=1)
    assert read(book) == [*range(14), 16]
    put(ledger, 14)
    assert read(book) == read(book) == [*range(15), 16]
    assert ledger.given == 15 + 2


def test_no_more_is_remembered_than_allowed() -> None:
    ledger = CountingLedger()
    book = CodeBook(ledger, max_codes=5)
    put(ledger, *range(4))
    put(ledger, *range(4), lane=1)
    assert read(book, 0) == read(book, 1) == read(book, 1) == [0, 1, 2, 3]
    assert ledger.given == 8
    assert read(book, 0) == [0, 1, 2, 3]
    assert ledger.given == 12
