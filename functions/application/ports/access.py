"""What keeps keys, and what the first deployment leaves behind for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from functions.domain.access.api_key import ApiKey


class ApiKeys(Protocol):
    def add(self, key: ApiKey) -> None: ...

    def find(self, key_id: str) -> ApiKey | None:
        """By id alone, revoked or not: the key says which tenant it belongs to."""
        ...

    def widen(self, key: ApiKey, scopes: Sequence[str]) -> bool:
        """Give the key these scopes; False when it was revoked before."""
        ...

    def revoke(self, key: ApiKey, at: datetime) -> bool:
        """False when it was revoked before."""
        ...


class RefusesToDeploy(Exception):
    """This deployment would damage what an earlier one left; the message tells the operator what to do."""


class Genesis(Protocol):
    def record(self, lanes: int, key_check: str, ledger_format: int) -> tuple[int, str, int]:
        """Keep these values if none are kept yet; what is kept now."""
        ...


class Vault(Protocol):
    """One secret."""

    def read(self) -> str: ...

    def write(self, secret: str) -> None: ...
