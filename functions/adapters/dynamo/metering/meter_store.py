"""Meters: full records in the billing table and the set of those that count in the usage table, written together."""

from functions.adapters.dynamo import billing_keys, usage_keys
from functions.adapters.dynamo.client import TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION
from functions.adapters.dynamo.listing import DynamoListing, Unlisted
from functions.adapters.dynamo.sale_counts import withdrawing
from functions.adapters.dynamo.table import Table
from functions.application.ports.catalog import SaleCounts
from functions.application.ports.stored import Stale, Stored
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.names import PARTITION_KEY, SORT_KEY

DELETED: Unlisted[MeterRecord] = Unlisted('"deletedAt":"', lambda meter: meter.deleted_at is not None)


class DynamoMeters:
    def __init__(self, billing: Table, usage: Table) -> None:
        self._billing = billing
        self._usage = usage

    def counting(self, tenant: str) -> MeterSet:
        item = self._usage.get(usage_keys.meters(tenant), usage_keys.METER_SET)
        return MeterSet.decode(item["body"]) if item else MeterSet(0)

    def get(self, tenant: str, meter_id: str) -> Stored[MeterRecord] | None:
        item = self._billing.get(billing_keys.records(tenant, billing_keys.METER), meter_id)
        return Stored(_meter(item), item[VERSION]) if item else None

    def listing(self, tenant: str, *, with_deleted: bool = False) -> DynamoListing[MeterRecord]:
        unlisted = None if with_deleted else DELETED
        partition = billing_keys.records(tenant, billing_keys.METER)
        return DynamoListing(self._billing, partition, _meter, unlisted=unlisted)

    def save(
        self, tenant: str, meter: Stored[MeterRecord], counting: MeterSet, *, unsold_at: SaleCounts | None = None
    ) -> None:
        record = {
            PARTITION_KEY: billing_keys.records(tenant, billing_keys.METER),
            SORT_KEY: meter.record.id,
            "body": meter.record.model_dump_json(by_alias=True, exclude_none=True),
        }
        whole_set = {
            PARTITION_KEY: usage_keys.meters(tenant),
            SORT_KEY: usage_keys.METER_SET,
            "body": counting.encode(),
        }
        writes = [
            self._billing.putting_version(record, meter.version),
            self._usage.putting_version(whole_set, counting.version - 1),
        ]
        if unsold_at is not None:
            writes += withdrawing(self._billing, tenant, unsold_at)
        try:
            self._billing.transact(writes)
        except TransactionRefused as refused:
            raise Stale from refused


def _meter(item: Item) -> MeterRecord:
    return MeterRecord.model_validate_json(item["body"])
