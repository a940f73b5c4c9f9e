"""What plans and add-ons do alike: draft the next version, change, publish, archive and delete one, find one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic

from functions.application.ports.catalog import Family, Record, Versions
from functions.application.ports.clock import Clock
from functions.application.ports.stored import Stale
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import Conflict, NotFound

# A family item lists the ids of all versions; this many keep it far below DynamoDB's 400 KB.
MAX_VERSIONS = 1_000

Make = Callable[[int, datetime], Record]
Change = Callable[[Record, Family, datetime], tuple[list[Record], Family]]


@dataclass(frozen=True)
class VersionedStore(Generic[Record]):
    """The versions of one kind of thing, and what it is called: `plan`, `add-on`."""

    versions: Versions[Record]
    noun: str
    clock: Clock

    @property
    def _code(self) -> str:
        return self.noun.replace("-", "")

    def draft(self, tenant: str, key: str, make: Make[Record]) -> Record:
        """`make` gets the version number and the time; raises Conflict when the key has a draft already."""
        family = self.versions.family(tenant, key) or Family(key)
        if family.draft is not None:
            message = f"{self.noun.capitalize()} {key!r} has a draft version already; change or publish it."
            raise Conflict(message, code=f"{self._code}_has_draft")
        if len(family.ids) >= MAX_VERSIONS:
            message = f"{self.noun.capitalize()} {key!r} has {MAX_VERSIONS} versions, the most there can be."
            raise Conflict(f"{message} Use another key.")
        made = make(len(family.ids) + 1, self._now())
        self._save(tenant, [made], replace(family, ids=(*family.ids, made.id), draft=made.id), key)
        return made

    def revise(self, tenant: str, version_id: str, change: Callable[[Record, datetime], Record]) -> Record:
        return self._changed(tenant, version_id, lambda this, family, now: ([change(this, now)], family))

    def publish(self, tenant: str, version_id: str, check: Callable[[Record], None]) -> Record:
        """The draft becomes the active version at once; the version that was active until now is archived.

        `check` says whether what it sells is there, and is asked again if anything was withdrawn meanwhile.
        """

        def publish(this: Record, family: Family, now: datetime) -> tuple[list[Record], Family]:
            published = this.published(now)
            check(this)
            before = self.versions.get(tenant, family.active) if family.active else None
            replaced = [before.archived(now)] if before is not None else []
            return [published, *replaced], replace(family, draft=None, active=this.id)

        def decide() -> Record:
            counts = self.versions.sale_counts(tenant)
            this, family = self.current(tenant, version_id)
            changed, family = publish(this, family, self._now())
            self.versions.save(tenant, changed, family, offered_after=counts)
            return changed[0]

        return decide_again_when_stale(decide)

    def archive(self, tenant: str, version_id: str) -> Record:
        def archive(this: Record, family: Family, now: datetime) -> tuple[list[Record], Family]:
            return [this.archived(now)], replace(family, active=None)

        return self._changed(tenant, version_id, archive)

    def delete(self, tenant: str, version_id: str) -> None:
        def delete(this: Record, family: Family, now: datetime) -> tuple[list[Record], Family]:
            return [this.deleted(now)], replace(family, draft=None)

        self._changed(tenant, version_id, delete)

    def find(self, tenant: str, id_or_key: str, version: int | None = None, *, latest: bool = False) -> Record:
        """By id, or by key: the active version, the latest, or a given one.

        Raises NotFound, also for a key without an active version and for a version that was deleted.
        """
        found = None if version is not None or latest else self.versions.get(tenant, id_or_key)
        if found is None:
            found = self._by_key(tenant, id_or_key, version, latest=latest)
        if found is None:
            if version is not None:
                raise self._not_found(f"{id_or_key!r} version {version}")
            draft_id = self._current_id(tenant, id_or_key)
            hint = f" that is active; publish its draft, or ask for that by its id {draft_id}"
            raise self._not_found(f"{id_or_key!r}{hint if draft_id else ''}")
        return found

    def _by_key(self, tenant: str, key: str, version: int | None, *, latest: bool) -> Record | None:
        family = self.versions.family(tenant, key)
        if family is None:
            # An id with `latest` means the latest version of its key.
            found = self.versions.get(tenant, key)
            family = self.versions.family(tenant, found.key) if found is not None else None
        if family is None:
            return None
        if version is not None:
            found = self.versions.get(tenant, family.ids[version - 1]) if 1 <= version <= len(family.ids) else None
            return None if found is None or found.deleted_at is not None else found
        version_id = (family.draft or family.active or family.ids[-1]) if latest else family.active
        return self.versions.get(tenant, version_id) if version_id is not None else None

    def current(self, tenant: str, version_id: str) -> tuple[Record, Family]:
        """The version, and the family under whose version a write knows that it is still so; raises NotFound."""
        this = self.versions.get(tenant, version_id)
        family = self.versions.family(tenant, this.key) if this is not None else None
        # Again after the family: what it says now is what it still is then.
        this = self.versions.get(tenant, version_id) if family is not None else None
        if this is None or family is None or this.deleted_at is not None:
            current_id = self._current_id(tenant, version_id)
            hint = f" with this id: it is a key. What changes a version takes its id, such as {current_id}"
            raise self._not_found(f"{version_id!r}{hint if current_id else ''}")
        return this, family

    def _changed(self, tenant: str, version_id: str, change: Change[Record]) -> Record:
        this, family = self.current(tenant, version_id)
        changed, family = change(this, family, self._now())
        self._save(tenant, changed, family, this.label)
        return changed[0]

    def _current_id(self, tenant: str, key: str) -> str | None:
        family = self.versions.family(tenant, key)
        return (family.draft or family.active) if family is not None else None

    def _save(self, tenant: str, changed: list[Record], family: Family, what: str) -> None:
        try:
            self.versions.save(tenant, changed, family)
        except Stale as stale:
            message = f"{self.noun.capitalize()} {what} was changed by another request; look at it and try again."
            raise Conflict(message) from stale

    def _not_found(self, what: str) -> NotFound:
        return NotFound(f"There is no {self.noun} {what}.", code=f"{self._code}_not_found")

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)
