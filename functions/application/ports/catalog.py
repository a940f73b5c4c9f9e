"""What keeps features, versions of plans and add-ons, and which add-on goes with which plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.application.ports.stored import Stored
    from functions.domain.catalog.addon import Addon  # noqa: F401 - the text in a base class
    from functions.domain.catalog.feature import Feature, MeteredFeature
    from functions.domain.catalog.plan import Plan  # noqa: F401 - the text in a base class
    from functions.domain.catalog.plan_addon import PlanAddon
    from functions.domain.catalog.validation import MeterFacts
    from functions.domain.catalog.versioned import Versioned
    from functions.domain.metering.meters.meter_record import MeterRecord

Record = TypeVar("Record", bound="Versioned")


@dataclass(frozen=True)
class Family:
    """All versions of one key: their ids in order, and which is the draft and which the active one."""

    key: str
    ids: tuple[str, ...] = ()
    draft: str | None = None
    active: str | None = None
    version: int = 0


@dataclass(frozen=True)
class SaleCounts:
    """How often a tenant put something up for sale, and how often something that can be sold was withdrawn.

    An offer builds on what was withdrawn until then, and a withdrawal on what was offered. `subscribed` is
    how often subscriptions began to sell something, in as many parts as they are counted in.
    """

    offered: int = 0
    withdrawn: int = 0
    subscribed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Premises:
    """Families as they were read: a write that builds on them is stale as soon as one of them has changed."""

    plan: Family | None = None
    addon: Family | None = None


NO_PREMISES = Premises()


class Versions(Protocol[Record]):
    def get(self, tenant: str, version_id: str) -> Record | None: ...

    def family(self, tenant: str, key: str) -> Family | None: ...

    def all(self, tenant: str) -> Iterable[Record]: ...

    def many(self, tenant: str, version_ids: Sequence[str]) -> Sequence[Record]:
        """Those of these versions that there are, in no particular order."""
        ...

    def sale_counts(self, tenant: str) -> SaleCounts:
        """Of plans, add-ons and subscriptions; to be read before what is offered or withdrawn is looked at."""
        ...

    def save(
        self, tenant: str, versions: Sequence[Record], family: Family, *, offered_after: SaleCounts | None = None
    ) -> None:
        """Write versions and their family, if the family still has the version it was read with; raises Stale.

        `offered_after` says that they are for sale from now on; also Stale when something was withdrawn since then.
        """
        ...


class Plans(Versions["Plan"], Protocol): ...


class Addons(Versions["Addon"], Protocol): ...


class PlanAddons(Protocol):
    def of_plan(self, tenant: str, plan_id: str) -> Sequence[PlanAddon]:
        """All that were ever assigned, removed ones too."""
        ...

    def get(self, tenant: str, plan_id: str, addon_id: str) -> PlanAddon | None: ...

    def save(self, tenant: str, assigned: PlanAddon, premises: Premises) -> None:
        """Write it as a change of the plan's family, which must be in the premises; raises Stale."""
        ...

    def copy(self, tenant: str, assignments: Sequence[PlanAddon]) -> None:
        """Write the assignments of a plan version that nobody knows yet."""
        ...


class MeteredFeatures(Protocol):
    def metered(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeteredFeature]:
        """The features of these keys that exist and are not archived, by key."""
        ...

    def meters(self, tenant: str, wanted: Iterable[str]) -> Mapping[str, MeterFacts]:
        """The meters of those of these features that have one, by the feature's key."""
        ...


class Features(Protocol):
    def get(self, tenant: str, feature_id: str) -> Feature | None: ...

    def by_key(self, tenant: str, key: str) -> Feature | None:
        """The one feature of that key that is not archived."""
        ...

    def all(self, tenant: str) -> Iterable[Feature]:
        """Archived ones too, in order of creation."""
        ...

    def existing(self, tenant: str, wanted: Sequence[str]) -> set[str]:
        """Those of these keys that a feature has which is not archived."""
        ...

    def every_key(self, tenant: str, most: int) -> Sequence[str]:
        """The keys of features that are not archived, in order: all of them, or as many as are asked for."""
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
