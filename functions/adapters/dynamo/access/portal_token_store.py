"""Portal tokens in the billing table, and the epoch of each holder.

A token keeps the epoch it was made in. Invalidating all tokens of a holder begins another one: one write for any number
of tokens, and no clocks are compared. An epoch is forgotten when all tokens made before it have expired; where there is
none, tokens of any epoch are in force.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.codec import Item
from functions.adapters.dynamo.condition import STORED
from functions.adapters.dynamo.table import Table
from functions.application.ports.portal import ListedToken
from functions.domain.access.portal_token import MAX_SECONDS, Holder, PortalGrant, PortalToken
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

# An expired token is listed for a while; clocks that differ by an hour do no harm to an epoch.
LISTED_FOR = timedelta(days=7)
EPOCH_KEPT_FOR = timedelta(seconds=MAX_SECONDS, hours=1)


class DynamoPortalTokens:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, token: PortalToken) -> None:
        holder = token.grant.holder
        epochs = self._epochs(token.tenant, [holder])
        self._table.put(_item(token) | {"epoch": epochs.get(keys.holder(*holder))})

    def is_in_force(self, tenant: str, token_id: str, holder: Holder) -> bool:
        token_key, epoch_key = (keys.records(tenant, keys.PORTAL_TOKEN), token_id), _epoch_key(tenant, holder)
        found = {(item[PARTITION_KEY], item[SORT_KEY]): item for item in self._table.batch_get([token_key, epoch_key])}
        token, epoch = found.get(token_key), found.get(epoch_key, {}).get("epoch")
        return token is not None and not _is_invalidated(token, epoch)

    def newest(self, tenant: str, most: int) -> list[ListedToken]:
        items = list(self._table.query(keys.records(tenant, keys.PORTAL_TOKEN), descending=True, limit=most))
        tokens = [_token(tenant, item) for item in items]
        epochs = self._epochs(tenant, list(dict.fromkeys(token.grant.holder for token in tokens)))
        return [
            ListedToken(token, _is_invalidated(item, epochs.get(keys.holder(*token.grant.holder))))
            for token, item in zip(tokens, items, strict=True)
        ]

    def invalidate(self, tenant: str, token_id: str, at: datetime) -> bool:
        change = ("SET invalidated_at = :at", {":at": at.isoformat()})
        try:
            self._table.update(keys.records(tenant, keys.PORTAL_TOKEN), token_id, *change, STORED)
        except ConditionFailed:
            return False
        return True

    def invalidate_all(self, tenant: str, holder: Holder, epoch: str, at: datetime) -> None:
        partition, sort = _epoch_key(tenant, holder)
        expires = int((at + EPOCH_KEPT_FOR).timestamp())
        self._table.put({PARTITION_KEY: partition, SORT_KEY: sort, "epoch": epoch, EXPIRES_AT: expires})

    def _epochs(self, tenant: str, holders: Sequence[Holder]) -> dict[str, str]:
        """By sort key, of those that have one."""
        found = self._table.batch_get([_epoch_key(tenant, holder) for holder in holders])
        return {item[SORT_KEY]: item["epoch"] for item in found}


def _epoch_key(tenant: str, holder: Holder) -> tuple[str, str]:
    return keys.records(tenant, keys.PORTAL_EPOCH), keys.holder(*holder)


def _is_invalidated(item: Item, epoch: str | None) -> bool:
    return "invalidated_at" in item or epoch not in (None, item.get("epoch"))


def _item(token: PortalToken) -> Item:
    return {
        PARTITION_KEY: keys.records(token.tenant, keys.PORTAL_TOKEN),
        SORT_KEY: token.id,
        "holder": list(token.grant.holder),
        "allowed_meters": None if token.grant.allowed_meters is None else list(token.grant.allowed_meters),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        EXPIRES_AT: int((token.expires_at + LISTED_FOR).timestamp()),
    }


def _token(tenant: str, item: Item) -> PortalToken:
    allowed = item.get("allowed_meters")
    return PortalToken(
        id=item[SORT_KEY],
        tenant=tenant,
        grant=PortalGrant(Holder(*item["holder"]), None if allowed is None else tuple(allowed)),
        created_at=datetime.fromisoformat(item["created_at"]),
        expires_at=datetime.fromisoformat(item["expires_at"]),
    )
