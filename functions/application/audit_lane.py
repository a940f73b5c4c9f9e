"""The conservation audit of a lane and UTC day: nothing received is lost, nothing is counted twice."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from functions.application.audit_commits import CommitAudit
from functions.application.audit_span import SpanAudit
from functions.application.ports.audit import AuditedArchive, AuditedLedger, AuditResults
from functions.application.ports.clock import Clock
from functions.domain.errors import InvalidInput
from functions.domain.metering.audit import DAY_SECONDS, Kind, LaneDay, day_start
from functions.domain.metering.hour_index import HourEntry
from functions.domain.metering.lanes import Lanes
from functions.domain.metering.pages import PAGE_SECONDS

AUDITABLE_DAYS = 6  # commits are kept for eight


class LaneAuditor:
    def __init__(
        self,
        ledger: AuditedLedger,
        archive: AuditedArchive,
        results: AuditResults,
        lanes: Lanes,
        clock: Clock,
        pause: Callable[[float], None],
    ) -> None:
        self._commits = CommitAudit(ledger, archive, lanes)
        self._spans = SpanAudit(ledger, archive, lanes, pause)
        self._results = results
        self._clock = clock

    def audit(self, lane: int, day: date) -> LaneDay:
        """Audits and keeps the result; raises InvalidInput for days whose commits are not kept any more."""
        now = self._clock.now()
        if not now.date() - timedelta(days=AUDITABLE_DAYS) <= day <= now.date():
            raise InvalidInput(f"A day can be audited from its beginning until {AUDITABLE_DAYS} days later.")
        start = day_start(day)
        result = LaneDay(lane, day.isoformat(), int(now.timestamp()))
        # Counters first: the commits behind them are complete by then, so every one that is indexed can be demanded.
        numbers: set[int] = set()
        for span in range(start // PAGE_SECONDS, (start + DAY_SECONDS) // PAGE_SECONDS):
            numbers.update(_decided_in(self._spans.run(result, span), start))
        of_day = self._commits.run(result, start)
        if missing := sorted(numbers - set(of_day)):
            result.differ(Kind.COMMIT_MISSING, f"commits {missing[0]} to {missing[-1]}", len(missing), 0)
        self._results.put(result)
        return result


def _decided_in(entries: Iterable[HourEntry], start: int) -> set[int]:
    return {entry.n for entry in entries if start <= entry.decided_at < start + DAY_SECONDS}
