"""What went wrong for single customers, and who is waiting for an invoice right now."""

from collections.abc import Iterator, Sequence

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import Table
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice_request import InvoiceRequest
from functions.names import PARTITION_KEY, SORT_KEY

NO_INVOICE = "-"


class DynamoFailures:
    def __init__(self, table: Table) -> None:
        self._table = table

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Failure]:
        found = self._table.query(keys.records(tenant, keys.BILLING_FAILURE), prefix=f"{customer_id}#")
        return [_failure(item) for item in found]

    def all(self, tenant: str) -> Iterator[Failure]:
        found = self._table.query(keys.records(tenant, keys.BILLING_FAILURE))
        return (_failure(item) for item in found)

    def listing(self, tenant: str) -> DynamoListing[Failure]:
        return DynamoListing(self._table, keys.records(tenant, keys.BILLING_FAILURE), _failure)

    def record(self, failure: Failure) -> None:
        pk, sk = failure_key(failure.tenant, failure.customer_id, failure.invoice_id)
        before = self._table.get(pk, sk)
        if before is not None:
            attempts = _failure(before).attempts
            failure = failure.model_copy(update={"attempts": attempts + 1})
        self._table.put(failure_item(failure))

    def clear(self, tenant: str, customer_id: str, invoice_id: str | None = None) -> None:
        self._table.delete(*failure_key(tenant, customer_id, invoice_id))


class DynamoInvoiceRequests:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, customer_id: str) -> InvoiceRequest | None:
        item = self._table.get(keys.records(tenant, keys.INVOICE_REQUEST), customer_id)
        return InvoiceRequest.model_validate_json(item["body"]) if item else None

    def put(self, tenant: str, request: InvoiceRequest) -> None:
        key = {PARTITION_KEY: keys.records(tenant, keys.INVOICE_REQUEST), SORT_KEY: request.customer_id}
        self._table.put(key | {"body": request.model_dump_json()})


def failure_key(tenant: str, customer_id: str, invoice_id: str | None) -> tuple[str, str]:
    return keys.records(tenant, keys.BILLING_FAILURE), keys.joined(customer_id, invoice_id or NO_INVOICE)


def failure_item(failure: Failure) -> Item:
    pk, sk = failure_key(failure.tenant, failure.customer_id, failure.invoice_id)
    return {PARTITION_KEY: pk, SORT_KEY: sk, "body": failure.model_dump_json()}


def _failure(item: Item) -> Failure:
    return Failure.model_validate_json(item["body"])
