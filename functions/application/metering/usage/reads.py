"""Where a question reads: each question for itself, or those about one invoice together, each thing once.

What was read once is older than the question that gets it. Three orders keep every answer right:

- The commits behind a head are read before any page, and never again. A page that was kept does not have what a later
  head no longer lists.
- The codes of a lane are read behind its commits, so that whatever these add to counters has its code.
- The index of the log is read behind the counters. One that was read before some of them may lack what those hold, so
  it is read again.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from functions.application.metering.usage.code_book import CodeBook, Codes
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.metering.usage.memo import Memo
from functions.application.metering.usage.opened_objects import KEPT_BYTES, OpenedObjects
from functions.application.ports.history import HistoryReader
from functions.application.ports.ledger import ArchiveReader, LedgerReader, LogIndex
from functions.domain.metering.cells.pages import Page, PageKey
from functions.domain.metering.ledger.history import Backfill, HistoryPart
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.ledger.ledger import Code
from functions.domain.metering.usage.usage import UsageQuery

# What is kept of the ledger for an invoice, about, of 1 GB; objects of the archive have as much again.
MEMO_BYTES = 50_000_000
# In memory, about: whatever is kept, and a counter of a page.
ITEM_BYTES, CELL_BYTES = 300, 150

Item = TypeVar("Item")


@dataclass(frozen=True)
class Reads:
    tenant: str
    pages: CurrentPages
    codes: Codes
    past: HistoryReader
    index: LogIndex
    objects: OpenedObjects


def own_reads(ledger: LedgerReader, archive: ArchiveReader, book: CodeBook, query: UsageQuery) -> Reads:
    """Those of one question."""
    objects = OpenedObjects.of_question(archive, query)
    return Reads(query.tenant, CurrentPages(ledger, query.tenant), book, ledger, ledger, objects)


def shared_reads(ledger: LedgerReader, archive: ArchiveReader, book: CodeBook, tenant: str) -> Reads:
    """Those of all questions about one customer of the tenant. Whatever has no room is read by each for itself."""
    memo = Memo(MEMO_BYTES)
    pages = SharedPages(ledger, tenant, memo)
    shared = SharedLedger(ledger, book, pages, memo)
    return Reads(tenant, pages, shared, shared, shared, OpenedObjects(archive, tenant, room=KEPT_BYTES))


class SharedPages(CurrentPages):
    """`times` counts the reads of counters."""

    def __init__(self, ledger: LedgerReader, tenant: str, memo: Memo) -> None:
        super().__init__(ledger, tenant)
        self._memo = memo
        self.times = 0

    def pages(
        self, lane: int, subject: str | None, first_span: int, last_span: int, at_once: int | None = None
    ) -> Iterator[Page]:
        key = "pages", lane, subject, first_span, last_span
        read = super().pages(lane, subject, first_span, last_span, at_once)
        return self._memo.once(key, partial(self._counted, read), _page_bytes)

    def read_pages(self, keys: Sequence[PageKey]) -> Iterator[Page]:
        return self._counted(super().read_pages(keys))

    def value_chunks(
        self, lane: int, subject: str | None, first_span: int, last_span: int
    ) -> Iterator[tuple[PageKey, str, bytes]]:
        key = "values", lane, subject, first_span, last_span
        read = super().value_chunks(lane, subject, first_span, last_span)
        return self._memo.once(key, partial(self._counted, read), _chunk_bytes)

    def _counted(self, read: Iterator[Item]) -> Iterator[Item]:
        self.times += 1
        yield from read


class SharedLedger:
    """The rest of the ledger."""

    def __init__(self, ledger: LedgerReader, book: CodeBook, pages: SharedPages, memo: Memo) -> None:
        self._ledger = ledger
        self._book = book
        self._pages = pages
        self._memo = memo

    def codes(self, tenant: str, lane: int) -> list[Code]:
        self._pages.settled(lane)
        return list(self._memo.once(("codes", tenant, lane), partial(self._book.codes, tenant, lane), _item_bytes))

    def history(
        self, tenant: str, lane: int, subject: str | None, meter_id: str, first_span: int, last_span: int
    ) -> Iterator[HistoryPart]:
        place = tenant, lane, subject, meter_id, first_span, last_span
        return self._memo.once(("history", *place), partial(self._ledger.history, *place), _part_bytes)

    def backfill(self, tenant: str, meter_id: str) -> Backfill | None:
        key = tenant, meter_id
        (found,) = self._memo.once(("backfill", *key), lambda: [self._ledger.backfill(*key)], _item_bytes)
        return found

    def index_of_hours(self, lane: int, hours: Collection[int]) -> Iterator[HourEntry]:
        key = "hours", self._pages.times, lane, frozenset(hours)
        return self._memo.once(key, partial(self._ledger.index_of_hours, lane, hours), _item_bytes)


def _item_bytes(_item: object) -> int:
    return ITEM_BYTES


def _page_bytes(page: Page) -> int:
    return ITEM_BYTES + sum(CELL_BYTES + (len(cell) if type(cell) is bytes else 0) for cell in page.cells.values())


def _chunk_bytes(chunk: tuple[PageKey, str, bytes]) -> int:
    return ITEM_BYTES + len(chunk[2])


def _part_bytes(part: HistoryPart) -> int:
    return ITEM_BYTES + len(part.body)
