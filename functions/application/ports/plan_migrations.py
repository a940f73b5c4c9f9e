"""What migrating all subscriptions of a plan needs of its storage and of who runs the work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from functions.domain.subscriptions.plan_migration import MigratedSubscription, PlanMigration


class PlanMigrations(Protocol):
    """A tenant's migrations, of which the latest alone may be running. Reads are strongly consistent."""

    def get(self, tenant: str, migration_id: str) -> PlanMigration | None: ...

    def latest(self, tenant: str) -> tuple[PlanMigration | None, int]:
        """The one that was begun last, and the version under which another one may be begun."""
        ...

    def begin(self, tenant: str, migration: PlanMigration, after: int) -> PlanMigration:
        """As it is stored; raises Stale when another one was begun since the latest was read."""
        ...

    def save(
        self, tenant: str, migration: PlanMigration, results: Sequence[MigratedSubscription] = ()
    ) -> PlanMigration:
        """Write it with what became of some of its subscriptions, all or nothing; raises Stale when it was changed."""
        ...

    def results(
        self, tenant: str, migration_id: str, *, after: str | None, most: int
    ) -> Sequence[MigratedSubscription]:
        """In the order of the subscriptions' ids, behind one of them."""
        ...


class MigrationRuns(Protocol):
    def start(self, tenant: str, migration: PlanMigration) -> None:
        """A run already started is left alone."""
        ...
