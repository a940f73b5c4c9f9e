"""What portal tokens need: who signs and reads them, and where it is kept whether they are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from functions.domain.access.portal_token import Holder, PortalToken


class ListedToken(NamedTuple):
    token: PortalToken
    is_invalidated: bool


class PortalTokens(Protocol):
    def add(self, token: PortalToken) -> None:
        """Invalidating its holder's tokens later invalidates it; what was invalidated before does not."""
        ...

    def is_in_force(self, tenant: str, token_id: str, holder: Holder) -> bool:
        """False for one that was invalidated and for one that is not kept (any more)."""
        ...

    def newest(self, tenant: str, most: int) -> list[ListedToken]:
        """The newest first, expired and invalidated ones among them."""
        ...

    def invalidate(self, tenant: str, token_id: str, at: datetime) -> bool:
        """False when there is none with this id."""
        ...

    def invalidate_all(self, tenant: str, holder: Holder, epoch: str, at: datetime) -> None:
        """All there are of this holder; `epoch` is a text that was never used before."""
        ...


class PortalSeal(Protocol):
    def sign(self, token: PortalToken, now: datetime) -> str: ...

    def read(self, text: str, now: datetime) -> PortalToken | None:
        """None unless one of the keys in use has signed exactly this; an expired one is read, too."""
        ...
