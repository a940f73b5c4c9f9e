"""Subscriptions, each customer's at a glance, and their entries in the due index."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.catalog.plan_store import unchanged
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import VERSION, version_is
from functions.adapters.dynamo.entitlements.entitlement_store import DynamoEntitlements
from functions.adapters.dynamo.listing import DynamoListing, mentioning
from functions.adapters.dynamo.sale_counts import subscribing, withdrawn_for
from functions.adapters.dynamo.table import MAX_TRANSACTION_WRITES, Table
from functions.application.ports.entitlements import EntitledChange
from functions.application.ports.stored import Stale
from functions.application.ports.subscriptions import SubscriptionChange, Tenure, Tenures
from functions.domain.entitlements.entitlement import Entitled
from functions.domain.errors import InvalidInput
from functions.domain.subscriptions.subscription import Subscription
from functions.names import PARTITION_KEY, SORT_KEY

# At a glance: the running, the coming and the latest ones; all of them are in the customer's index.
MAX_TENURES = 50


class DynamoSubscriptions:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._entitlements = DynamoEntitlements(table)

    def get(self, tenant: str, subscription_id: str) -> Subscription | None:
        item = self._table.get(keys.records(tenant, keys.SUBSCRIPTION), subscription_id)
        return _subscription(item) if item else None

    def listing(self, tenant: str) -> DynamoListing[Subscription]:
        return DynamoListing(self._table, keys.records(tenant, keys.SUBSCRIPTION), _subscription)

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Subscription]:
        index = self._table.query(keys.records(tenant, keys.CUSTOMER_SUBSCRIPTION), prefix=f"{customer_id}#")
        ids = [item[SORT_KEY].rpartition("#")[2] for item in index]
        found = self._table.batch_get([(keys.records(tenant, keys.SUBSCRIPTION), each) for each in ids])
        return sorted(map(_subscription, found), key=lambda each: each.id)

    def mentioning(self, tenant: str, word: str, *, most: int) -> Iterator[Subscription]:
        partition = keys.records(tenant, keys.SUBSCRIPTION)
        return map(_subscription, mentioning(self._table, partition, word, most=most, what="subscriptions"))

    def withdrawn(self, tenant: str, customer_id: str) -> int:
        return withdrawn_for(self._table, tenant, customer_id)

    def tenures(self, tenant: str, customer_id: str) -> Tenures:
        item = self._table.get(*_tenures_key(tenant, customer_id))
        if item is None:
            return Tenures()
        return Tenures(tuple(map(_tenure, item["tenures"])), item[VERSION])

    def entitled(self, tenant: str, customer_id: str) -> Sequence[Entitled]:
        return self._entitlements.of_customer(tenant, customer_id)

    def save(
        self,
        tenant: str,
        customer_id: str,
        changes: Sequence[SubscriptionChange],
        tenures: Tenures,
        sold_after: int | None = None,
        entitled: Sequence[EntitledChange] = (),
    ) -> None:
        writes = []
        known = {each.subscription_id: each for each in tenures.tenures}
        for change in changes:
            writes += self.writing(tenant, change.before, change.after)
            writes += unchanged(self._table, tenant, change.premises)
            if change.after is not None:
                after = change.after
                known[after.id] = Tenure(after.id, after.active_from, after.active_to)
            elif change.before is not None:
                known.pop(change.before.id, None)
        writes.append(
            writing_tenures(self._table, tenant, customer_id, Tenures(tuple(known.values()), tenures.version))
        )
        if sold_after is not None:
            writes.append(subscribing(self._table, tenant, customer_id, sold_after))
        is_new = any(change.before is None for change in changes)
        writes_beside = self._writing_entitled(tenant, entitled, MAX_TRANSACTION_WRITES - len(writes), is_new)
        try:
            self._table.transact([*writes, *writes_beside])
        except (TransactionRefused, Contended) as error:
            raise Stale from error

    def _writing_entitled(
        self, tenant: str, entitled: Sequence[EntitledChange], most: int, is_new: bool
    ) -> list[dict[str, Any]]:
        """Raises InvalidInput for more than fit in the transaction.

        Somebody who subscribed before there were entitlements can still cancel: what would only begin is then left to
        the backfill, which lists that it does not fit.
        """
        writes = [write for each in entitled for write in self._entitlements.writing(tenant, each)]
        if len(writes) > most and not is_new:
            known = [each for each in entitled if each.before.entitlements]
            writes = [write for each in known for write in self._entitlements.writing(tenant, each)]
        if len(writes) > most:
            message = (
                f"This changes entitlements to {len(entitled)} features, too many to change at once; entitle to fewer "
                "features in one plan, or put some into a static entitlement."
            )
            raise InvalidInput(message, code="too_many_entitlements")
        return writes

    def writing(self, tenant: str, before: Subscription | None, after: Subscription | None) -> list[dict[str, Any]]:
        """The writes of one change, for a transaction: the record under its version, and its index entries."""
        writes = []
        pk = keys.records(tenant, keys.SUBSCRIPTION)
        if after is not None:
            item = {PARTITION_KEY: pk, SORT_KEY: after.id, "body": after.model_dump_json(exclude={"version"})}
            writes.append(self._table.putting_version(item, before.version if before else 0))
            if before is None:
                of_customer, key = _pointer(tenant, after)
                writes.append(self._table.putting({PARTITION_KEY: of_customer, SORT_KEY: key}))
        elif before is not None:
            writes.append(self._table.deleting(pk, before.id, version_is(before.version)))
            writes.append(self._table.deleting(*_pointer(tenant, before)))
        was, is_now = (_due_key(tenant, each) if each else None for each in (before, after))
        if was != is_now and was is not None:
            writes.append(self._table.deleting(keys.DUE, was))
        if was != is_now and is_now is not None:
            writes.append(self._table.putting({PARTITION_KEY: keys.DUE, SORT_KEY: is_now}))
        return writes


def writing_tenures(table: Table, tenant: str, customer_id: str, tenures: Tenures) -> dict[str, Any]:
    """The write, for a transaction, under the version that was read; what else was decided from that is stale then."""
    pk, sk = _tenures_key(tenant, customer_id)
    kept = sorted(tenures.tenures, key=_by_end)[-MAX_TENURES:]
    item = {PARTITION_KEY: pk, SORT_KEY: sk, "tenures": [_kept(each) for each in kept]}
    return table.putting_version(item, tenures.version)


def _pointer(tenant: str, subscription: Subscription) -> tuple[str, str]:
    key = keys.joined(subscription.customer_id, subscription.id)
    return keys.records(tenant, keys.CUSTOMER_SUBSCRIPTION), key


def _tenures_key(tenant: str, customer_id: str) -> tuple[str, str]:
    return keys.unique_names(tenant), keys.unique_name(keys.SUBSCRIPTION, customer_id)


def _tenure(kept: dict[str, Any]) -> Tenure:
    ends_at = datetime.fromisoformat(kept["ends_at"]) if kept["ends_at"] else None
    return Tenure(kept["id"], datetime.fromisoformat(kept["starts_at"]), ends_at)


def _kept(tenure: Tenure) -> dict[str, Any]:
    ends_at = tenure.ends_at.isoformat() if tenure.ends_at else None
    return {"id": tenure.subscription_id, "starts_at": tenure.starts_at.isoformat(), "ends_at": ends_at}


def _by_end(tenure: Tenure) -> tuple[bool, str]:
    """Those without an end come last, so that they are kept with any number of others."""
    return tenure.ends_at is None, tenure.ends_at.isoformat() if tenure.ends_at else tenure.subscription_id


def _due_key(tenant: str, subscription: Subscription) -> str | None:
    due_at = subscription.next_due_at()
    if due_at is None:
        return None
    return keys.joined(keys.instant(due_at), tenant, subscription.customer_id, subscription.id)


def _subscription(item: Item) -> Subscription:
    return Subscription.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})
