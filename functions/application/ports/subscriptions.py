"""What keeps customers and what they subscribe to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from functions.application.ports.catalog import NO_PREMISES, Premises

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from functions.application.ports.entitlements import EntitledChange
    from functions.application.ports.stored import Stored
    from functions.domain.billing.invoice import BilledCustomer
    from functions.domain.entitlements.entitlement import Entitled
    from functions.domain.metering.values.holding import Holding
    from functions.domain.subscriptions.customer import Customer
    from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Tenure:
    """One subscription's time with its customer; `ends_at` is None while it has no end."""

    subscription_id: str
    starts_at: datetime
    ends_at: datetime | None

    def is_on(self, at: datetime) -> bool:
        return self.starts_at <= at and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= at


@dataclass(frozen=True)
class Tenures:
    """A customer's latest subscriptions at a glance.

    `version` counts the changes of any of them and what must be decided with them in view: that the customer gets a
    coupon, or is deleted.
    """

    tenures: tuple[Tenure, ...] = ()
    version: int = 0


@dataclass(frozen=True)
class SubscriptionChange:
    """None before: it is made; None after: it is deleted. It stands only as long as its premises do."""

    before: Subscription | None
    after: Subscription | None
    premises: Premises = NO_PREMISES


class Subscriptions(Protocol):
    def get(self, tenant: str, subscription_id: str) -> Subscription | None: ...

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Subscription]:
        """All of them, ended ones too, in order of creation."""
        ...

    def tenures(self, tenant: str, customer_id: str) -> Tenures: ...

    def withdrawn(self, tenant: str, customer_id: str) -> int:
        """How often something was withdrawn that could be sold; to be read before what is sold is looked at."""
        ...

    def entitled(self, tenant: str, customer_id: str) -> Sequence[Entitled]:
        """All that the customer is or was entitled to."""
        ...

    def save(
        self,
        tenant: str,
        customer_id: str,
        changes: Sequence[SubscriptionChange],
        tenures: Tenures,
        sold_after: int | None = None,
        entitled: Sequence[EntitledChange] = (),
    ) -> None:
        """Write the changes with their due index entries, all or nothing; raises Stale.

        Neither the subscriptions nor any other of the customer's, as `tenures` tells, may have changed since, nor the
        customer be deleted. To be read before the customer is. `sold_after` says that they sell something from now on
        that they did not sell before; also Stale when something was withdrawn since that was read. `entitled` is
        what changes of the customer's entitlements with them.
        """
        ...


class SellingSubscriptions(Protocol):
    def mentioning(self, tenant: str, word: str, *, most: int) -> Iterable[Subscription]:
        """Those that name an id, key or slug anywhere, read as they are consumed.

        Raises TooLarge when there are more than `most` to look through.
        """
        ...


class BilledCustomers(Protocol):
    def find(self, tenant: str, id_or_key: str) -> BilledCustomer | None:
        """A customer who was not deleted, by id or by key."""
        ...

    def billed(self, tenant: str, customer_id: str) -> BilledCustomer | None:
        """A customer who was deleted is still billed for what was used before."""
        ...


class Customers(Protocol):
    def get(self, tenant: str, customer_id: str) -> Stored[Customer] | None: ...

    def by_key(self, tenant: str, key: str) -> Stored[Customer] | None: ...

    def many(self, tenant: str, customer_ids: Sequence[str]) -> Sequence[Customer]:
        """Those of these ids that exist, deleted or not."""
        ...

    def ids_of_keys(self, tenant: str, customer_keys: Sequence[str]) -> set[str]:
        """The customers who have one of these keys now."""
        ...

    def ids_of_subjects(self, tenant: str, subjects: Sequence[str]) -> set[str]:
        """The customers who have one of these subjects now."""
        ...

    def holders(self, tenant: str, subjects: Sequence[str]) -> Mapping[str, Sequence[Holder]]:
        """By subject the customers whose usage its events were or are; a subject nobody ever had is left out."""
        ...

    def holdings(self, tenant: str, customer_ids: Sequence[str]) -> Mapping[str, tuple[Holding, ...]]:
        """All that each of these customers ever held, deleted or not; one that does not exist is left out."""
        ...

    def save(self, tenant: str, before: Stored[Customer] | None, after: Customer) -> None:
        """Write the customer with the names it takes and frees at `after.updated_at`, all or nothing.

        Raises Taken or Stale.
        """
        ...

    def delete(self, tenant: str, before: Stored[Customer], after: Customer, tenures: Tenures) -> None:
        """Write the deleted customer and free its names; raises Stale, also when one subscribed since `tenures`."""
        ...


@dataclass(frozen=True)
class Holder:
    """Whose a subject's events are, and of which times."""

    customer_id: str
    holding: Holding
