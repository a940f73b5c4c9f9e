"""One piece of a backfill: read a lane's archived commits span by span and keep what they add to the meter's history.

Everything is cut by what is archived, never by time or chance: a stretch of commits ends when it holds so many events
or cells. So a second count, by a retry or by a worker believed dead, writes the same parts with the same contents.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from functions.application.ports.history import Histories, HistoryLog
from functions.application.ports.ledger import ArchiveReader
from functions.domain.metering.ledger.history import (
    SPAN_SECONDS,
    Backfill,
    HistoryPart,
    HistoryWork,
    Status,
    encode_rows,
)
from functions.domain.metering.ledger.history_count import OpenHistory
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.ledger.ledger import HOUR_SECONDS
from functions.domain.metering.ledger.voiding import Identity, countable, identity
from functions.domain.metering.meters.compiled_meter import CompiledMeter
from functions.domain.metering.meters.meter import Meter

# Part of what is stored, like PART_BYTES: other bounds would cut other parts.
COMMITS_AT_ONCE = 20  # read before the bounds are looked at
STRETCH_COMMITS = 5_000  # about a minute of requests, ten at a time
STRETCH_EVENTS = 2_000_000  # about half a minute
STRETCH_BYTES = 20_000_000  # as `OpenHistory` estimates them; some 300 MB in memory


class HistoryFiller:
    def __init__(
        self,
        log: HistoryLog,
        archive: ArchiveReader,
        histories: Histories,
        value_fingerprint: Callable[[str], int],
    ) -> None:
        self._log = log
        self._archive = archive
        self._histories = histories
        self._value_fingerprint = value_fingerprint

    def fill(self, tenant: str, meter_id: str, run: int, work: HistoryWork, is_late: Callable[[], bool]) -> HistoryWork:
        """Work until all is done or it is late, at least one stretch; returns what is left.

        Nothing is left of a run that has ended or a meter that was deleted.
        """
        while not work.is_done:
            backfill = self._histories.backfill(tenant, meter_id)
            meter = next((each for each in self._log.meter_set(tenant).meters if each.id == meter_id), None)
            is_wanted = backfill is not None and backfill.run == run and backfill.status is Status.RUNNING
            if backfill is None or meter is None or not is_wanted:
                return replace(work, span=work.last_span + 1)
            work = self._stretch(backfill, meter, work)
            if work.is_done:
                self._histories.finish_work(backfill, work.number)
            if is_late():
                break
        return work

    def _stretch(self, backfill: Backfill, meter: Meter, work: HistoryWork) -> HistoryWork:
        """Count the next commits of the span; returns the work behind them."""
        entries = self._entries(backfill.tenant, work)
        commits = sorted({(each.n, each.decided_hour) for each in entries if each.n > work.after})
        voided = self._voided(backfill.tenant, meter, work.lane, entries)
        history = OpenHistory(CompiledMeter(meter), self._value_fingerprint)
        events = taken = 0
        while taken < len(commits):
            batch = commits[taken : taken + COMMITS_AT_ONCE]
            taken += len(batch)
            for event in countable(self._archive.events_of(work.lane, batch), voided):
                events += 1
                if event.tenant != backfill.tenant or event.type != meter.event_type:
                    continue
                second = event.time_seconds
                if second // SPAN_SECONDS == work.span and meter.is_history(event.meter_version, second):
                    history.add(event.subject, second, event.micros, event.raw_data, event.meter_version)
            if taken >= STRETCH_COMMITS or events >= STRETCH_EVENTS or history.size >= STRETCH_BYTES:
                break
        self._histories.put_history(list(self._parts(backfill, work, history)))
        if taken < len(commits):
            return replace(work, after=commits[taken - 1][0])
        return replace(work, span=work.span + 1, after=0)

    def _entries(self, tenant: str, work: HistoryWork) -> list[HourEntry]:
        """The commits with events in the span that may be history or void it."""
        first, last = (span * SPAN_SECONDS // HOUR_SECONDS for span in (work.span, work.span + 1))
        entries = self._log.hour_index(work.lane, last - 1, first)
        return [each for each in entries if each.n <= work.until and each.may_hold(tenant)]

    def _voided(self, tenant: str, meter: Meter, lane: int, entries: Sequence[HourEntry]) -> set[Identity]:
        """The events that were voided before anybody knew of the history; later voids say so themselves."""
        commits = sorted({(each.n, each.decided_hour) for each in entries if each.has_voids})
        lines = self._archive.events_of(lane, commits) if commits else ()
        return {
            identity(line)
            for line in lines
            if line.voids and line.tenant == tenant and line.meter_version < meter.history_since
        }

    def _parts(self, backfill: Backfill, work: HistoryWork, history: OpenHistory) -> Iterator[HistoryPart]:
        for subject, rows in history.rows():
            for number, body in enumerate(encode_rows(history.dimensions, rows)):
                part = f"{work.after:012d}-{number:04d}"
                yield HistoryPart(backfill.tenant, work.lane, subject, backfill.meter_id, work.span, part, body)
