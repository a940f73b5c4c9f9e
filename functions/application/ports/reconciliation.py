"""What looking at billed periods again needs: which usage came late, which bills are due for it, what was found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from functions.domain.invoicing.difference import BilledDifference
from functions.domain.invoicing.invoice import InvoiceRecord
from functions.domain.metering.late import LateUsage


class LateIndex(Protocol):
    """What was counted late, by the hour in which that was decided."""

    def tenants(self, before_slot: int, most: int) -> Sequence[tuple[int, str]]:
        """(hour, tenant) with something left to look at, the oldest hour first."""
        ...

    def late(self, slot: int, tenant: str, most: int, after: LateUsage | None = None) -> Sequence[LateUsage]: ...

    def forget(self, done: Sequence[LateUsage]) -> None: ...

    def forget_tenant(self, slot: int, tenant: str) -> None:
        """Once nothing of it is left."""
        ...


@dataclass(frozen=True)
class Recheck:
    """An invoice that was measured before late usage is told of."""

    due_at: datetime
    tenant: str
    customer_id: str
    invoice_id: str


class Rechecks(Protocol):
    def due(self, until: datetime, most: int) -> Sequence[Recheck]: ...

    def forget(self, recheck: Recheck) -> None: ...


class CustomerInvoices(Protocol):
    def of_customer(self, tenant: str, customer_id: str, since: datetime, most: int) -> Sequence[InvoiceRecord]:
        """With their lines, those owed from `since` on, earliest first."""
        ...

    def unindexed_of_customer(
        self, tenant: str, customer_id: str, since: datetime, most: int
    ) -> Sequence[InvoiceRecord]:
        """The same by looking at all invoices of the tenant since then: for those older than the index."""
        ...


class Differences(Protocol):
    def of_customer(self, tenant: str, customer_id: str) -> Sequence[BilledDifference]: ...

    def all(self, tenant: str) -> Iterable[BilledDifference]: ...

    def keep(self, tenant: str, difference: BilledDifference) -> None: ...

    def forget(self, tenant: str, difference: BilledDifference) -> None: ...
