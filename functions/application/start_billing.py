"""Start the billing workflow when, and only when, something is due."""

from datetime import UTC, datetime, timedelta

from functions.application.ports.billing import BillingRun, BillingRuns, DueIndex
from functions.application.ports.clock import Clock

# The schedule's own rhythm: two invocations in one slot name, and so start, the same run.
SLOT = timedelta(minutes=15)


def start_billing(collection: timedelta, *, index: DueIndex, runs: BillingRuns, clock: Clock) -> BillingRun | None:
    """Look for periods that ended at least `collection` ago and for invoices left to push; None when there are none."""
    now = clock.now().replace(microsecond=0)
    as_of = now - collection
    if not (index.due(as_of, after=None, limit=1).items or index.unpushed(now, after=None, limit=1).items):
        return None
    run = BillingRun(f"schedule-{_slot(now):%Y%m%dT%H%M}", as_of)
    runs.start(run)
    return run


def _slot(now: datetime) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (now - start) // SLOT * SLOT
