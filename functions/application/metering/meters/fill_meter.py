"""Have a meter's history counted from the archive: start a run, start one again that failed, see how far it is."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.metering.meters.change_meter import with_history
from functions.application.metering.meters.find_meter import find_meter
from functions.application.ports.clock import Clock
from functions.application.ports.history import BackfillRuns, Histories, HistoryReader
from functions.application.ports.meters import Meters
from functions.domain.errors import Conflict, NotFound
from functions.domain.metering.ledger.history import Backfill, Status
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.meters.meter_record import MeterRecord

NEVER_STARTED = "The run was not started; start it again."
TIMED_OUT = "The run did not end in time; start it again."


@dataclass(frozen=True)
class Shown:
    """A backfill as it stands now."""

    status: Status
    event_from: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    done: int = 0
    total: int = 0
    reason: str | None = None


def fill_meter(
    tenant: str,
    id_or_slug: str,
    event_from: datetime,
    *,
    meters: Meters,
    histories: Histories,
    runs: BackfillRuns,
    clock: Clock,
) -> Shown:
    """Count what happened from `event_from` on and before the meter was there.

    Asked twice it is one run; one that failed is started again, and one that is done stays so. Raises Conflict when the
    meter's history begins elsewhere.
    """
    meter = with_history(tenant, id_or_slug, event_from, meters=meters, clock=clock)
    return start_backfill(tenant, meter, histories=histories, runs=runs, clock=clock)


def start_backfill(tenant: str, meter: MeterRecord, *, histories: Histories, runs: BackfillRuns, clock: Clock) -> Shown:
    """Start the run of a meter that has `event_from`, unless it is running or done."""
    assert meter.event_from is not None
    now = clock.now().replace(microsecond=0)
    stored = histories.backfill(tenant, meter.id)
    if stored is None or stored.status_at(now) is Status.FAILED:
        run = Backfill(
            tenant=tenant,
            meter_id=meter.id,
            event_from=meter.event_from,
            run=stored.run + 1 if stored else 1,
            status=Status.RUNNING,
            started_at=now,
        )
        stored = run if histories.begin_backfill(run, stored) else histories.backfill(tenant, meter.id)
    if stored is None:
        raise Conflict("The backfill was changed at the same moment; try again.", code="backfill_contended")
    if stored.status.is_alive:
        # Also when it runs already: the process that began it may have died before this.
        runs.start(stored)
    return _shown(stored, meter.event_from, now)


def find_backfill(tenant: str, id_or_slug: str, *, meters: Meters, histories: HistoryReader, clock: Clock) -> Shown:
    """Raises NotFound for a meter that does not count history."""
    meter = find_meter(tenant, id_or_slug, meters=meters).record
    if meter.event_from is None:
        raise NotFound(
            f"Meter {meter.slug!r} counts what came after it was created; POST eventFrom here to count its history.",
            code="backfill_not_found",
        )
    return _shown(histories.backfill(tenant, meter.id), meter.event_from, clock.now())


def is_partial(tenant: str, meter: Meter, histories: HistoryReader) -> bool:
    """Is the history of the meter not counted yet? To be asked before the meter is."""
    if meter.event_from is None:
        return False
    stored = histories.backfill(tenant, meter.id)
    return stored is None or stored.status is not Status.DONE


def _shown(stored: Backfill | None, event_from: datetime, now: datetime) -> Shown:
    if stored is None:
        return Shown(Status.FAILED, event_from, reason=NEVER_STARTED)
    status = stored.status_at(now)
    reason = TIMED_OUT if status is not stored.status else stored.reason
    return Shown(status, event_from, stored.started_at, stored.finished_at, stored.done, stored.total, reason)
