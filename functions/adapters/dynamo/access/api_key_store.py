"""API keys in the billing table: the credential, found by id alone, and its entry in the tenant's list."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import TransactionRefused
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import NOT_YET_STORED, STORED, Condition
from functions.adapters.dynamo.listing import DynamoListing
from functions.adapters.dynamo.table import Table
from functions.domain.access.api_key import ApiKey
from functions.names import PARTITION_KEY, SORT_KEY

IN_FORCE = Condition(f"{STORED.expression} AND attribute_not_exists(revoked_at)")


class DynamoApiKeys:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, key: ApiKey) -> None:
        listed = _item(keys.records(key.tenant, keys.API_KEY), key)
        credential = _item(keys.CREDENTIALS, key) | {"secret_hash": key.secret_hash}
        self._table.transact(
            [self._table.putting(credential, NOT_YET_STORED), self._table.putting(listed, NOT_YET_STORED)]
        )

    def find(self, key_id: str) -> ApiKey | None:
        item = self._table.get(keys.CREDENTIALS, key_id)
        return _key(item) if item else None

    def listing(self, tenant: str) -> DynamoListing[ApiKey]:
        """Those that were not revoked, in order of creation."""
        return DynamoListing(self._table, keys.records(tenant, keys.API_KEY), _key)

    def widen(self, key: ApiKey, scopes: Sequence[str]) -> bool:
        widened = ("SET scopes = :scopes", {":scopes": list(scopes)})
        listed = self._table.updating(keys.records(key.tenant, keys.API_KEY), key.id, *widened, STORED)
        return self._transact([self._table.updating(keys.CREDENTIALS, key.id, *widened, IN_FORCE), listed])

    def revoke(self, key: ApiKey, at: datetime) -> bool:
        change = ("SET revoked_at = :at", {":at": at.isoformat()})
        revoked = self._table.updating(keys.CREDENTIALS, key.id, *change, IN_FORCE)
        return self._transact([revoked, self._table.deleting(keys.records(key.tenant, keys.API_KEY), key.id)])

    def _transact(self, writes: Sequence[dict[str, Any]]) -> bool:
        try:
            self._table.transact(writes)
        except TransactionRefused:
            return False
        return True


def _item(partition: str, key: ApiKey) -> Item:
    return {
        PARTITION_KEY: partition,
        SORT_KEY: key.id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }


def _key(item: dict[str, Any]) -> ApiKey:
    return ApiKey(
        id=item[SORT_KEY],
        tenant=item["tenant"],
        name=item["name"],
        scopes=tuple(item["scopes"]),
        secret_hash=item.get("secret_hash", ""),
        created_at=datetime.fromisoformat(item["created_at"]),
        expires_at=_instant(item.get("expires_at")),
        revoked_at=_instant(item.get("revoked_at")),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
