"""What a meter does not count because it happened before there was one: said when it is made and when it is asked."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from functions.application.metering.usage.query_usage import UsageReader
from functions.application.ports.listing import Listing
from functions.application.ports.meters import Meters
from functions.domain.errors import TooLarge
from functions.domain.identity import ulid_instant
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.meters.meter import Meter
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.domain.metering.usage.usage import UsageQuery

HISTORY_NOT_COUNTED = "history_not_counted"
MAX_LOOKED_AT = 1_000  # of the meters made last
MAX_FORMER = 5  # a look at each costs a few reads of every question; who tries a meter out makes it two or three times


def former_meter(slug: str, event_type: str, every: Listing[MeterRecord]) -> MeterRecord | None:
    """The deleted meter in whose place a new one comes: the last with its slug, or else with its event type.

    `every` are the tenant's meters with the deleted ones.
    """
    newest = every.read_slice(after=None, descending=True, most=MAX_LOOKED_AT)
    deleted = [each for each in (entry.read() for entry in newest.entries) if each.deleted_at]
    alike = next((each for each in deleted if each.slug == slug), None)
    return alike or next((each for each in deleted if each.event_type == event_type), None)


def notice_of_history(meter: MeterRecord, former: MeterRecord | None) -> str | None:
    """A sentence where a deleted meter has counted what this one does not; None if nobody could expect it."""
    if meter.event_from is not None or former is None:
        return None
    return (
        f"The deleted meter {former.slug!r} counted events of the type {former.event_type!r} before; this one counts "
        "those that arrive from now on. To count what happened before, send eventFrom to "
        f"POST /api/v1/meters/{meter.slug}/backfill, or with the meter when it is created."
    )


def counted_from(query: UsageQuery, *, meters: Meters, reader: UsageReader) -> datetime | None:
    """Since when the meter counts, where a deleted meter in whose place it came has older usage in the range.

    It counts events that arrived since then; with a history, events that happened since then.
    """
    began = began_at(query.meter)
    if began is None or query.period_from is None or query.period_from >= began:
        return None
    lacking = _lacking(query, began)
    if lacking is None:
        return None
    former = _former(query.tenant, query.meter.id, meters)
    return began if any(_has_usage(replace(lacking, meter=each.counting()), reader) for each in former) else None


def began_at(meter: Meter) -> datetime | None:
    """From when on it counts: what happened since then, or without a history what arrived; None where nobody knows."""
    if meter.event_from is not None:
        return datetime.fromtimestamp(meter.event_from, UTC)
    try:
        return ulid_instant(meter.id)
    except ValueError:
        return None


def _lacking(query: UsageQuery, began: datetime) -> UsageQuery | None:
    """What to ask a former meter, whatever its dimensions: all it has is lacking, or what a history does not reach."""
    end = query.period_to
    if query.meter.event_from is not None:
        # Counters know half hours: one that the history begins in would show what it holds.
        reached = began - timedelta(seconds=query.meter.event_from % WINDOW_SECONDS)
        end = min(end, reached) if end else reached
        if query.period_from and query.period_from >= end:
            return None
    group_by = ("subject",) if query.subjects else ()
    return replace(query, period_to=end, window=None, group_by=group_by, filters={}, conditions={})


def _former(tenant: str, meter_id: str, meters: Meters) -> Iterator[MeterRecord]:
    stored = meters.get(tenant, meter_id)
    for _ in range(MAX_FORMER):
        if stored is None or stored.record.succeeds is None:
            return
        stored = meters.get(tenant, stored.record.succeeds)
        if stored is not None:
            yield stored.record


def _has_usage(query: UsageQuery, reader: UsageReader) -> bool:
    try:
        return reader.has_usage(query)
    except TooLarge:
        return True
