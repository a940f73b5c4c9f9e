"""What a meter does not count because it happened before there was one: said when it is made and when it is asked."""

from datetime import UTC, datetime

from functions.application.ports.listing import Listing
from functions.domain.identity import ulid_instant
from functions.domain.metering.meter import Meter
from functions.domain.metering.meter_record import MeterRecord
from functions.domain.metering.usage import UsageQuery

HISTORY_NOT_COUNTED = "history_not_counted"
MAX_LOOKED_AT = 1_000  # of the meters made last


def notice_of_history(meter: MeterRecord, every: Listing[MeterRecord]) -> str | None:
    """A sentence where a deleted meter has counted what this one does not; None if nobody could expect it.

    `every` are the tenant's meters with the deleted ones.
    """
    if meter.event_from is not None:
        return None
    newest = every.stretch(after=None, descending=True, most=MAX_LOOKED_AT)
    former = [each for each in (entry.read() for entry in newest.entries) if each.deleted_at and each.id != meter.id]
    alike = next((each for each in former if each.slug == meter.slug), None)
    alike = alike or next((each for each in former if each.event_type == meter.event_type), None)
    if alike is None:
        return None
    return (
        f"The deleted meter {alike.slug!r} counted events of the type {alike.event_type!r} before; this one counts "
        "those that arrive from now on. To count what happened before, send eventFrom to "
        f"POST /api/v1/meters/{meter.slug}/backfill, or with the meter when it is created."
    )


def counted_from(query: UsageQuery) -> datetime | None:
    """Since when the meter counts, where the range that was asked for begins earlier.

    It counts events that arrived since then; with a history, events that happened since then.
    """
    began = _began(query.meter)
    return began if began and query.period_from and query.period_from < began else None


def _began(meter: Meter) -> datetime | None:
    if meter.event_from is not None:
        return datetime.fromtimestamp(meter.event_from, UTC)
    try:
        return ulid_instant(meter.id)
    except ValueError:
        return None
