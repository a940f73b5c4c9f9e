"""Coupons with a lock item that keeps the key of each unique, and those that customers and subscriptions have."""

from collections.abc import Iterator, Sequence
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed, Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, VERSION, Condition
from functions.adapters.dynamo.listing import DynamoListing, Unlisted
from functions.adapters.dynamo.subscriptions.subscription_store import writing_tenures
from functions.adapters.dynamo.table import Table
from functions.application.ports.stored import Stale, Taken
from functions.application.ports.subscriptions import Tenures
from functions.domain.catalog.coupon import AppliedCoupon, Coupon
from functions.names import PARTITION_KEY, SORT_KEY

ARCHIVED: Unlisted[Coupon] = Unlisted('"archived_at":"', lambda coupon: coupon.is_archived)


class DynamoCoupons:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, coupon_id: str) -> Coupon | None:
        item = self._table.get(keys.records(tenant, keys.COUPON), coupon_id)
        return _coupon(item) if item else None

    def by_key(self, tenant: str, key: str) -> Coupon | None:
        lock = self._table.get(keys.unique_names(tenant), keys.unique_name(keys.COUPON_KEY, key))
        return self.get(tenant, lock["id"]) if lock else None

    def all(self, tenant: str) -> Iterator[Coupon]:
        return map(_coupon, self._table.query(keys.records(tenant, keys.COUPON)))

    def listing(self, tenant: str, *, with_archived: bool = False) -> DynamoListing[Coupon]:
        unlisted = None if with_archived else ARCHIVED
        return DynamoListing(self._table, keys.records(tenant, keys.COUPON), _coupon, unlisted=unlisted)

    def add(self, tenant: str, coupon: Coupon) -> None:
        pk, sk = _lock(tenant, coupon.key)
        lock = {PARTITION_KEY: pk, SORT_KEY: sk, "id": coupon.id}
        try:
            self._table.transact([self._writing_coupon(tenant, coupon), self._table.putting(lock, NOT_YET_STORED)])
        except TransactionRefused as refused:
            if 1 in refused.stored:
                raise Taken("key", coupon.key) from refused
            raise Stale from refused

    def archive(self, tenant: str, coupon: Coupon) -> None:
        is_ours = Condition("id = :id", {":id": coupon.id})
        self._transact(
            [self._writing_coupon(tenant, coupon), self._table.deleting(*_lock(tenant, coupon.key), is_ours)]
        )

    def redeem(self, tenant: str, coupon: Coupon, applied: AppliedCoupon, tenures: Tenures) -> None:
        lock = writing_tenures(self._table, tenant, applied.customer_id, tenures)
        self._transact([self._writing_coupon(tenant, coupon), self.writing(tenant, applied), lock])

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[AppliedCoupon]:
        found = self._table.query(keys.records(tenant, keys.APPLIED_COUPON), prefix=f"{customer_id}#")
        return [_applied(item) for item in found]

    def change(self, tenant: str, applied: AppliedCoupon) -> None:
        try:
            self._table.put_version(_applied_item(tenant, applied), applied.version)
        except ConditionFailed as failed:
            raise Stale from failed

    def writing(self, tenant: str, applied: AppliedCoupon) -> dict[str, Any]:
        """The write of one that was deducted from an invoice, for the transaction of the invoice."""
        return self._table.putting_version(_applied_item(tenant, applied), applied.version)

    def _writing_coupon(self, tenant: str, coupon: Coupon) -> dict[str, Any]:
        item = {PARTITION_KEY: keys.records(tenant, keys.COUPON), SORT_KEY: coupon.id}
        return self._table.putting_version(item | {"body": coupon.model_dump_json()}, coupon.version)

    def _transact(self, writes: Sequence[dict[str, Any]]) -> None:
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error


def _lock(tenant: str, key: str) -> tuple[str, str]:
    return keys.unique_names(tenant), keys.unique_name(keys.COUPON_KEY, key)


def _applied_item(tenant: str, applied: AppliedCoupon) -> Item:
    key = keys.joined(applied.customer_id, applied.id)
    item = {PARTITION_KEY: keys.records(tenant, keys.APPLIED_COUPON), SORT_KEY: key}
    return item | {"body": applied.model_dump_json()}


def _coupon(item: Item) -> Coupon:
    return Coupon.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})


def _applied(item: Item) -> AppliedCoupon:
    return AppliedCoupon.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})
