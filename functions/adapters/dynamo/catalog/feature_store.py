"""Features in the billing table, with a lock item that keeps the key of an active one unique."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, STORED, VERSION, Condition, version_is
from functions.adapters.dynamo.listing import DynamoListing, Unlisted
from functions.adapters.dynamo.sale_counts import withdrawing
from functions.adapters.dynamo.table import Table
from functions.application.ports.catalog import SaleCounts
from functions.application.ports.stored import Stale, Stored, Taken
from functions.domain.catalog.feature import Feature, MeteredFeature
from functions.domain.catalog.validation import MeterFacts
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.names import PARTITION_KEY, SORT_KEY

ARCHIVED: Unlisted[Feature] = Unlisted('"archivedAt":"', lambda feature: feature.is_archived)


class DynamoFeatures:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, feature_id: str) -> Feature | None:
        item = self._table.get(keys.records(tenant, keys.FEATURE), feature_id)
        return _feature(item) if item else None

    def by_key(self, tenant: str, key: str) -> Feature | None:
        lock = self._table.get(keys.unique_names(tenant), keys.unique_name(keys.FEATURE_KEY, key))
        return self.get(tenant, lock["id"]) if lock else None

    def all(self, tenant: str) -> Iterator[Feature]:
        return map(_feature, self._table.query(keys.records(tenant, keys.FEATURE)))

    def listing(self, tenant: str, *, with_archived: bool = False) -> DynamoListing[Feature]:
        unlisted = None if with_archived else ARCHIVED
        return DynamoListing(self._table, keys.records(tenant, keys.FEATURE), _feature, unlisted=unlisted)

    def existing(self, tenant: str, wanted: Sequence[str]) -> set[str]:
        partition = keys.unique_names(tenant)
        names = {keys.unique_name(keys.FEATURE_KEY, key): key for key in wanted}
        return {names[lock[SORT_KEY]] for lock in self._table.batch_get([(partition, name) for name in names])}

    def every_key(self, tenant: str, most: int) -> Sequence[str]:
        prefix = keys.unique_name(keys.FEATURE_KEY, "")
        locks = self._table.query(keys.unique_names(tenant), prefix=prefix, limit=most)
        return [str(lock[SORT_KEY]).removeprefix(prefix) for lock in locks]

    def add(self, tenant: str, feature: Feature, meter: Stored[MeterRecord] | None) -> None:
        writes = [
            self._table.putting(_item(tenant, feature), NOT_YET_STORED),
            self._table.putting(_lock(tenant, feature), NOT_YET_STORED),
        ]
        if meter is not None:
            # The meter's next change or deletion must see this feature, so it must not build on what it read before.
            raise_version = self._table.updating(
                keys.records(tenant, keys.METER),
                meter.record.id,
                "SET #version = :next",
                {":next": meter.version + 1},
                version_is(meter.version),
                {"#version": VERSION},
            )
            writes.append(raise_version)
        try:
            self._table.transact(writes)
        except TransactionRefused as refused:
            if 1 in refused.stored:
                raise Taken("key", feature.key) from refused
            raise Stale from refused

    def archive(self, tenant: str, feature: Feature, unsold_at: SaleCounts) -> None:
        is_ours = Condition("id = :id", {":id": feature.id})
        lock = keys.unique_name(keys.FEATURE_KEY, feature.key)
        try:
            self._table.transact(
                [
                    self._table.putting(_item(tenant, feature), STORED),
                    self._table.deleting(keys.unique_names(tenant), lock, is_ours),
                    *withdrawing(self._table, tenant, unsold_at),
                ]
            )
        except TransactionRefused as refused:
            raise Stale from refused

    def metered(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeteredFeature]:
        """The features of these keys that exist and are not archived, by key, as a subscription keeps them."""
        found = (self.by_key(tenant, key) for key in dict.fromkeys(wanted))
        return {
            feature.key: MeteredFeature(
                id=feature.id,
                key=feature.key,
                name=feature.name,
                meter_slug=feature.meter_slug,
                filters=feature.filters,
                unit=feature.unit,
            )
            for feature in found
            if feature is not None
        }

    def meters(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeterFacts]:
        """The meters of those of these features that have one, by the feature's key."""
        found = (self.by_key(tenant, key) for key in dict.fromkeys(wanted))
        ids = {each.key: each.meter_id for each in found if each is not None and each.meter_id is not None}
        partition = keys.records(tenant, keys.METER)
        stored = self._table.batch_get([(partition, meter_id) for meter_id in dict.fromkeys(ids.values())])
        meters = {item[SORT_KEY]: MeterRecord.model_validate_json(item["body"]) for item in stored}
        return {key: _facts(meters[meter_id]) for key, meter_id in ids.items() if meter_id in meters}


def _facts(meter: MeterRecord) -> MeterFacts:
    return MeterFacts(meter.slug, meter.aggregation, tuple(meter.group_by or {}))


def _feature(item: Item) -> Feature:
    return Feature.model_validate_json(item["body"])


def _item(tenant: str, feature: Feature) -> Item:
    return {
        PARTITION_KEY: keys.records(tenant, keys.FEATURE),
        SORT_KEY: feature.id,
        "body": feature.model_dump_json(by_alias=True, exclude_none=True),
    }


def _lock(tenant: str, feature: Feature) -> Item:
    return {
        PARTITION_KEY: keys.unique_names(tenant),
        SORT_KEY: keys.unique_name(keys.FEATURE_KEY, feature.key),
        "id": feature.id,
    }
