"""Start the billing workflow when, and only when, something is due."""

from datetime import UTC, datetime, timedelta

from functions.application.ports.billing import BillingRun, BillingTurn, BillingTurns, DueIndex, ScheduledRuns
from functions.application.ports.clock import Clock

# The schedule's own rhythm: two invocations in one slot name, and so start, the same run.
SLOT = timedelta(minutes=15)
# Step Functions may not know for a moment what it has just been asked to start.
UNKNOWN_FOR = timedelta(minutes=5)


def start_billing(
    collection: timedelta, *, index: DueIndex, runs: ScheduledRuns, turns: BillingTurns, clock: Clock
) -> BillingRun | None:
    """Look for periods that ended at least `collection` ago and for invoices left to push; None when there are none,
    or while the run before works: two of them would plan and bill the same customers.
    """
    now = clock.now().replace(microsecond=0)
    as_of = now - collection
    if not (index.due(as_of, after=None, limit=1).items or index.unpushed(now, after=None, limit=1).items):
        return None
    run = BillingRun(f"schedule-{_slot(now):%Y%m%dT%H%M}", as_of)
    last = turns.last()
    if last is None or last.run_id != run.run_id:
        if last is not None and _is_working(last, runs, now):
            return None
        if not turns.take(BillingTurn(run.run_id, now), last):
            return None
    runs.start(run)
    return run


def _is_working(turn: BillingTurn, runs: ScheduledRuns, now: datetime) -> bool:
    """A run of which nothing is known was never started, unless its turn came just now."""
    is_working = runs.is_working(turn.run_id)
    return turn.began_at > now - UNKNOWN_FOR if is_working is None else is_working


def _slot(now: datetime) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (now - start) // SLOT * SLOT
