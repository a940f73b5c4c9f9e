"""What keeps meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from functions.application.ports.catalog import SaleCounts
    from functions.application.ports.stored import Stored
    from functions.domain.metering.meters.meter import MeterSet
    from functions.domain.metering.meters.meter_record import MeterRecord


class Meters(Protocol):
    """Full records, and the set of those that count, which the aggregator reads."""

    def counting(self, tenant: str) -> MeterSet:
        """The meters that are not deleted; its version rises with every change of any of them."""
        ...

    def get(self, tenant: str, meter_id: str) -> Stored[MeterRecord] | None: ...

    def save(
        self, tenant: str, meter: Stored[MeterRecord], counting: MeterSet, *, unsold_at: SaleCounts | None = None
    ) -> None:
        """Write the record and the set, all or nothing; raises Stale unless both follow the stored versions.

        `unsold_at` says that something of the meter that can be sold is gone, which nothing sold when that was read;
        also Stale when something was put up for sale or subscribed to since.
        """
        ...
