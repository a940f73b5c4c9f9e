"""Customers in the billing table, with lock items that keep keys and subjects unique."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, VERSION, Condition
from functions.adapters.dynamo.listing import DynamoListing, Narrowed, Unlisted, said_in_a_body
from functions.adapters.dynamo.subscriptions.attribution import Attribution
from functions.adapters.dynamo.subscriptions.billing_settings_store import DynamoBillingSettings
from functions.adapters.dynamo.subscriptions.reconciliation_store import recheck_item
from functions.adapters.dynamo.subscriptions.subscription_store import writing_tenures
from functions.adapters.dynamo.table import MAX_TRANSACTION_WRITES, Table
from functions.application.ports.entitlements import EntitledCustomer, KnownCustomer
from functions.application.ports.reconciliation import Recheck
from functions.application.ports.stored import Stale, Stored, Taken
from functions.application.ports.subscriptions import Holder, Tenures
from functions.domain.billing.contact import Contact, PostalAddress
from functions.domain.billing.invoice import COUNTED_WITHIN, BilledCustomer
from functions.domain.errors import InvalidInput
from functions.domain.identity import is_ulid
from functions.domain.metering.values.holding import Holding
from functions.domain.period import UTC_ZONE
from functions.domain.subscriptions.customer import Customer
from functions.names import PARTITION_KEY, SORT_KEY

# Where a name of each kind stands in a request.
FIELDS = {keys.CUSTOMER_KEY: "key", keys.SUBJECT: "usageAttribution.subjectKeys"}


# Events are accepted for 45 days; a period that was billed with them is a month or two older.
LOOKED_BACK = timedelta(days=120)
DELETED: Unlisted[Customer] = Unlisted('"deletedAt":"', lambda customer: customer.is_deleted)


class DynamoCustomers:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._attribution = Attribution(table)
        self._settings = DynamoBillingSettings(table)

    def get(self, tenant: str, customer_id: str) -> Stored[Customer] | None:
        return _stored(self._item(tenant, customer_id))

    def by_key(self, tenant: str, key: str) -> Stored[Customer] | None:
        return _stored(self._item_of_key(tenant, key))

    def listing(
        self, tenant: str, *, with_deleted: bool = False, saying: Sequence[str] = ()
    ) -> DynamoListing[Customer]:
        """Those that say none of the texts anywhere are passed by unread, if that can be told."""
        unlisted = None if with_deleted else DELETED
        narrowed = Narrowed(words=tuple(word for text in saying for word in said_in_a_body(text)))
        partition = keys.records(tenant, keys.CUSTOMER)
        return DynamoListing(self._table, partition, _customer, unlisted=unlisted, narrowed=narrowed)

    def ids_of_keys(self, tenant: str, customer_keys: Sequence[str]) -> set[str]:
        partition = keys.unique_names(tenant)
        names = [(partition, keys.unique_name(keys.CUSTOMER_KEY, key)) for key in customer_keys]
        return {lock["id"] for lock in self._table.batch_get(names)}

    def ids_of_subjects(self, tenant: str, subjects: Sequence[str]) -> set[str]:
        return self._attribution.present(tenant, subjects)

    def many(self, tenant: str, customer_ids: Sequence[str]) -> Sequence[Customer]:
        partition = keys.records(tenant, keys.CUSTOMER)
        return [_customer(item) for item in self._table.batch_get([(partition, each) for each in customer_ids])]

    def holders(self, tenant: str, subjects: Sequence[str]) -> Mapping[str, Sequence[Holder]]:
        return self._attribution.holders(tenant, subjects)

    def holdings(self, tenant: str, customer_ids: Sequence[str]) -> Mapping[str, tuple[Holding, ...]]:
        partition = keys.records(tenant, keys.CUSTOMER)
        stored = self._table.batch_get([(partition, each) for each in customer_ids])
        return {item[SORT_KEY]: self._attribution.holdings(tenant, item, _customer(item)) for item in stored}

    def save(self, tenant: str, before: Stored[Customer] | None, after: Customer) -> None:
        self._write(tenant, before, after, [])

    def delete(self, tenant: str, before: Stored[Customer], after: Customer, tenures: Tenures) -> None:
        self._write(tenant, before, after, [writing_tenures(self._table, tenant, after.id, tenures)])

    def _write(
        self, tenant: str, before: Stored[Customer] | None, after: Customer, more: Sequence[dict[str, Any]]
    ) -> None:
        had = _names(before.record) if before else {}
        has = _names(after)
        taken = sorted((name for name in has if name not in had), key=_subjects_last)
        freed = sorted((name for name in had if name not in has), key=_subjects_last)
        stored = self._item(tenant, after.id) if before else None
        handover = self._attribution.handover(tenant, stored, after, _subjects(taken), _subjects(freed))
        record = {
            PARTITION_KEY: keys.records(tenant, keys.CUSTOMER),
            SORT_KEY: after.id,
            "body": after.model_dump_json(by_alias=True, exclude_none=True),
            **handover.beside,
        }
        locks = keys.unique_names(tenant)
        writes = [self._table.putting_version(record, before.version if before else 0)]
        writes += [
            self._table.putting(
                {PARTITION_KEY: locks, SORT_KEY: keys.unique_name(*name), "id": after.id}, NOT_YET_STORED
            )
            for name in _keys(taken)
        ]
        writes += handover.taking
        writes += [
            self._table.deleting(locks, keys.unique_name(*name), Condition("id = :id", {":id": after.id}))
            for name in _keys(freed)
        ]
        writes += [*handover.freeing, *more]
        if before is not None and handover.is_with_the_past:
            writes.append(self._table.putting(recheck_item(_recheck_of(tenant, after))))
        if len(writes) > MAX_TRANSACTION_WRITES:
            message = f"This changes {len(taken) + len(freed)} keys and subjects at once; change fewer in one request."
            raise InvalidInput(message, code="too_many_changes")
        try:
            self._table.transact(writes)
        except TransactionRefused as refused:
            _raise_for(refused, taken)

    def find(self, tenant: str, id_or_key: str) -> BilledCustomer | None:
        """A customer who was not deleted, by id or by key, as billing sees them.

        Without a time zone of their own they live in the tenant's.
        """
        found = self._item(tenant, id_or_key) or self._item_of_key(tenant, id_or_key)
        if not found or (customer := _customer(found)).is_deleted:
            return None
        return self._billed(tenant, found, customer, customer.time_zone or self._settings.get(tenant).time_zone)

    def billed(self, tenant: str, customer_id: str) -> BilledCustomer | None:
        """A customer who was deleted is still billed for what was used before."""
        found = self._item(tenant, customer_id)
        if not found:
            return None
        customer = _customer(found)
        return self._billed(tenant, found, customer, customer.time_zone or UTC_ZONE)

    def entitled(self, tenant: str, id_or_key: str) -> EntitledCustomer | None:
        found = self._item(tenant, id_or_key) if is_ulid(id_or_key) else None
        found = found or self._item_of_key(tenant, id_or_key)
        return self._entitled(tenant, found) if found else None

    def entitled_by_subject(self, tenant: str, subject: str) -> EntitledCustomer | None:
        holders = self._attribution.present(tenant, [subject])
        found = self._item(tenant, min(holders)) if holders else None
        return self._entitled(tenant, found) if found else None

    def ids_of(self, tenant: str, names: Sequence[str]) -> Mapping[str, str]:
        # A customer's key is one of its subjects, and no subject of another one.
        return self._attribution.owners(tenant, names)

    def several(self, tenant: str, customer_ids: Sequence[str]) -> Iterator[KnownCustomer | None]:
        partition = keys.records(tenant, keys.CUSTOMER)
        stored = {each[SORT_KEY]: each for each in self._table.batch_get([(partition, one) for one in customer_ids])}
        for customer_id in customer_ids:
            item = stored.get(customer_id)
            yield None if item is None or _customer(item).is_deleted else self._known(tenant, item)

    def keys_of(self, tenant: str, customer_ids: Sequence[str]) -> dict[str, str | None]:
        return {each.id: each.key for each in self.many(tenant, customer_ids)}

    def _known(self, tenant: str, stored: Item) -> KnownCustomer:
        return KnownCustomer(_customer(stored), self._entitled(tenant, stored))

    def _entitled(self, tenant: str, stored: Item) -> EntitledCustomer:
        customer = _customer(stored)
        held = self._attribution.holdings(tenant, stored, customer)
        return EntitledCustomer(customer.id, customer.key, customer.usage_subjects, held, customer.is_deleted)

    def contact(self, tenant: str, customer_id: str) -> Contact | None:
        """How the gateway reaches them now, deleted or not."""
        found = self._item(tenant, customer_id)
        return _contact(_customer(found)) if found else None

    def _item(self, tenant: str, customer_id: str) -> Item | None:
        return self._table.get(keys.records(tenant, keys.CUSTOMER), customer_id)

    def _item_of_key(self, tenant: str, key: str) -> Item | None:
        lock = self._table.get(keys.unique_names(tenant), keys.unique_name(keys.CUSTOMER_KEY, key))
        return self._item(tenant, lock["id"]) if lock else None

    def _billed(self, tenant: str, stored: Item, customer: Customer, zone: str) -> BilledCustomer:
        return BilledCustomer(
            id=customer.id,
            key=customer.key,
            name=customer.name,
            email=customer.primary_email,
            subject_keys=customer.usage_subjects,
            currency=customer.currency,
            time_zone=zone,
            held=self._attribution.holdings(tenant, stored, customer),
        )


def _contact(customer: Customer) -> Contact:
    address = customer.billing_address
    fields = (each.name for each in dataclasses.fields(PostalAddress))
    postal = PostalAddress(**{name: getattr(address, name) or "" for name in fields}) if address else None
    return Contact.made(id=customer.id, name=customer.name, email=customer.primary_email, address=postal)


def _recheck_of(tenant: str, customer: Customer) -> Recheck:
    """What the added subjects used before is of periods that may be billed already."""
    now = customer.updated_at.replace(microsecond=0)
    return Recheck(now + COUNTED_WITHIN, tenant, customer.id, "subjects", now - LOOKED_BACK)


def _subjects_last(name: tuple[str, str]) -> bool:
    return name[0] == keys.SUBJECT


def _subjects(names: Sequence[tuple[str, str]]) -> list[str]:
    return [value for kind, value in names if kind == keys.SUBJECT]


def _keys(names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [name for name in names if name[0] != keys.SUBJECT]


def _names(customer: Customer) -> dict[tuple[str, str], None]:
    """The names a customer keeps others from using, in a stable order; a deleted one keeps none."""
    if customer.is_deleted:
        return {}
    key = {(keys.CUSTOMER_KEY, customer.key): None} if customer.key else {}
    return key | {(keys.SUBJECT, subject): None for subject in customer.usage_subjects}


def _raise_for(refused: TransactionRefused, taken: Sequence[tuple[str, str]]) -> None:
    if 0 not in refused.stored:
        for index in sorted(refused.stored):
            if 0 < index <= len(taken) and "id" in (refused.stored[index] or {}):
                kind, value = taken[index - 1]
                raise Taken(FIELDS[kind], value) from refused
    raise Stale from refused


def _stored(item: Item | None) -> Stored[Customer] | None:
    return Stored(_customer(item), item[VERSION]) if item else None


def _customer(item: Item) -> Customer:
    return Customer.model_validate_json(item["body"])
