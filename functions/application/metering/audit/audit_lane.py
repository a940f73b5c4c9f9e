"""The conservation audit of a lane and UTC day: nothing received is lost, nothing is counted twice."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from functions.application.metering.audit.audit_commits import CommitAudit
from functions.application.metering.audit.audit_levels import LevelAudit, Levels
from functions.application.metering.audit.audit_span import SpanAudit
from functions.application.ports.audit import AuditedArchive, AuditedLedger, AuditResults
from functions.application.ports.clock import Clock
from functions.domain.errors import InvalidInput
from functions.domain.metering.cells.pages import COARSE_SECONDS
from functions.domain.metering.ledger.audit import DAY_SECONDS, GoingOn, Kind, LaneDay, day_start, ranges
from functions.domain.metering.ledger.history import MAX_PAST, SPAN_SECONDS
from functions.domain.metering.ledger.hour_index import HourEntry
from functions.domain.metering.values.event import AcceptanceWindow
from functions.domain.metering.values.lanes import Lanes

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

    def audit(self, lane: int, day: date, has_time: Callable[[], bool] = lambda: True) -> LaneDay:
        """Audits and keeps the result; raises InvalidInput for days before every history.

        Where `has_time` says no before a further part of a day that is over, it is kept as it is, `going_on`, and the
        next call goes on there. At least one part is done by each call.

        The commits of older days are not kept any more: of those days counters and histories are audited, and what an
        earlier audit found in the commits stays in the result.
        """
        now = self._clock.now()
        if not now.date() - MAX_PAST <= day <= now.date():
            raise InvalidInput(f"A day can be audited from its beginning until {MAX_PAST.days} days later.")
        start = day_start(day)
        is_over = now.timestamp() >= start + DAY_SECONDS
        begun = self._results.begun(lane, day.isoformat()) if is_over else None
        result = begun if begun and begun.going_on else LaneDay(lane, day.isoformat(), int(now.timestamp()))
        if not self._parts(result, start, has_time if is_over else lambda: True):
            return result
        assert result.going_on is not None
        numbers = _numbers_of(result.going_on)
        self._levels.run(result, start // COARSE_SECONDS, _levels_of(result.going_on))
        if day >= now.date() - timedelta(days=LOGGED_DAYS):
            of_day = self._commits.run(result, start)
            if missing := sorted(numbers - set(of_day)):
                result.differ(Kind.COMMIT_MISSING, f"commits {missing[0]} to {missing[-1]}", len(missing), 0)
        else:
            self._keep_log(result)
        result.going_on = None
        if begun:  # first, or who dies here would tell old findings again
            self._results.put_begun(result)
        self._results.put(result)
        return result

    def _parts(self, result: LaneDay, start: int, has_time: Callable[[], bool]) -> bool:
        """The counters, part after part; whether all of them are done and there is time for the commits.

        Counters come first: the commits behind them are complete by then, so every one that is indexed can be demanded.
        """
        spans = range(start // SPAN_SECONDS, (start + DAY_SECONDS) // SPAN_SECONDS)
        begun = result.going_on or GoingOn(0, [], [])
        numbers, levels = _numbers_of(begun), _levels_of(begun)
        for number, span in enumerate(spans[begun.parts :], begun.parts + 1):
            numbers.update(_decided_in(self._spans.run(result, span, levels), start))
            kept = [(tenant, owner, sorted(cells)) for (tenant, owner), cells in levels.items()]
            result.going_on = GoingOn(number, ranges(numbers), kept)
            # What is too large to be kept has to end now, or with the function.
            if not has_time() and self._results.put_begun(result):
                return False
        return True

    def _keep_log(self, result: LaneDay) -> None:
        for before in self._results.of_day(result.day):
            if before.lane == result.lane:
                result.commits, result.counts, result.archived = before.commits, before.counts, before.archived
                result.last_commit = before.last_commit


def _numbers_of(going_on: GoingOn) -> set[int]:
    return {n for first, last in going_on.commits for n in range(first, last + 1)}


def _levels_of(going_on: GoingOn) -> Levels:
    return {(tenant, owner): set(numbers) for tenant, owner, numbers in going_on.levels}


def _decided_in(entries: Iterable[HourEntry], start: int) -> set[int]:
    return {entry.n for entry in entries if start <= entry.decided_at < start + DAY_SECONDS}
