"""Invoices: an immutable body in two items (header; lines with the frozen document) and the changing payment."""

import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.billing.invoice_conditions import ISSUED_AT, PERIOD_START, invoices_among
from functions.adapters.dynamo.billing.invoices_of_customers import INDEXED_FROM, InvoicesOfCustomers
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, VERSION
from functions.adapters.dynamo.listing import DynamoListing, Narrowed
from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
from functions.adapters.dynamo.subscriptions.reconciliation_store import recheck_item
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import InvoicesWanted
from functions.application.ports.listing import Listing
from functions.application.ports.reconciliation import Recheck
from functions.application.ports.stored import Stale
from functions.domain.billing.invoice import Invoice, InvoiceRecord, Payment, number_prefix
from functions.domain.billing.line import InvoiceLine
from functions.domain.catalog.coupon import AppliedCoupon
from functions.domain.identity import ulid_floor
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.wire import WireModel
from functions.names import PARTITION_KEY, SORT_KEY

# The run that issues an invoice pushes it as well; other runs leave it that long to do so.
PUSH_GRACE = timedelta(minutes=10)
# Every line has its price, which can be far longer than the 32 KB that zlib looks back to find it again.
FAR_APART = 64_000
_LZMA = b"\xfd7zXZ"


# Nothing is issued before it is owed, and no clock is that wrong.
CLOCKS_DIFFER = timedelta(days=1)
ALL = InvoicesWanted()


class _Lines(WireModel):
    lines: tuple[InvoiceLine, ...]


class _UnreadLines(msgspec.Struct):
    lines: list[msgspec.Raw]


_unread = msgspec.json.Decoder(_UnreadLines).decode


class DynamoInvoices:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._subscriptions = DynamoSubscriptions(table)
        self._coupons = DynamoCoupons(table)

    def get(self, tenant: str, invoice_id: str) -> InvoiceRecord | None:
        header = self._table.get(keys.records(tenant, keys.INVOICE), invoice_id)
        body = self._table.get(keys.records(tenant, keys.INVOICE_LINES), invoice_id) if header else None
        return record_of(header, body) if header else None

    def header(self, tenant: str, invoice_id: str) -> InvoiceRecord | None:
        """The invoice without its lines."""
        item = self._table.get(keys.records(tenant, keys.INVOICE), invoice_id)
        return record_of(item) if item else None

    def lines(self, tenant: str, invoice_id: str) -> Sequence[Callable[[], InvoiceLine]]:
        """In the order of the invoice; to read one costs far more than to pass it by."""
        item = self._table.get(keys.records(tenant, keys.INVOICE_LINES), invoice_id)
        stored = _unread(unpacked(item["lines"])).lines if item else []
        return [partial(InvoiceLine.model_validate_json, bytes(line)) for line in stored]

    def headers(
        self, tenant: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[InvoiceRecord]:
        found = self._table.query(
            keys.records(tenant, keys.INVOICE),
            first=ulid_floor(since) if since else None,
            last=ulid_floor(until + timedelta(seconds=1)) if until else None,
        )
        return (record_of(item) for item in found)

    def of_customer(self, tenant: str, customer_id: str, since: datetime, most: int) -> list[InvoiceRecord]:
        found = self._table.query(
            keys.records(tenant, keys.CUSTOMER_INVOICE),
            first=keys.joined(customer_id, ulid_floor(since)),
            last=f"{customer_id}#~",
            limit=most,
        )
        ids = (item[SORT_KEY].removeprefix(f"{customer_id}#") for item in found)
        return [record for each in ids if (record := self.get(tenant, each)) is not None]

    def unindexed_of_customer(self, tenant: str, customer_id: str, since: datetime, most: int) -> list[InvoiceRecord]:
        ids = (each.invoice.id for each in self.headers(tenant, since=since) if each.invoice.customer.id == customer_id)
        return [record for each in islice(ids, most) if (record := self.get(tenant, each)) is not None]

    def listing(self, tenant: str, wanted: InvoicesWanted = ALL) -> Listing[InvoiceRecord]:
        """Headers, by the instant each invoice is owed from."""
        if not wanted.customer_ids:
            return self._headers(tenant, wanted, _last(wanted.issued[1]))
        early = self._headers(tenant, wanted, INDEXED_FROM)
        return InvoicesOfCustomers(self._table, tenant, wanted.customer_ids, early)

    def _headers(self, tenant: str, wanted: InvoicesWanted, last: str | None) -> DynamoListing[InvoiceRecord]:
        narrowed = Narrowed(last, invoices_among(wanted))
        return DynamoListing(self._table, keys.records(tenant, keys.INVOICE), record_of, narrowed=narrowed)

    def last_number(self, tenant: str, prefix: str) -> int:
        item = self._table.get(keys.records(tenant, keys.INVOICE_NUMBER), prefix)
        return item[VERSION] if item else 0

    def issue(
        self,
        tenant: str,
        record: InvoiceRecord | None,
        advanced: Sequence[tuple[Subscription, Subscription]],
        last_number: int,
        coupons: Sequence[AppliedCoupon] = (),
        recheck: Recheck | None = None,
    ) -> None:
        writes = [] if record is None else self._issuing(record, last_number)
        writes += [self._table.putting(recheck_item(recheck))] if recheck else []
        writes += [self._coupons.writing(tenant, each) for each in coupons]
        for before, after in advanced:
            writes += self._subscriptions.writing(tenant, before, after)
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error

    def _issuing(self, record: InvoiceRecord, last_number: int) -> list[dict[str, Any]]:
        invoice = record.invoice
        next_push_at = invoice.issued_at + PUSH_GRACE
        lines = {
            PARTITION_KEY: keys.records(invoice.tenant, keys.INVOICE_LINES),
            SORT_KEY: invoice.id,
            "lines": packed(_Lines(lines=invoice.lines).model_dump_json()),
            # Kept as bytes: a push that is repeated by a later version of this code must send the same document.
            "document": packed(invoice.document().to_json()),
        }
        counter = {
            PARTITION_KEY: keys.records(invoice.tenant, keys.INVOICE_NUMBER),
            SORT_KEY: number_prefix(invoice.customer.name),
        }
        return [
            self._table.putting_version(header_item(record, next_push_at, failed_pushes=0), 0),
            self._table.putting(lines, NOT_YET_STORED),
            self._table.putting_version(counter, last_number),
            self._table.putting(unpushed_item(invoice, next_push_at)),
            self._table.putting(_item_of_customer(invoice)),
        ]


def _last(issued_before: datetime | None) -> str | None:
    return ulid_floor(issued_before + CLOCKS_DIFFER) if issued_before else None


def packed(text: str) -> bytes:
    plain = text.encode()
    return zlib.compress(plain) if len(plain) < FAR_APART else lzma.compress(plain, preset=1)


def unpacked(body: bytes) -> str:
    plain = lzma.decompress(body) if body.startswith(_LZMA) else zlib.decompress(body)
    return plain.decode()


def header_item(record: InvoiceRecord, next_push_at: datetime | None, failed_pushes: int) -> Item:
    """What a list of invoices shows; everything but the lines."""
    header = record.invoice.model_copy(update={"lines": ()})
    return {
        PARTITION_KEY: keys.records(header.tenant, keys.INVOICE),
        SORT_KEY: header.id,
        "body": header.model_dump_json(),
        "payment": record.payment.model_dump_json(),
        ISSUED_AT: keys.instant(header.issued_at),
        PERIOD_START: keys.instant(header.period_start),
        "next_push_at": keys.instant(next_push_at) if next_push_at else None,
        "failed_pushes": failed_pushes,
    }


def unpushed_item(invoice: Invoice, at: datetime) -> Item:
    key = keys.joined(keys.instant(at), invoice.tenant, invoice.customer.id, invoice.id)
    return {PARTITION_KEY: keys.UNPUSHED, SORT_KEY: key}


def _item_of_customer(invoice: Invoice) -> Item:
    partition = keys.records(invoice.tenant, keys.CUSTOMER_INVOICE)
    return {PARTITION_KEY: partition, SORT_KEY: keys.joined(invoice.customer.id, invoice.id)}


def record_of(header: Item, lines: Item | None = None) -> InvoiceRecord:
    invoice = Invoice.model_validate_json(header["body"])
    if lines is not None:
        kept = _Lines.model_validate_json(unpacked(lines["lines"]))
        invoice = invoice.model_copy(update={"lines": kept.lines})
    return InvoiceRecord(invoice, Payment.model_validate_json(header["payment"]), header[VERSION])
