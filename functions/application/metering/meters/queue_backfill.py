"""A backfill waits for its turn, says so, and gives its slot back when it ends; the workflow asks again and again."""

from collections.abc import Callable
from typing import TypeVar

from functions.application.ports.clock import Clock
from functions.application.ports.history import BackfillSlots, Histories
from functions.domain.metering.ledger.backfill_slots import Slots, Turn
from functions.domain.metering.ledger.history import Status

# Of one write under the version that was read; a run that fails to take a slot asks again in a minute.
MAX_TRIES = 8
Result = TypeVar("Result")
BUSY = Turn(False, "It waits for its turn; many others are asking at the same moment.")


def queue_backfill(
    tenant: str, meter_id: str, run: int, *, histories: Histories, slots: BackfillSlots, clock: Clock
) -> bool:
    """Whether the run may begin now; until then its status is `queued`, with the reason.

    A run that is no longer the meter's, or has ended, has nothing to wait for: what comes next leaves it alone.
    """
    stored = histories.backfill(tenant, meter_id)
    if stored is None or stored.run != run or not stored.status.is_alive:
        return True
    now = int(clock.now().timestamp())
    turn = _changed(slots, lambda held: held.asked(stored, now)) or BUSY
    status = Status.RUNNING if turn.has_slot else Status.QUEUED
    if (stored.status, stored.reason) != (status, turn.reason):
        histories.queue_backfill(stored, status, turn.reason)
    return turn.has_slot


def renew_slot(run_id: str, *, slots: BackfillSlots, clock: Clock) -> None:
    """Every worker of the run calls this, as often as it likes."""
    now = int(clock.now().timestamp())
    held, _ = slots.load()
    if held.needs_renewal(run_id, now):
        _changed(slots, lambda held: (held.renewed(run_id, now), True))


def release_slot(run_id: str, *, slots: BackfillSlots) -> None:
    """A slot that could not be released is free when its time is over."""
    _changed(slots, lambda held: (held.left(run_id), True))


def _changed(slots: BackfillSlots, change: Callable[[Slots], tuple[Slots, Result]]) -> Result | None:
    """What the change answers once it is written; None when others were faster each time."""
    for _ in range(MAX_TRIES):
        held, version = slots.load()
        changed, result = change(held)
        if changed == held or slots.save(changed, version):
            return result
    return None
