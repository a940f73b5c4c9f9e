"""The end of a backfill's run: done when every piece of its work is, failed otherwise."""

from collections.abc import Mapping
from typing import Any

from functions.application.ports.clock import Clock
from functions.application.ports.history import Histories
from functions.application.step_failure import step_failure
from functions.domain.metering.ledger.history import Backfill, Status


def end_backfill(
    tenant: str, meter_id: str, run: int, error: Mapping[str, Any] | None, *, histories: Histories, clock: Clock
) -> Backfill | None:
    """What is stored then; a run that is no longer the meter's, or has ended, is left alone."""
    stored = histories.backfill(tenant, meter_id)
    if stored is None or stored.run != run:
        return stored
    now = clock.now().replace(microsecond=0)
    if error:
        histories.end_backfill(stored, Status.FAILED, now, step_failure(error).message)
    elif stored.done < stored.total:
        reason = f"{stored.total - stored.done} of {stored.total} pieces of work did not say that they are done."
        histories.end_backfill(stored, Status.FAILED, now, reason)
    else:
        histories.end_backfill(stored, Status.DONE, now)
    return histories.backfill(tenant, meter_id)
