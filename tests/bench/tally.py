"""Counted quantities by name: added up, scaled, and turned into money."""

from collections import defaultdict
from collections.abc import Mapping

from infra.prices import PRICES


class Tally(defaultdict[str, float]):
    """Names of prices.PRICES, optionally with a part after a dot (`write_units.ledger`); others are only reported."""

    def __init__(self, counts: Mapping[str, float] | None = None) -> None:
        super().__init__(float, counts or {})

    def plus(self, other: Mapping[str, float], times: float = 1.0) -> "Tally":
        result = Tally(self)
        for name, count in other.items():
            result[name] += count * times
        return result

    def times(self, factor: float) -> "Tally":
        return Tally({name: count * factor for name, count in self.items()})

    def total(self, name: str) -> float:
        return sum(count for key, count in self.items() if key.partition(".")[0] == name)

    def usd(self) -> dict[str, float]:
        """What each priced quantity costs; names without a price cost nothing."""
        bill: dict[str, float] = {}
        for key, count in self.items():
            price = PRICES.get(key.partition(".")[0])
            if price is not None:
                bill[key] = count * price.usd
        return bill
