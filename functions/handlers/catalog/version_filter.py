"""Which versions of plans or add-ons a list asks for, and in which order."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from functions.application.held_listing import HeldListing
from functions.application.ports.catalog import Family
from functions.application.ports.listing import Listing
from functions.domain.catalog.versioned import Versioned, VersionStatus
from functions.handlers.edge.query_model import ANY, Paged, RouteQuery, Sorted, flag, mapping, named, sorted_by, texts

Record = TypeVar("Record", bound=Versioned)
Version = TypeVar("Version", bound=Versioned, covariant=True)


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


# Keys that are looked up one by one; of more, all versions are gone through.
MAX_LOOKED_UP = 50


class ListedVersions(Protocol[Version]):
    """Versions that can be listed, and looked up by id or by key."""

    def listing(self, tenant: str, *, with_deleted: bool = False) -> Listing[Version]: ...

    def many(self, tenant: str, version_ids: Sequence[str]) -> Sequence[Version]: ...

    def family(self, tenant: str, key: str) -> Family | None: ...


class VersionsQuery(Sorted, Paged):
    order_by = sorted_by(VERSION_ORDERS, "id")
    include_deleted = flag("List deleted ones too.")
    id = texts(f"Only the version with this id; {ANY}.")
    key = texts(f"Only versions of this key; {ANY}.")
    key_version = mapping(
        "Only these versions of these keys, such as `keyVersion[pro]=2`; no version of any other key."
    )
    status = texts(f"Only versions that now are {named(VersionStatus)}; {ANY}.", among=VersionStatus)
    currency = texts(f"Only of this ISO 4217 currency; {ANY}.")


class VersionQuery(RouteQuery):
    include_latest = flag("The latest version, even a draft, instead of the active one; an id then means its key.")


class VersionFilter:
    def __init__(self, query: VersionsQuery, now: datetime) -> None:
        self._now = now
        self.deleted = query.include_deleted
        self.ids, self.keys = set(query.id), set(query.key)
        self.currencies, self.statuses = set(query.currency), set(query.status)
        self.versions = query.key_version

    @property
    def asks(self) -> bool:
        """Whether it looks at anything but whether a version was deleted."""
        return bool(self.ids or self.keys or self.currencies or self.statuses or self.versions)

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


def versions_listing(tenant: str, versions: ListedVersions[Record], wanted: VersionFilter) -> Listing[Record]:
    """What a filter chooses from: the versions it names by id or key, or else all."""
    keys = wanted.keys or set(wanted.versions)
    if not wanted.ids and not 0 < len(keys) <= MAX_LOOKED_UP:
        return versions.listing(tenant, with_deleted=wanted.deleted)
    families = (versions.family(tenant, key) for key in sorted(keys)) if not wanted.ids else ()
    ids = wanted.ids or {each for family in families if family is not None for each in family.ids}
    return HeldListing(versions.many(tenant, sorted(ids)), lambda version: version.id)
