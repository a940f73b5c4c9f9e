"""What keeps the subjects that somebody has described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from functions.application.ports.stored import Stored
    from functions.domain.subscriptions.subject import Subject


class Subjects(Protocol):
    """What is written builds on the versions that were read; it raises Stale if one has changed."""

    def get(self, tenant: str, subject_id: str) -> Stored[Subject] | None: ...

    def of_keys(self, tenant: str, keys: Sequence[str]) -> Mapping[str, Stored[Subject]]:
        """By key; those that are not there are left out."""
        ...

    def save(self, tenant: str, subjects: Sequence[Stored[Subject]]) -> None:
        """All or none of them."""
        ...

    def delete(self, tenant: str, subject: Stored[Subject]) -> None: ...
