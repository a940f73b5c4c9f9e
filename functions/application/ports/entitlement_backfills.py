"""What entitling subscriptions of earlier versions needs of its storage; reads are strongly consistent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from functions.application.ports.listing import Listing
    from functions.domain.subscriptions.entitlement_backfill import (
        EntitlementBackfill,
        Looked,
        NotEntitled,
        TenantSearch,
    )

# Where a search of the whole store goes on.
Place = tuple[str, str]


@dataclass(frozen=True)
class ToDo:
    """How far the search for tenants is, None before the first one, and whose backfill goes on now."""

    search: TenantSearch | None
    tenants: Sequence[str]


class EntitlementBackfills(Protocol):
    def to_do(self, until: datetime, most: int) -> ToDo:
        """By one read: that of everything that is done costs no more."""
        ...

    def save_search(self, search: TenantSearch) -> TenantSearch:
        """As it is stored; raises Stale when another one wrote it."""
        ...

    def subscribing_tenants(self, after: Place | None) -> tuple[Sequence[str], Place | None]:
        """Tenants with subscriptions in a part of the store, each once, and where to go on, None at its end."""
        ...

    def subscribed_customers(self, tenant: str, after: str | None) -> tuple[Sequence[str], bool]:
        """Some who have subscriptions, by id behind another one, and whether there may be more."""
        ...

    def count_customers(self, tenant: str) -> int | None:
        """Of all who have subscriptions; None where they are too many to be counted."""
        ...

    def get(self, tenant: str) -> EntitlementBackfill | None: ...

    def save(
        self,
        tenant: str,
        before: EntitlementBackfill | None,
        after: EntitlementBackfill,
        results: Sequence[Looked] = (),
        known: Sequence[NotEntitled] = (),
    ) -> EntitlementBackfill:
        """As it is stored, with what became of customers, all or nothing; raises Stale when it was changed.

        Of the `known` failures those are forgotten that the results have no failure of.
        """
        ...

    def failures(self, tenant: str) -> Listing[NotEntitled]:
        """By customer id."""
        ...

    def failures_of(self, tenant: str, customer_ids: Sequence[str]) -> Sequence[NotEntitled]: ...
