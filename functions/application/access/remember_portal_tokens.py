"""Whether portal tokens are in force, as a process has looked it up, for a few seconds."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from functions.domain.access.portal_token import PortalToken

# How long a token that was invalidated may work where it was used a moment ago.
KNOWN_FOR = timedelta(seconds=5)
MAX_KNOWN = 10_000


class RememberedPortalTokens:
    """By tenant and id, the answers to what was signed by us; a clock that goes back asks again."""

    def __init__(self, look_up: Callable[[PortalToken], bool]) -> None:
        self._look_up = look_up
        self._known: OrderedDict[tuple[str, str], tuple[datetime, bool]] = OrderedDict()

    def is_in_force(self, token: PortalToken, now: datetime) -> bool:
        key = (token.tenant, token.id)
        at, found = self._known.get(key, (None, False))
        if at is not None and at <= now < at + KNOWN_FOR:
            return found
        found = self._look_up(token)
        self._known[key] = (now, found)
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return found
