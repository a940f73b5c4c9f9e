"""The steps of a plan's migration: list the subscriptions, work them off page by page, say how it ended.

A page's results are written with the migration that counts them, all or nothing. A process that is killed before that
leaves subscriptions migrated that nobody has counted yet: the next process finds what follows them and counts it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.application.ports.clock import Clock
from functions.application.ports.listing import Listing
from functions.application.ports.plan_migrations import PlanMigrations
from functions.application.ports.stored import Stale
from functions.application.step_failure import INTERNAL, step_failure
from functions.domain.errors import TollboothError, Unavailable
from functions.domain.subscriptions.plan_migration import (
    MAX_TRIES,
    MigratedSubscription,
    MigrationStatus,
    PlanMigration,
)
from functions.domain.subscriptions.subscription import Subscription

# Looked at with one read of the store, and written with one transaction: 100 writes at most, one is the migration.
LISTED_AT_ONCE = 90
# Looked at in one step, about five seconds.
LISTED_A_STEP = 5_000
# Results of one transaction. So many may have to be looked at again after a kill.
PAGE = 25
# Worked off in one step; each is about ten requests. An execution has room for 25,000 events, a step makes seven.
WORKED_A_STEP = 200

One = Callable[[MigratedSubscription], MigratedSubscription]
# An error nobody planned for, and of which subscription.
Note = Callable[[Exception, str], None]


@dataclass(frozen=True)
class Step:
    """How far a step came; one that is waiting had others in its way, and is to be asked again a little later."""

    migration: PlanMigration | None
    is_done: bool
    is_waiting: bool = False


@dataclass(frozen=True)
class MigrationStep:
    """One step of the migration's own execution; those of an earlier attempt find nothing to do."""

    tenant: str
    migration_id: str
    attempt: int
    migrations: PlanMigrations
    clock: Clock

    def look(self, listing: Listing[Subscription]) -> Step:
        """Goes on looking at the tenant's subscriptions; raises Unavailable when somebody else did so meanwhile."""
        migration = self._current()
        for _ in range(0, LISTED_A_STEP, LISTED_AT_ONCE):
            if migration is None or migration.is_listed:
                return Step(migration, is_done=True)
            part = listing.read_slice(after=migration.listed_to, descending=False, most=LISTED_AT_ONCE)
            now, looked_at = self._now(), [entry.read() for entry in part.entries]
            found = [_pending(each) for each in looked_at if migration.concerns(each, now)]
            migration = self._save(migration.listed(found, part.end, now), found)
        return Step(migration, is_done=False)

    def work(self, begin: Callable[[PlanMigration], One], is_late: Callable[[], bool], note: Note) -> Step:
        """Goes on with what is pending; `begin` is asked for each page. Raises Unavailable as `look` does."""
        migration = self._current()
        for _ in range(0, WORKED_A_STEP, PAGE):
            pending = self._pending_of(migration)
            if migration is None or not pending:
                return Step(migration, is_done=True)
            one, results = begin(migration), list[MigratedSubscription]()
            for each in pending:
                if results and is_late():
                    break
                tries = migration.tries if not results else 0
                result = _attempted(one, each, note, is_last=tries + 1 >= MAX_TRIES)
                if result is None:
                    self._save(migration.worked(results, self._now()).tried(), results)
                    return Step(migration, is_done=False, is_waiting=True)
                results.append(result)
            migration = self._save(migration.worked(results, self._now()), results)
            if is_late():
                break
        return Step(migration, is_done=False)

    def end(self, error: Mapping[str, Any] | None) -> PlanMigration | None:
        """Done when everything has its result, failed otherwise; one that is another attempt's is left alone."""
        migration = self._current()
        if migration is None:
            return self.migrations.get(self.tenant, self.migration_id)
        left = migration.total - migration.done - migration.failed
        reason = f"{left} of {migration.total} subscriptions were not reached." if left else None
        if not migration.is_listed:
            reason = "Not all subscriptions were looked at."
        if error:
            reason = step_failure(error).message
        return self._save(migration.ended(reason, self._now()))

    def _current(self) -> PlanMigration | None:
        found = self.migrations.get(self.tenant, self.migration_id)
        is_ours = found is not None and found.attempt == self.attempt and found.status is MigrationStatus.RUNNING
        return found if is_ours else None

    def _pending_of(self, migration: PlanMigration | None) -> list[MigratedSubscription]:
        if migration is None:
            return []
        return [*self.migrations.results(self.tenant, migration.id, after=migration.worked_to, most=PAGE)]

    def _save(self, migration: PlanMigration, results: list[MigratedSubscription] | None = None) -> PlanMigration:
        try:
            return self.migrations.save(self.tenant, migration, results or [])
        except Stale as stale:
            message = f"Migration {migration.id} was written by another worker."
            raise Unavailable(message, retry_after_seconds=1) from stale

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)


def _pending(subscription: Subscription) -> MigratedSubscription:
    assert subscription.plan is not None
    return MigratedSubscription(
        subscription_id=subscription.id,
        customer_id=subscription.customer_id,
        from_version=subscription.plan.version,
        currency=subscription.currency,
    )


def _attempted(one: One, each: MigratedSubscription, note: Note, *, is_last: bool) -> MigratedSubscription | None:
    """None when it may go well the next time: one that cannot be worked off must not stop the others."""
    try:
        return one(each)
    except Unavailable as busy:
        return each.refused(busy.code, busy.detail) if is_last else None
    except TollboothError as refusal:
        return each.refused(refusal.code, refusal.detail)
    except Exception as error:
        note(error, each.subscription_id)
        return each.refused(INTERNAL.code, INTERNAL.message) if is_last else None
