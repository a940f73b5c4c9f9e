"""Subscriptions, a customer's one slot for them, and their entries in the due index."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION
from functions.adapters.dynamo.table import Table
from functions.application.ports.billing import CustomerSlot
from functions.application.ports.registry import Stale
from functions.domain.subscriptions.subscription import Subscription
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoSubscriptions:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, subscription_id: str) -> Subscription | None:
        item = self._table.get(keys.records(tenant, keys.SUBSCRIPTION), subscription_id)
        return _subscription(item) if item else None

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Subscription]:
        index = self._table.query(keys.records(tenant, keys.CUSTOMER_SUBSCRIPTION), prefix=f"{customer_id}#")
        ids = [item[SORT_KEY].rpartition("#")[2] for item in index]
        found = self._table.batch_get([(keys.records(tenant, keys.SUBSCRIPTION), each) for each in ids])
        return sorted(map(_subscription, found), key=lambda each: each.id)

    def slot(self, tenant: str, customer_id: str) -> CustomerSlot | None:
        item = self._table.get(*_slot_key(tenant, customer_id))
        if item is None:
            return None
        ends_at = datetime.fromisoformat(item["ends_at"]) if "ends_at" in item else None
        return CustomerSlot(item["subscription_id"], ends_at, item[VERSION])

    def add(self, tenant: str, subscription: Subscription, slot: CustomerSlot | None) -> None:
        taken = CustomerSlot(subscription.id, subscription.active_to, slot.version if slot else 0)
        pointer = {
            PARTITION_KEY: keys.records(tenant, keys.CUSTOMER_SUBSCRIPTION),
            SORT_KEY: keys.joined(subscription.customer_id, subscription.id),
        }
        self._transact(
            [
                *self.writing(tenant, None, subscription),
                self._table.putting(pointer),
                self._slot_write(tenant, subscription.customer_id, taken),
            ]
        )

    def replace(self, tenant: str, before: Subscription, after: Subscription, slot: CustomerSlot | None) -> None:
        writes = self.writing(tenant, before, after)
        if slot is not None:
            writes.append(self._slot_write(tenant, after.customer_id, slot))
        self._transact(writes)

    def writing(self, tenant: str, before: Subscription | None, after: Subscription) -> list[dict[str, Any]]:
        """The writes of one change, for a transaction: the record under its version, and its due index entry."""
        item = {
            PARTITION_KEY: keys.records(tenant, keys.SUBSCRIPTION),
            SORT_KEY: after.id,
            "body": after.model_dump_json(exclude={"version"}),
        }
        writes = [self._table.putting_version(item, before.version if before else 0)]
        was, is_now = (_due_key(tenant, each) if each else None for each in (before, after))
        if was == is_now:
            return writes
        if was is not None:
            writes.append(self._table.deleting(keys.DUE, was))
        if is_now is not None:
            writes.append(self._table.putting({PARTITION_KEY: keys.DUE, SORT_KEY: is_now}))
        return writes

    def _slot_write(self, tenant: str, customer_id: str, slot: CustomerSlot) -> dict[str, Any]:
        pk, sk = _slot_key(tenant, customer_id)
        ends_at = slot.ends_at.isoformat() if slot.ends_at else None
        item = {PARTITION_KEY: pk, SORT_KEY: sk, "subscription_id": slot.subscription_id, "ends_at": ends_at}
        return self._table.putting_version(item, slot.version)

    def _transact(self, writes: list[dict[str, Any]]) -> None:
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error


def _slot_key(tenant: str, customer_id: str) -> tuple[str, str]:
    return keys.unique_names(tenant), keys.unique_name(keys.SUBSCRIPTION, customer_id)


def _due_key(tenant: str, subscription: Subscription) -> str | None:
    due_at = subscription.next_due_at()
    if due_at is None:
        return None
    return keys.joined(keys.instant(due_at), tenant, subscription.customer_id, subscription.id)


def _subscription(item: Item) -> Subscription:
    return Subscription.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})
