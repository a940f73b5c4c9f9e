"""Entitlements in the billing table: those of a customer and feature in one item, each by id, and grants by id."""

from collections.abc import Iterator, Sequence
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import STORED, VERSION, Condition
from functions.adapters.dynamo.listing import DynamoListing, mentioning
from functions.adapters.dynamo.table import MAX_BATCH_GET, Table
from functions.application.ports.entitlements import EntitledChange, GrantOf
from functions.application.ports.stored import Stale
from functions.domain.entitlements.entitlement import Entitled, Entitlement
from functions.domain.entitlements.grant_record import GrantRecord
from functions.names import PARTITION_KEY, SORT_KEY

# So many are looked up for a hundred customers in ten reads; of more, all that a customer has is read.
FEW_FEATURES = 10
UNMARKED = f"{STORED.expression} AND NOT contains(body, :mark)"
NOT_DELETED = Condition(UNMARKED, {":mark": '"deletedAt":"'})
NOT_ARCHIVED = Condition(UNMARKED, {":mark": '"archivedAt":"'})


class DynamoEntitlements:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, entitlement_id: str) -> Entitlement | None:
        item = self._table.get(keys.records(tenant, keys.ENTITLEMENT), entitlement_id)
        return _entitlement(item) if item else None

    def entitled(self, tenant: str, customer_id: str, feature_key: str) -> Entitled:
        pk, is_key = keys.records(tenant, keys.ENTITLED), keys.can_be_joined(feature_key)
        item = self._table.get(pk, keys.joined(customer_id, feature_key)) if is_key else None
        return _entitled(item) if item else Entitled(customer_id=customer_id, feature_key=feature_key)

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Entitled]:
        return list(map(_entitled, self._table.query(keys.records(tenant, keys.ENTITLED), prefix=f"{customer_id}#")))

    def of_customers(
        self, tenant: str, customer_ids: Sequence[str], feature_keys: Sequence[str] | None
    ) -> Iterator[Sequence[Entitled]]:
        if feature_keys is None or len(feature_keys) > FEW_FEATURES:
            yield from (self.of_customer(tenant, each) for each in customer_ids)
            return
        at_once = MAX_BATCH_GET // len(feature_keys)
        for start in range(0, len(customer_ids), at_once):
            some = customer_ids[start : start + at_once]
            yield from self._of_some(tenant, some, feature_keys)

    def _of_some(
        self, tenant: str, customer_ids: Sequence[str], feature_keys: Sequence[str]
    ) -> Iterator[Sequence[Entitled]]:
        """By one read of the store."""
        partition = keys.records(tenant, keys.ENTITLED)
        wanted = [(partition, keys.joined(each, feature)) for each in customer_ids for feature in feature_keys]
        found: dict[str, list[Entitled]] = {each: [] for each in customer_ids}
        for entitled in map(_entitled, self._table.batch_get(wanted)):
            found[entitled.customer_id].append(entitled)
        yield from found.values()

    def grant(self, tenant: str, grant_id: str) -> GrantOf | None:
        item = self._table.get(keys.records(tenant, keys.GRANT), grant_id)
        return _grant(item) if item else None

    def listing(self, tenant: str) -> DynamoListing[Entitlement]:
        return DynamoListing(self._table, keys.records(tenant, keys.ENTITLEMENT), _entitlement)

    def grants(self, tenant: str) -> DynamoListing[GrantOf]:
        return DynamoListing(self._table, keys.records(tenant, keys.GRANT), _grant)

    def mentioning(self, tenant: str, word: str, *, most: int) -> Iterator[Entitlement]:
        partition = keys.records(tenant, keys.ENTITLEMENT)
        return map(_entitlement, mentioning(self._table, partition, word, most=most, what="entitlements"))

    def save(self, tenant: str, change: EntitledChange) -> None:
        known = {each.id for each in change.before.entitlements}
        made = [each for each in change.after.entitlements if each.id not in known]
        customer = keys.records(tenant, keys.CUSTOMER)
        writes = self.writing(tenant, change)
        if made:
            writes.append(self._table.checking(customer, change.after.customer_id, NOT_DELETED))
        for feature_id in {each.feature.id for each in made}:
            writes.append(self._table.checking(keys.records(tenant, keys.FEATURE), feature_id, NOT_ARCHIVED))
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error

    def writing(self, tenant: str, change: EntitledChange) -> list[dict[str, Any]]:
        """The writes of one change, for a transaction: the item of the feature, and the records of what differs."""
        before, after = change.before, change.after
        item = {
            PARTITION_KEY: keys.records(tenant, keys.ENTITLED),
            SORT_KEY: keys.joined(after.customer_id, after.feature_key),
            "body": after.model_dump_json(by_alias=True, exclude={"version"}, exclude_none=True),
        }
        writes = [self._table.putting_version(item, before.version)]
        was = {each.id: each for each in before.entitlements}
        is_now = {each.id: each for each in after.entitlements}
        for each in after.entitlements:
            if each != was.get(each.id):
                writes.append(self._table.putting(_record(tenant, keys.ENTITLEMENT, each)))
                writes += self._writing_grants(tenant, was.get(each.id), each)
        # One that has not begun may vanish; older ones are only too many to be kept together.
        first_kept = min((each.active_from for each in after.entitlements), default=None)
        for each in before.entitlements:
            if each.id not in is_now and (first_kept is None or each.active_from >= first_kept):
                writes.append(self._table.deleting(keys.records(tenant, keys.ENTITLEMENT), each.id))
                grants = keys.records(tenant, keys.GRANT)
                writes += [self._table.deleting(grants, grant.id) for grant in each.grants]
        return writes

    def _writing_grants(self, tenant: str, before: Entitlement | None, after: Entitlement) -> list[dict[str, Any]]:
        was = {each.id: each for each in before.grants} if before else {}
        of = {"entitlement_id": after.id, "customer_id": after.customer_id, "feature_key": after.feature.key}
        return [
            self._table.putting({**_record(tenant, keys.GRANT, each), **of})
            for each in after.grants
            if each != was.get(each.id)
        ]


def _record(tenant: str, kind: str, record: Entitlement | GrantRecord) -> Item:
    return {
        PARTITION_KEY: keys.records(tenant, kind),
        SORT_KEY: record.id,
        "body": record.model_dump_json(by_alias=True, exclude_none=True),
    }


def _entitled(item: Item) -> Entitled:
    return Entitled.model_validate_json(item["body"]).model_copy(update={"version": item[VERSION]})


def _entitlement(item: Item) -> Entitlement:
    return Entitlement.model_validate_json(item["body"])


def _grant(item: Item) -> GrantOf:
    grant = GrantRecord.model_validate_json(item["body"])
    return GrantOf(grant, item["entitlement_id"], item["customer_id"], item["feature_key"])
