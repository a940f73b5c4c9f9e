"""What keeps entitlements, and what tells whose usage counts against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from functions.application.ports.listing import Listing
    from functions.domain.entitlements.entitlement import Entitled, Entitlement
    from functions.domain.entitlements.grant_record import GrantRecord
    from functions.domain.metering.values.holding import Holding
    from functions.domain.subscriptions.customer import Customer


@dataclass(frozen=True)
class EntitledCustomer:
    """A customer as far as access goes; `held` are the subjects whose usage is theirs, and since when."""

    id: str
    key: str | None
    subjects: Sequence[str]
    held: Sequence[Holding]
    is_deleted: bool = False


@dataclass(frozen=True)
class KnownCustomer:
    """The same customer as the API shows them and as far as access goes."""

    customer: Customer
    entitled: EntitledCustomer


@dataclass(frozen=True)
class GrantOf:
    """A grant with what it is a grant of."""

    grant: GrantRecord
    entitlement_id: str
    customer_id: str
    feature_key: str


@dataclass(frozen=True)
class EntitledChange:
    """All entitlements of a customer to a feature as they were read, and as they shall be."""

    before: Entitled
    after: Entitled


class EntitledCustomers(Protocol):
    def entitled(self, tenant: str, id_or_key: str) -> EntitledCustomer | None:
        """By id also when deleted, by key only when not."""
        ...

    def entitled_by_subject(self, tenant: str, subject: str) -> EntitledCustomer | None:
        """The customer who has the subject now."""
        ...

    def ids_of(self, tenant: str, names: Sequence[str]) -> Mapping[str, str]:
        """The id of who has a name now, as key or as subject; a name that nobody has is left out."""
        ...

    def several(self, tenant: str, customer_ids: Sequence[str]) -> Iterator[KnownCustomer | None]:
        """Each of them in this order, None for one who is deleted; read together, but for what each one ever held."""
        ...

    def keys_of(self, tenant: str, customer_ids: Sequence[str]) -> dict[str, str | None]:
        """The key of each of these customers, deleted or not."""
        ...


class Entitlements(Protocol):
    def get(self, tenant: str, entitlement_id: str) -> Entitlement | None:
        """By its id alone, deleted or not."""
        ...

    def entitled(self, tenant: str, customer_id: str, feature_key: str) -> Entitled:
        """Empty where there never was one."""
        ...

    def of_customer(self, tenant: str, customer_id: str) -> Sequence[Entitled]:
        """By feature key."""
        ...

    def of_customers(
        self, tenant: str, customer_ids: Sequence[str], feature_keys: Sequence[str] | None
    ) -> Iterator[Sequence[Entitled]]:
        """Of each of them in this order, read when it is asked for: those to these features at least, or all."""
        ...

    def grant(self, tenant: str, grant_id: str) -> GrantOf | None: ...

    def listing(self, tenant: str) -> Listing[Entitlement]: ...

    def grants(self, tenant: str) -> Listing[GrantOf]: ...

    def save(self, tenant: str, change: EntitledChange) -> None:
        """Write what changed, all or nothing.

        Raises Stale when it changed meanwhile, or when the customer was deleted or the feature of a new entitlement
        archived.
        """
        ...


class HeldEntitlements(Protocol):
    def mentioning(self, tenant: str, word: str, *, most: int) -> Iterable[Entitlement]:
        """Those that name an id, key or slug anywhere, read as they are consumed.

        Raises TooLarge when there are more than `most` to look through.
        """
        ...
