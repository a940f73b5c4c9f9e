"""The gateway's side of an invoice: the frozen document it is pushed from, and what comes back about its money."""

from datetime import datetime, timedelta
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.billing.failure_store import failure_item, failure_key
from functions.adapters.dynamo.billing.invoice_store import header_item, record_of, unpacked, unpushed_item
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.table import Table
from functions.application.ports.gateway import PaymentUpdate
from functions.domain.billing.document import InvoiceDocument
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice import InvoiceRecord, Payment
from functions.domain.billing.push import MAY_REPLACE, PaymentStatus
from functions.domain.errors import NotFound, Unavailable
from functions.names import PARTITION_KEY, SORT_KEY

# The gateway's answer, a webhook and a failed run may meet; each of them wins within a few rounds.
MAX_TRIES = 8
# A refused push is tried again by itself, ever more rarely: a person repairs the cause and need not touch each invoice.
FIRST_RETRY = timedelta(hours=1)
SLOWEST_RETRY = timedelta(days=1)


class DynamoInvoiceDocuments:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, invoice_id: str) -> InvoiceDocument:
        item = self._table.get(keys.records(tenant, keys.INVOICE_LINES), invoice_id)
        if item is None:
            raise _no_invoice(invoice_id)
        return InvoiceDocument.from_json(unpacked(item["document"]))


class DynamoInvoicePayments:
    def __init__(self, table: Table) -> None:
        self._table = table

    def record_payment(self, tenant: str, invoice_id: str, update: PaymentUpdate) -> bool:
        for _ in range(MAX_TRIES):
            item = self._table.get(keys.records(tenant, keys.INVOICE), invoice_id)
            if item is None:
                raise _no_invoice(invoice_id)
            record = record_of(item)
            if record.payment.status not in MAY_REPLACE[update.status]:
                return False
            try:
                self._table.transact(self._writes(item, record, update))
            except (TransactionRefused, Contended):
                continue
            return True
        raise Unavailable(f"Invoice {invoice_id} is being written by others.", retry_after_seconds=2)

    def _writes(self, item: Item, record: InvoiceRecord, update: PaymentUpdate) -> list[dict[str, Any]]:
        """The payment under the version it was read with, and the index entry that says when to push next."""
        invoice = record.invoice
        paid = InvoiceRecord(invoice, _merged(record.payment, update), record.version)
        refused = update.status is PaymentStatus.PUSH_FAILED
        failed_pushes = item["failed_pushes"] + 1 if refused else 0
        before = datetime.fromisoformat(item["next_push_at"]) if "next_push_at" in item else None
        after = update.at + _wait(failed_pushes) if refused else None
        writes = [self._table.putting_version(header_item(paid, after, failed_pushes), record.version)]
        if before is not None and before != after:
            entry = unpushed_item(invoice, before)
            writes.append(self._table.deleting(entry[PARTITION_KEY], entry[SORT_KEY]))
        if after is not None:
            writes.append(self._table.putting(unpushed_item(invoice, after)))
            writes.append(self._table.putting(failure_item(_failure(record, update, failed_pushes))))
        else:
            writes.append(self._table.deleting(*failure_key(invoice.tenant, invoice.customer.id, invoice.id)))
        return writes


def _wait(failed_pushes: int) -> timedelta:
    doubled: timedelta = FIRST_RETRY * (1 << min(failed_pushes - 1, 10))
    return min(doubled, SLOWEST_RETRY)


def _merged(payment: Payment, update: PaymentUpdate) -> Payment:
    learnt = {
        "gateway_invoice": update.gateway_invoice,
        "gateway_number": update.number,
        "hosted_invoice_url": update.hosted_invoice_url,
        "invoice_pdf": update.invoice_pdf,
        "amount_due_minor": update.amount_due_minor,
        "amount_paid_minor": update.amount_paid_minor,
        "returned_minor": update.returned_minor,
        "due_at": update.due_at,
    }
    failure = update.failure
    return payment.model_copy(
        update={name: value for name, value in learnt.items() if value is not None}
        | {
            "status": update.status,
            "updated_at": update.at,
            "failure_code": failure.code if failure else None,
            "failure_message": failure.message if failure else None,
            "failed_at": update.at if failure else None,
        }
    )


def _failure(record: InvoiceRecord, update: PaymentUpdate, attempts: int) -> Failure:
    return Failure(
        tenant=record.invoice.tenant,
        customer_id=record.invoice.customer.id,
        invoice_id=record.invoice.id,
        run_id=record.invoice.run_id,
        step="push",
        code=update.failure.code if update.failure else "push_failed",
        message=update.failure.message if update.failure else "The gateway refused the invoice.",
        failed_at=update.at,
        attempts=attempts,
    )


def _no_invoice(invoice_id: str) -> NotFound:
    return NotFound(f"There is no invoice {invoice_id!r}.", code="invoice_not_found")
