"""What keeps the records of a tenant: API keys, meters, customers, features and what was refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, Protocol, TypeVar

from functions.application.ports.billing import Tenures
from functions.application.ports.catalog import SaleCounts
from functions.domain.access.api_key import ApiKey
from functions.domain.catalog.feature import Feature
from functions.domain.metering.ledger.correction import Correction
from functions.domain.metering.ledger.reject import FurtherRefusals, KeptRefusal
from functions.domain.metering.meters.meter import MeterSet
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.domain.metering.values.holding import Holding
from functions.domain.subscriptions.customer import Customer

Record = TypeVar("Record")


class Stale(Exception):
    """Something this write builds on was written by somebody else since it was read: read again, decide again."""


class Taken(Exception):
    """A name that must be unique in the tenant belongs to another record; `field` is the path of the wish."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"{field} {value!r} is taken.")
        self.field = field
        self.value = value


@dataclass(frozen=True)
class Stored(Generic[Record]):
    """A record with the version it was read at; version 0 is not stored yet."""

    record: Record
    version: int = 0


@dataclass(frozen=True)
class Holder:
    """Whose a subject's events are, and of which times."""

    customer_id: str
    holding: Holding


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


class Features(Protocol):
    def get(self, tenant: str, feature_id: str) -> Feature | None: ...

    def by_key(self, tenant: str, key: str) -> Feature | None:
        """The one feature of that key that is not archived."""
        ...

    def all(self, tenant: str) -> Iterable[Feature]:
        """Archived ones too, in order of creation."""
        ...

    def add(self, tenant: str, feature: Feature, meter: Stored[MeterRecord] | None) -> None:
        """Raises Taken, and Stale when the meter it names has changed since it was read."""
        ...

    def archive(self, tenant: str, feature: Feature, unsold_at: SaleCounts) -> None:
        """Write the archived feature and free its key.

        Raises Stale when it was archived before, or something was put up for sale or subscribed to since `unsold_at`
        was read.
        """
        ...


class Customers(Protocol):
    def get(self, tenant: str, customer_id: str) -> Stored[Customer] | None: ...

    def by_key(self, tenant: str, key: str) -> Stored[Customer] | None: ...

    def many(self, tenant: str, customer_ids: Sequence[str]) -> Sequence[Customer]:
        """Those of these ids that exist, deleted or not."""
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


class ApiKeys(Protocol):
    def add(self, key: ApiKey) -> None: ...

    def find(self, key_id: str) -> ApiKey | None:
        """By id alone, revoked or not: the key says which tenant it belongs to."""
        ...

    def widen(self, key: ApiKey, scopes: Sequence[str]) -> bool:
        """Give the key these scopes; False when it was revoked before."""
        ...

    def revoke(self, key: ApiKey, at: datetime) -> bool:
        """False when it was revoked before."""
        ...


class Corrections(Protocol):
    """Who took which events back; what came of it is written by whoever applies the commit."""

    def add(self, tenant: str, correction: Correction) -> Correction:
        """Keep it unless there is one of the same id; answers the one that is kept."""
        ...

    def newest(self, tenant: str, *, before: str | None, limit: int) -> tuple[Sequence[Correction], str | None]:
        """Newest first, and what continues behind the last one; None when there are no more."""
        ...

    def with_effects(self, tenant: str, corrections: Sequence[Correction]) -> Sequence[Correction]: ...


class Refusals(Protocol):
    def of_day(
        self, tenant: str, day: date, *, first: int, last: int, before: str | None, page_size: int
    ) -> Iterable[KeptRefusal]:
        """What was refused of that day's events, those of the seconds first..last, newest first.

        `before` is the id of a refusal, of this or another day: those behind it. Read as it is consumed.
        """
        ...

    def get(self, tenant: str, refusal_id: str) -> KeptRefusal | None: ...

    def further_of_day(self, tenant: str, day: date, before: str | None) -> Iterable[FurtherRefusals]:
        """What commits left uncounted of that day's events beyond the first, by falling name, from below `before`."""
        ...

    def further(self, tenant: str, day: date, name: str) -> FurtherRefusals | None: ...

    def mark_replayed(self, tenant: str, refusal: KeptRefusal, at: int, by: str) -> KeptRefusal:
        """As it is then; one that was refused anew since it was read stays unmarked."""
        ...
