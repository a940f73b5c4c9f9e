"""Entitlements for subscriptions that were written before there were any: how far a tenant's backfill is.

What is stored of it stays readable for ever, like all that is stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from functions.domain.wire import Instant, WireModel

# Of what entitlements come to of subscriptions (`entitling.py`): one more makes every deployment look at all of them.
REVISION = 1
# A function of the version before may still be running: the longest that writes subscriptions has five minutes.
SETTLES_AFTER = timedelta(minutes=10)
# Customers who could not be entitled are tried again so often, until their tenant has done something about it.
TRIED_AGAIN_AFTER = timedelta(hours=1)
MAX_REASON_CHARACTERS = 1_000


class EntitlementBackfillStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED_SOME = "failed_some"


class NotEntitled(WireModel):
    """A customer who could not be entitled to what they have subscribed to, and why."""

    customer_id: str
    code: str
    reason: str
    failed_at: Instant


@dataclass(frozen=True)
class Looked:
    """What became of one customer: how many entitlements they got, or why none."""

    customer_id: str
    entitled: int = 0
    failure: NotEntitled | None = None


class EntitlementBackfill(WireModel):
    """`position` is the customer who was looked at last: of all who have subscribed, later of those who failed.

    `total` is of customers, None where nobody counted them. `due_at` is when it goes on, None when all is done;
    `version` counts the stored writes.
    """

    revision: int = REVISION
    status: EntitlementBackfillStatus = EntitlementBackfillStatus.RUNNING
    total: int | None = None
    looked_at: int = 0
    entitled: int = 0
    failed: int = 0
    position: str | None = None
    started_at: Instant
    updated_at: Instant
    ended_at: Instant | None = None
    due_at: Instant | None = None
    version: int = 0

    @classmethod
    def begun(cls, now: datetime) -> Self:
        return cls(started_at=now, updated_at=now, due_at=now)

    @property
    def is_running(self) -> bool:
        """All customers are looked at, not only those who failed before."""
        return self.status is EntitlementBackfillStatus.RUNNING

    @property
    def is_current(self) -> bool:
        return self.revision == REVISION

    def again(self, now: datetime) -> Self:
        """From the beginning; whoever failed before is known as failed until looked at again."""
        return self.begun(now).model_copy(update={"failed": self.failed, "version": self.version})

    def counted(self, total: int | None) -> Self:
        return self.model_copy(update={"total": total})

    def worked(self, results: Sequence[Looked], known: Collection[str], now: datetime) -> Self:
        """With these customers looked at, of whom the `known` ones had failed before."""
        failed = {each.customer_id for each in results if each.failure is not None}
        return self.model_copy(
            update={
                "looked_at": self.looked_at + (len(results) if self.is_running else 0),
                "entitled": self.entitled + sum(each.entitled for each in results),
                "failed": self.failed + len(failed) - len(set(known)),
                "position": results[-1].customer_id if results else self.position,
                "updated_at": now,
            }
        )

    def ended(self, now: datetime) -> Self:
        """For now; some who failed are tried again later."""
        is_done = self.failed == 0
        return self.model_copy(
            update={
                "status": EntitlementBackfillStatus.DONE if is_done else EntitlementBackfillStatus.FAILED_SOME,
                # Those who subscribed meanwhile were looked at, too, or came behind the last one.
                "total": self.looked_at,
                "position": None,
                "ended_at": now if is_done or self.is_running else self.ended_at,
                "due_at": None if is_done else now + TRIED_AGAIN_AFTER,
                "updated_at": now,
            }
        )


class TenantSearch(WireModel):
    """How far the search for tenants is that have subscriptions: a backfill is begun for each of them.

    `position` is where the store goes on. `noted_at` is when a function of this revision ran for the first time.
    """

    revision: int = REVISION
    noted_at: Instant
    position: tuple[str, str] | None = None
    ended_at: Instant | None = None
    version: int = 0

    @property
    def is_current(self) -> bool:
        return self.revision == REVISION

    @property
    def is_over(self) -> bool:
        return self.is_current and self.ended_at is not None

    def is_settled(self, now: datetime) -> bool:
        """Whether every subscription that is written from now on is entitled by its own writer."""
        return now >= self.noted_at + SETTLES_AFTER

    def searched(self, position: tuple[str, str] | None, now: datetime) -> Self:
        return self.model_copy(update={"position": position, "ended_at": None if position else now})
