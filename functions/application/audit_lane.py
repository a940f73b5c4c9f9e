"""The conservation audit of a lane and UTC day: nothing received is lost, nothing is counted twice."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from functions.application.audit_commits import CommitAudit
from functions.application.audit_levels import LevelAudit, Levels
from functions.application.audit_span import SpanAudit
from functions.application.ports.audit import AuditedArchive, AuditedLedger, AuditResults
from functions.application.ports.clock import Clock
from functions.domain.errors import InvalidInput
from functions.domain.metering.audit import DAY_SECONDS, Kind, LaneDay, day_start
from functions.domain.metering.event import AcceptanceWindow
from functions.domain.metering.history import MAX_PAST, SPAN_SECONDS
from functions.domain.metering.hour_index import HourEntry
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.pages import COARSE_SECONDS

LOGGED_DAYS = 6  # commits are kept for eight


class LaneAuditor:
    def __init__(
        self,
        ledger: AuditedLedger,
        archive: AuditedArchive,
        results: AuditResults,
        lanes: Lanes,
        window: AcceptanceWindow,
        clock: Clock,
        pause: Callable[[float], None],
    ) -> None:
        self._commits = CommitAudit(ledger, archive, lanes)
        self._spans = SpanAudit(ledger, archive, lanes, window, pause)
        self._levels = LevelAudit(ledger, pause)
        self._results = results
        self._clock = clock

    def audit(self, lane: int, day: date) -> LaneDay:
        """Audits and keeps the result; raises InvalidInput for days before every history.

        The commits of older days are not kept any more: of those days counters and histories are audited, and what an
        earlier audit found in the commits stays in the result.
        """
        now = self._clock.now()
        if not now.date() - MAX_PAST <= day <= now.date():
            raise InvalidInput(f"A day can be audited from its beginning until {MAX_PAST.days} days later.")
        start = day_start(day)
        result = LaneDay(lane, day.isoformat(), int(now.timestamp()))
        # Counters first: the commits behind them are complete by then, so every one that is indexed can be demanded.
        numbers: set[int] = set()
        levels: Levels = {}
        for span in range(start // SPAN_SECONDS, (start + DAY_SECONDS) // SPAN_SECONDS):
            numbers.update(_decided_in(self._spans.run(result, span, levels), start))
        self._levels.run(result, start // COARSE_SECONDS, levels)
        if day >= now.date() - timedelta(days=LOGGED_DAYS):
            of_day = self._commits.run(result, start)
            if missing := sorted(numbers - set(of_day)):
                result.differ(Kind.COMMIT_MISSING, f"commits {missing[0]} to {missing[-1]}", len(missing), 0)
        else:
            self._keep_log(result)
        self._results.put(result)
        return result

    def _keep_log(self, result: LaneDay) -> None:
        for before in self._results.of_day(result.day):
            if before.lane == result.lane:
                result.commits, result.counts, result.archived = before.commits, before.counts, before.archived
                result.last_commit = before.last_commit


def _decided_in(entries: Iterable[HourEntry], start: int) -> set[int]:
    return {entry.n for entry in entries if start <= entry.decided_at < start + DAY_SECONDS}
