"""What plans and add-ons share: numbered versions that are drafted, published once, and archived."""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from functions.domain.errors import Conflict
from functions.domain.money import minor_digits
from functions.domain.wire import Instant, Key, WireModel, checked


class VersionStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"
    SCHEDULED = "scheduled"


def iso_currency(code: str) -> str:
    """For a field of a model: the code itself if it is an ISO currency with minor units."""
    return checked(minor_digits, code)


class Versioned(WireModel, ABC):
    """One version; its status follows from its effective times and is never stored."""

    id: str
    key: Key
    version: int
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    effective_from: Instant | None = None
    effective_to: Instant | None = None

    def status(self, now: datetime) -> VersionStatus:
        if self.effective_from is None:
            return VersionStatus.DRAFT
        if self.effective_to is not None and self.effective_to <= now:
            return VersionStatus.ARCHIVED
        return VersionStatus.ACTIVE if self.effective_from <= now else VersionStatus.SCHEDULED

    @property
    def is_draft(self) -> bool:
        return self.effective_from is None and self.deleted_at is None

    @property
    @abstractmethod
    def label(self) -> str: ...

    def with_update(self, update: WireModel, now: datetime) -> Self:
        """The draft with everything that was offered in place of what it said before."""
        self.require_draft("changed")
        fields: dict[str, Any] = {name: getattr(update, name) for name in type(update).model_fields}
        return self.model_copy(update={**fields, "updated_at": now})

    def published(self, now: datetime) -> Self:
        self.require_draft("published")
        return self.model_copy(update={"effective_from": now, "updated_at": now})

    def archived(self, now: datetime) -> Self:
        if self.status(now) is not VersionStatus.ACTIVE:
            raise Conflict(f"Only an active version can be archived; {self.label} is {self.status(now)}.")
        return self.model_copy(update={"effective_to": now, "updated_at": now})

    def deleted(self, now: datetime) -> Self:
        self.require_draft("deleted")
        return self.model_copy(update={"deleted_at": now, "updated_at": now})

    def require_draft(self, what: str) -> None:
        if not self.is_draft:
            raise Conflict(f"Only a draft can be {what}; {self.label} is published. Create a new version instead.")
