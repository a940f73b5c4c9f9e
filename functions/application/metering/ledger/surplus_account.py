"""What counting costs a process beyond the events' bytes, by tenant, until it is charged."""

from collections import Counter
from collections.abc import Callable, Mapping


class SurplusAccount:
    """`invocation` is what was noted since the invocation began, in the unit of `domain/metering/ledger/surplus.py`."""

    def __init__(self, charge: Callable[[Mapping[str, int]], None]) -> None:
        self._charge = charge
        self._uncharged = Counter[str]()
        self.invocation = Counter[str]()

    def note(self, surplus: Mapping[str, int]) -> None:
        self.invocation.update(surplus)
        self._uncharged.update(surplus)

    def settle(self, least: int) -> None:
        """Charge the tenants that owe more than `least`."""
        much = {tenant: owed for tenant, owed in self._uncharged.items() if owed > least}
        if much:
            self._charge(much)
            self._uncharged -= Counter(much)
