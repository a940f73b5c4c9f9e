"""What the catalogue needs from outside: versioned plans and add-ons, and which add-on goes with which plan."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from functions.domain.catalog.addon import Addon
from functions.domain.catalog.plan import Plan
from functions.domain.catalog.plan_addon import PlanAddon
from functions.domain.catalog.versioned import Versioned

Record = TypeVar("Record", bound=Versioned)


@dataclass(frozen=True)
class Family:
    """All versions of one key: their ids in order, and which is the draft and which the active one."""

    key: str
    ids: tuple[str, ...] = ()
    draft: str | None = None
    active: str | None = None
    version: int = 0


class Versions(Protocol[Record]):
    def get(self, tenant: str, version_id: str) -> Record | None: ...

    def family(self, tenant: str, key: str) -> Family | None: ...

    def all(self, tenant: str) -> Iterable[Record]: ...

    def save(self, tenant: str, versions: Sequence[Record], family: Family) -> None:
        """Write versions and their family, if the family still has the version it was read with; raises Stale."""
        ...


class Plans(Versions[Plan], Protocol): ...


class Addons(Versions[Addon], Protocol): ...


class PlanAddons(Protocol):
    def of_plan(self, tenant: str, plan_id: str) -> Sequence[PlanAddon]:
        """All that were ever assigned, removed ones too."""
        ...

    def get(self, tenant: str, plan_id: str, addon_id: str) -> PlanAddon | None: ...

    def put(self, tenant: str, assignments: Sequence[PlanAddon]) -> None: ...
