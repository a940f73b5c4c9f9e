"""The second half of an audit: six hours of a lane counted anew from the archive and held against its counters."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from functions.application.metering.audit.audit_cells import agree, merged, shown
from functions.application.metering.audit.audit_commits import line_fingerprint
from functions.application.metering.audit.audit_history import HistoryAudit
from functions.application.metering.audit.audit_levels import Levels
from functions.application.metering.audit.recount import Owner, TenantRecount, stored_cells
from functions.application.metering.ledger.pages_behind import PAGES_BEHIND_SECONDS
from functions.application.metering.usage.current_pages import CurrentPages
from functions.application.ports.audit import AuditedArchive, AuditedLedger
from functions.application.ports.ledger import ArchivedEvent
from functions.domain.metering.cells.aggregation import Cell, Keep
from functions.domain.metering.cells.cells import CellId
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.domain.metering.ledger.history import SPAN_SECONDS
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.ledger.ledger import BUCKET_SECONDS, HOUR_SECONDS, bucket_of
from functions.domain.metering.ledger.look_back import unpack_fingerprints
from functions.domain.metering.ledger.voiding import countable
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.lanes import Lanes

HOURS_PER_SPAN = SPAN_SECONDS // HOUR_SECONDS
BUCKETS_PER_HOUR = HOUR_SECONDS // BUCKET_SECONDS
SUBJECTS_AT_ONCE = 500
MAX_TRIES = 6
SECONDS_BETWEEN = 2.0
# Ten times what a writer leaves its pages for later; the sweeper has had its turn, too.
WRITTEN_WITHIN_SECONDS = 10 * PAGES_BEHIND_SECONDS


class SpanAudit:
    """Late events may come while it reads: what differs is looked at again while the index shows new commits."""

    def __init__(
        self,
        ledger: AuditedLedger,
        archive: AuditedArchive,
        lanes: Lanes,
        window: AcceptanceWindow,
        pause: Callable[[float], None],
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._lanes = lanes
        self._window = window
        self._pause = pause

    def run(self, result: LaneDay, span: int, levels: Levels) -> list[HourEntry]:
        """Adds what was recounted and every difference to the result, and to `levels` whose changed; returns the
        commits it found.

        The fingerprints of spans that have left the acceptance window may have expired and are not looked at.
        """
        entries, found = self._once(result, span)
        for _ in range(MAX_TRIES - 1):
            if not found.difference_count or (found.is_settled and entries == self._entries(result.lane, span)):
                break
            self._pause(SECONDS_BETWEEN)
            entries, found = self._once(result, span)
        levels |= found.levels
        result.recounted += found.recounted
        result.cells += found.cells
        result.history_cells += found.history_cells
        result.difference_count += found.difference_count - len(found.differences)
        for each in found.differences:
            result.differ(each.kind, each.place, each.expected, each.found)
        return entries

    def _entries(self, lane: int, span: int) -> list[HourEntry]:
        first = span * HOURS_PER_SPAN
        return list(self._ledger.hour_index(lane, first + HOURS_PER_SPAN - 1, first))

    def _once(self, result: LaneDay, span: int) -> tuple[list[HourEntry], "_Found"]:
        found = _Found(result.lane, result.day, result.audited_at)
        entries = self._entries(result.lane, span)
        head = self._ledger.head(result.lane)
        waiting = self._ledger.commit(result.lane, head + 1)
        if waiting is not None and waiting.decided_at < result.audited_at - WRITTEN_WITHIN_SECONDS:
            found.differ(Kind.UNFINISHED, f"commits from {head + 1} on")
            found.is_settled = False
        by_hour: dict[int, list[HourEntry]] = defaultdict(list)
        for entry in entries:
            by_hour[entry.hour].append(entry)
        recounts: dict[str, _Tenant] = {}
        for hour in range(span * HOURS_PER_SPAN, (span + 1) * HOURS_PER_SPAN):
            self._recount(found, recounts, hour, by_hour[hour])
        for tenant, recount in recounts.items():
            self._compare(found, tenant, recount, span)
        return entries, found

    def _recount(
        self, found: "_Found", recounts: "dict[str, _Tenant]", hour: int, entries: Sequence[HourEntry]
    ) -> None:
        fingerprints: dict[int, list[int]] = defaultdict(list)
        newest_first = sorted({(entry.n, entry.decided_hour) for entry in entries}, reverse=True)
        for line in countable(self._lines(found, hour, newest_first, fingerprints)):
            self._add(found, recounts, line)
        if hour * HOUR_SECONDS < found.audited_at - self._window.past:
            return
        for bucket in range(hour * BUCKETS_PER_HOUR, (hour + 1) * BUCKETS_PER_HOUR):
            self._check_bucket(found, bucket, fingerprints[bucket])

    def _lines(
        self, found: "_Found", hour: int, commits: Sequence[tuple[int, int]], fingerprints: dict[int, list[int]]
    ) -> Iterator[ArchivedEvent]:
        for n, lines in self._archive.lines_of(found.lane, commits):
            if lines is None:
                found.differ(Kind.OBJECT_MISSING, f"commit {n}")
                continue
            for line in lines:
                second = line.time_seconds
                if second // HOUR_SECONDS == hour:
                    fingerprints[bucket_of(second)].append(line_fingerprint(self._lanes, line))
                    yield line

    def _add(self, found: "_Found", recounts: "dict[str, _Tenant]", line: ArchivedEvent) -> None:
        recount = recounts.get(line.tenant)
        if recount is None:
            span = line.time_seconds // SPAN_SECONDS
            recount = recounts[line.tenant] = self._new_tenant(line.tenant, found.lane, span)
        found.recounted += 1
        recount.counters.add(line)
        recount.histories.add(line)

    def _new_tenant(self, tenant: str, lane: int, span: int) -> "_Tenant":
        ledger, fingerprint = self._ledger, self._lanes.value_fingerprint
        codes, meters = ledger.codes(tenant, lane), ledger.meter_set(tenant)
        histories = HistoryAudit(ledger, tenant, lane, span, meters, fingerprint, self._window.ahead)
        return _Tenant(TenantRecount(codes, meters, fingerprint), CurrentPages(ledger, tenant), histories)

    def _check_bucket(self, found: "_Found", bucket: int, archived: Sequence[int]) -> None:
        accepted = unpack_fingerprints(self._ledger.chunk(found.lane, bucket))
        in_archive, in_chunks = set(archived), set(accepted)
        where = f"bucket {bucket}"
        if twice := max(len(archived) - len(in_archive), len(accepted) - len(in_chunks)):
            found.differ(Kind.TWICE, where, 0, twice)
        if unknown := len(in_archive - in_chunks):
            found.differ(Kind.NO_FINGERPRINT, where, 0, unknown)
        if lost := len(in_chunks - in_archive):
            found.differ(Kind.NO_LINE, where, 0, lost)

    def _compare(self, found: "_Found", tenant: str, recount: "_Tenant", span: int) -> None:
        for meter_id in recount.counters.without_code:
            found.differ(Kind.NO_CODE, f"{tenant}, meter {meter_id}")
        unseen = recount.counters.subjects() | recount.histories.subjects()
        for subject in self._subjects(tenant, found.lane):
            unseen.discard(subject)
            self._compare_subject(found, tenant, subject, recount, span)
        for subject in unseen:
            self._compare_subject(found, tenant, subject, recount, span)
        self._compare_owner(found, tenant, None, recount, span, recount.counters.totals())
        recount.histories.compare(found, None)

    def _subjects(self, tenant: str, lane: int) -> Iterator[str]:
        after, subjects = "", [""]
        while subjects := self._ledger.subjects(tenant, lane, SUBJECTS_AT_ONCE, after):
            yield from subjects
            after = subjects[-1]

    def _compare_subject(self, found: "_Found", tenant: str, subject: str, recount: "_Tenant", span: int) -> None:
        self._compare_owner(found, tenant, subject, recount, span, recount.counters.cells(subject))
        recount.histories.compare(found, subject)

    def _compare_owner(
        self,
        found: "_Found",
        tenant: str,
        owner: Owner,
        of_tenant: "_Tenant",
        span: int,
        expected: dict[CellId, Cell],
    ) -> None:
        recount, current, _ = of_tenant
        stored: dict[CellId, Cell] = {}
        has_values = Keep.VALUES in recount.keeps.values()
        for cell_id, cell in stored_cells(current, found.lane, owner, span, has_values):
            keep = recount.keeps.get(cell_id[1])
            if keep is not None:
                stored[cell_id] = merged(keep, stored.get(cell_id), cell)
            elif cell_id[1] not in recount.numbers:
                found.differ(Kind.COUNTER, _name(tenant, owner, cell_id), "no cell of this number", cell)
        if recount.levels and (owner is None or any(number in recount.levels for _, number in stored)):
            found.levels[tenant, owner] = recount.levels
        found.cells += len(expected)
        for cell_id in sorted(expected.keys() | stored.keys()):
            wanted, seen = expected.get(cell_id), stored.get(cell_id)
            if not agree(recount.keeps[cell_id[1]], wanted, seen):
                found.differ(Kind.COUNTER, _name(tenant, owner, cell_id), shown(wanted), shown(seen))


class _Found(LaneDay):
    is_settled: bool = True
    levels: Levels = msgspec.field(default_factory=dict)


class _Tenant(NamedTuple):
    counters: TenantRecount
    current: CurrentPages
    histories: HistoryAudit


def _name(tenant: str, owner: Owner, cell_id: CellId) -> str:
    window, number = cell_id
    whose = "the lane's total" if owner is None else f"subject {owner}"
    return f"{tenant}, {whose}, half hour from {window * WINDOW_SECONDS}, cell {number}"
