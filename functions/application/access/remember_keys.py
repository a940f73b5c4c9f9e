"""API keys a process has looked up, for a little while: the gateway cannot, as a key comes in one of two headers."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from functions.domain.access.api_key import ApiKey

Kept = TypeVar("Kept")

# How long a revoked key may work, and how soon one that was just made does where it was tried before.
KNOWN_FOR = timedelta(seconds=60)
UNKNOWN_FOR = timedelta(seconds=5)
# A record is below 1 KB: 10 MB of keys in use.
MAX_KNOWN = 10_000
# Apart from those that exist, so that a flood of made-up keys drives out none of them and fills nothing.
MAX_UNKNOWN = 1_000


class RememberedKeys:
    """By id: the secret that comes with it is compared each time, and no token is kept."""

    def __init__(self, find_key: Callable[[str], ApiKey | None]) -> None:
        self._find_key = find_key
        self._known: OrderedDict[str, tuple[datetime, ApiKey]] = OrderedDict()
        self._unknown: OrderedDict[str, datetime] = OrderedDict()

    def find(self, key_id: str, now: datetime) -> ApiKey | None:
        remembered = self._known.get(key_id)
        if remembered is not None and now < remembered[0]:
            self._known.move_to_end(key_id)
            return remembered[1]
        until = self._unknown.get(key_id)
        if until is not None and now < until:
            return None
        key = self._find_key(key_id)
        if key is None:
            self._known.pop(key_id, None)
            _keep(self._unknown, key_id, now + UNKNOWN_FOR, MAX_UNKNOWN)
        else:
            self._unknown.pop(key_id, None)
            _keep(self._known, key_id, (now + KNOWN_FOR, key), MAX_KNOWN)
        return key


def _keep(kept: "OrderedDict[str, Kept]", key_id: str, value: Kept, most: int) -> None:
    kept[key_id] = value
    kept.move_to_end(key_id)
    if len(kept) > most:
        kept.popitem(last=False)
