"""Which backfills run at the same time: one of each tenant, so many of all, and who waited longest is next.

A slot is held for a while and renewed by the workers of its run, so that a run that died gives it back by itself.
"""

import msgspec

from functions.domain.metering.ledger.history import Backfill

# Each has twenty workers: a tenth of the thousand functions that an account may run at once.
MAX_RUNNING = 5
HELD_SECONDS = 3_600  # a worker is called again after 300 s, and tried again after 900 s at most
# A run that waits asks once a minute; one that did not ask for so long is gone.
FORGOTTEN_SECONDS = 600
# Tenants that wait, as many as fit into an item; those beyond do not stand in the line until it is shorter.
MAX_WAITING = 1_000


class Holder(msgspec.Struct, frozen=True, array_like=True):
    tenant: str
    meter_id: str
    run_id: str
    until: int


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A tenant none of whose backfills runs, since when it waits, and when it last asked."""

    tenant: str
    since: int
    seen: int


class Turn(msgspec.Struct, frozen=True):
    """Whether a run has its slot, and otherwise what it waits for."""

    has_slot: bool
    reason: str | None = None


class Slots(msgspec.Struct, frozen=True, array_like=True):
    holders: tuple[Holder, ...] = ()
    waiting: tuple[Waiting, ...] = ()

    def asked(self, run: Backfill, now: int) -> "tuple[Slots, Turn]":
        """The slots when the run has asked for one, or again for the one it has."""
        holders = tuple(each for each in self.holders if each.until > now)
        waiting = tuple(each for each in self.waiting if each.seen > now - FORGOTTEN_SECONDS)
        others = tuple(each for each in holders if each.run_id != run.run_id)
        mine = Holder(run.tenant, run.meter_id, run.run_id, now + HELD_SECONDS)
        if len(others) < len(holders):
            return Slots((*others, mine), waiting), Turn(True)
        rest = tuple(each for each in waiting if each.tenant != run.tenant)
        before = next((each for each in holders if each.tenant == run.tenant), None)
        if before is not None:
            # Its time in the line begins when that one has ended: otherwise its next one would always be first.
            reason = f"It begins when the backfill of meter {before.meter_id} has ended: one runs at a time."
            return Slots(holders, rest), Turn(False, reason)
        since = next((each.since for each in waiting if each.tenant == run.tenant), now)
        ahead = sum((each.since, each.tenant) < (since, run.tenant) for each in rest)
        if len(holders) + ahead < MAX_RUNNING:
            return Slots((*holders, mine), rest), Turn(True)
        reason = f"It waits for one of {MAX_RUNNING} slots for the backfills of all tenants; {ahead} are before it."
        return Slots(holders, (*rest, Waiting(run.tenant, since, now))[:MAX_WAITING]), Turn(False, reason)

    def left(self, run_id: str) -> "Slots":
        return Slots(tuple(each for each in self.holders if each.run_id != run_id), self.waiting)

    def renewed(self, run_id: str, now: int) -> "Slots":
        until = now + HELD_SECONDS
        holders = (
            msgspec.structs.replace(each, until=until) if each.run_id == run_id else each for each in self.holders
        )
        return Slots(tuple(holders), self.waiting)

    def needs_renewal(self, run_id: str, now: int) -> bool:
        """Is less than half of its time left to a run that has a slot?"""
        return any(each.run_id == run_id and each.until < now + HELD_SECONDS // 2 for each in self.holders)
