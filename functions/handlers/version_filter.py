"""Which versions of plans or add-ons a list asks for, and in which order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from functions.domain.catalog.versioned import VersionStatus
from functions.handlers.query_string import Query, refused


class _Listed(Protocol):
    id: str
    key: str
    version: int
    currency: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    def status(self, now: datetime) -> VersionStatus: ...


VERSION_ORDERS: Mapping[str, Callable[[Any], Any]] = {
    "id": lambda each: each.id,
    "key": lambda each: (each.key, each.version),
    "version": lambda each: (each.version, each.id),
    "created_at": lambda each: (each.created_at, each.id),
    "updated_at": lambda each: (each.updated_at, each.id),
}


class VersionFilter:
    def __init__(self, query: Query, now: datetime) -> None:
        self._now = now
        self.deleted = query.flag("includeDeleted")
        self.ids, self.keys = set(query.texts("id")), set(query.texts("key"))
        self.currencies, self.statuses = set(query.texts("currency")), set(query.texts("status"))
        unknown = self.statuses - {status.value for status in VersionStatus}
        if unknown:
            raise refused("status", f"is one of {', '.join(VersionStatus)}.")
        self.versions = query.mapping("keyVersion")

    def takes(self, found: Any) -> bool:
        each: _Listed = found
        return (
            (self.deleted or each.deleted_at is None)
            and (not self.ids or each.id in self.ids)
            and (not self.keys or each.key in self.keys)
            and (not self.currencies or each.currency in self.currencies)
            and (not self.statuses or each.status(self._now) in self.statuses)
            and (not self.versions or str(each.version) in self.versions.get(each.key, ()))
        )
