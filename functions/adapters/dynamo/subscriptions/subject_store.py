"""Subjects in the billing table, with a lock item that keeps the key of each unique."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import Contended, TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, VERSION, Condition, version_is
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import Table
from functions.application.ports.stored import Stale, Stored
from functions.domain.subscriptions.subject import Subject
from functions.names import PARTITION_KEY, SORT_KEY

METADATA = "metadata"  # a text beside the body: its numbers keep all their digits
_encode = msgspec.json.Encoder(decimal_format="number").encode


class DynamoSubjects:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str, subject_id: str) -> Stored[Subject] | None:
        item = self._table.get(keys.records(tenant, keys.SUBJECT_RECORD), subject_id)
        return Stored(_subject(item), item[VERSION]) if item else None

    def of_keys(self, tenant: str, subject_keys: Sequence[str]) -> Mapping[str, Stored[Subject]]:
        locks = self._table.batch_get([_lock(tenant, key) for key in subject_keys])
        ids = [(keys.records(tenant, keys.SUBJECT_RECORD), lock["id"]) for lock in locks]
        found = [Stored(_subject(item), item[VERSION]) for item in self._table.batch_get(ids)]
        return {each.record.key: each for each in found}

    def listing(self, tenant: str) -> DynamoListing[Subject]:
        return DynamoListing(self._table, keys.records(tenant, keys.SUBJECT_RECORD), _subject)

    def save(self, tenant: str, subjects: Sequence[Stored[Subject]]) -> None:
        self._transact([write for each in subjects for write in self._writes(tenant, each)])

    def _writes(self, tenant: str, subject: Stored[Subject]) -> list[dict[str, Any]]:
        written = self._table.putting_version(_item(tenant, subject.record), subject.version)
        if subject.version:
            return [written]
        pk, sk = _lock(tenant, subject.record.key)
        lock = {PARTITION_KEY: pk, SORT_KEY: sk, "id": subject.record.id}
        return [written, self._table.putting(lock, NOT_YET_STORED)]

    def delete(self, tenant: str, subject: Stored[Subject]) -> None:
        record = subject.record
        is_its_own = Condition("id = :id", {":id": record.id})
        pk = keys.records(tenant, keys.SUBJECT_RECORD)
        self._transact(
            [
                self._table.deleting(pk, record.id, version_is(subject.version)),
                self._table.deleting(*_lock(tenant, record.key), is_its_own),
            ]
        )

    def _transact(self, writes: Sequence[dict[str, Any]]) -> None:
        try:
            self._table.transact(writes)
        except (TransactionRefused, Contended) as error:
            raise Stale from error


def _lock(tenant: str, key: str) -> tuple[str, str]:
    return keys.unique_names(tenant), keys.unique_name(keys.SUBJECT_RECORD_KEY, key)


def _item(tenant: str, subject: Subject) -> Item:
    item = {PARTITION_KEY: keys.records(tenant, keys.SUBJECT_RECORD), SORT_KEY: subject.id}
    item["body"] = subject.model_dump_json(exclude={METADATA})
    if subject.metadata is not None:
        item[METADATA] = _encode(subject.metadata).decode()
    return item


def _subject(item: Item) -> Subject:
    metadata = json.loads(item[METADATA], parse_float=Decimal) if METADATA in item else None
    return Subject.model_validate_json(item["body"]).model_copy(update={METADATA: metadata})
