"""What looking at billed periods again needs: which usage came late, which bills are due for it, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from functions.domain.billing.difference import BilledDifference
    from functions.domain.billing.invoice import InvoiceRecord
    from functions.domain.metering.ledger.late import LateUsage


class LateIndex(Protocol):
    """What was counted late, by the hour in which that was decided."""

    def tenants(self, before_slot: int, most: int, after: tuple[int, str] | None = None) -> Sequence[tuple[int, str]]:
        """(hour, tenant) with something left to look at, the oldest hour first."""
        ...

    def late(self, slot: int, tenant: str, most: int, after: LateUsage | None = None) -> Sequence[LateUsage]: ...

    def forget(self, done: Sequence[LateUsage]) -> None: ...

    def forget_tenant(self, slot: int, tenant: str) -> None:
        """Once nothing of it is left."""
        ...


@dataclass(frozen=True)
class Recheck:
    """A customer whose billed periods since then are to be looked at, told by nobody else.

    `name` tells apart what is due at the same time: an invoice that was measured too early, subjects that were added.
    """

    due_at: datetime
    tenant: str
    customer_id: str
    name: str
    since: datetime


class Rechecks(Protocol):
    def due(self, until: datetime, most: int, after: Recheck | None = None) -> Sequence[Recheck]: ...

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
