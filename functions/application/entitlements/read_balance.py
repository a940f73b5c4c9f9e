"""What is left of a metered entitlement, and how it came to that: the usage of its meter, through its grants."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from functions.application.entitlements.measure_phases import Known, PhaseUsage
from functions.domain.entitlements.allowance import Allowance, cuts
from functions.domain.entitlements.course import Course, restart
from functions.domain.entitlements.engine import Counted, Phase, State, Value, arrive, run, value_of
from functions.domain.entitlements.entitlement import GRACE, ClosedPeriod, Entitled, Entitlement
from functions.domain.entitlements.entitlement_create import to_minute
from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.values.windows import Windows, WindowSize
from functions.domain.money import EXACT, exact_sum
from functions.domain.period import Period

MINUTE = timedelta(minutes=1)
# Each is a row of the answer, and each cut inside of one a question to the ledger.
MAX_WINDOWS = 1_000
# Of what does not add up, each window is a question to the ledger.
MAX_WINDOWS_ASKED = 100
ZERO = Decimal(0)


@dataclass(frozen=True)
class BalanceWindow:
    period: Period
    usage: Decimal
    balance_at_start: Decimal


@dataclass(frozen=True)
class Segment:
    """The time between two changes of what can be used; `grants` is what was used of each."""

    period: Period
    usage: Decimal
    overage: Decimal
    balances_at_start: Mapping[str, Decimal]
    balances_at_end: Mapping[str, Decimal]
    grants: Mapping[str, Decimal]


@dataclass(frozen=True)
class BalanceHistory:
    """Windows in which something was used, and the segments between two changes of what can be used."""

    windows: Sequence[BalanceWindow]
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Told:
    """`closed` is a usage period that should be kept as it is from now on."""

    value: Value
    closed: ClosedPeriod | None = None


@dataclass(frozen=True)
class LateUsage:
    """What came after a usage period was closed with `usage`."""

    period: Period
    usage: Decimal
    late: Decimal


@dataclass(frozen=True)
class _Span:
    """How far a course is followed: all that its allowance says until `end`, from what `start` finds."""

    allowance: Allowance
    start: datetime
    found: State
    end: datetime


class BalanceReader:
    """Of one customer's entitlements to one feature, as they are `now`."""

    def __init__(self, entitled: Entitled, usage: PhaseUsage, now: datetime) -> None:
        self._entitled = entitled
        self._usage = usage
        self._now = now
        self._kind = usage.kind

    def value(self, entitlement: Entitlement, at: datetime | None = None) -> Told:
        """At the whole minute that the instant falls into or that follows it.

        Now unless given: then also with what was used in this minute, or is stamped a little later by a clock ahead.
        """
        course = Course.of(self._entitled, entitlement)
        if at is None or to_minute(at) == to_minute(self._now):
            span = self._until_now(course)
            phases, state = self._followed(span)
            return Told(value_of(state), self._closing(course, span.allowance, phases))
        minute = max(_ceiled(at), course.starts_at)
        return Told(value_of(self._arrived(course, minute)))

    def late(self, entitlement: Entitlement) -> list[LateUsage]:
        """Of the periods that are closed, what was used of them later on."""
        found = []
        for each in entitlement.closed:
            period = Period(each.starts_at, each.ends_at)
            (used,) = self._usage.of_phases((period.start, period.end), ())
            if used != each.usage:
                found.append(LateUsage(period, each.usage, EXACT.subtract(used, each.usage)))
        return found

    def _closing(self, course: Course, allowance: Allowance, phases: Sequence[Phase]) -> ClosedPeriod | None:
        """The last period of these that nothing changes any more, and that was not closed before."""
        known = course.closed_by(self._now)
        ended = [
            each.period.end
            for each in phases
            if each.ends_usage_period
            and each.period.end + GRACE <= self._now
            and (known is None or known.ends_at < each.period.end)
        ]
        if not ended:
            return None
        starts = [each.at for each in allowance.resets if each.at < ended[-1]]
        start = starts[-1] if starts and starts[-1] >= phases[0].period.start else phases[0].period.start
        inside = [each for each in phases if start <= each.period.start < ended[-1]]
        found = inside[-1].closing
        return ClosedPeriod(
            starts_at=start,
            ends_at=ended[-1],
            usage=exact_sum(each.usage for each in inside),
            balances=dict(found.balances),
            overage=found.overage,
        )

    def history(
        self, entitlement: Entitlement, start: datetime | None, end: datetime | None, size: WindowSize, time_zone: str
    ) -> BalanceHistory:
        """From the last reset until now unless given; raises InvalidInput for a range of too many windows."""
        course = Course.of(self._entitled, entitlement)
        if end is None or to_minute(end) >= to_minute(self._now):
            span = self._until_now(course)
        else:
            span = self._span(course, max(to_minute(end), course.starts_at))
        first = course.measured_period_at(self._now).start if start is None else to_minute(start)
        first = max(first, course.starts_at)
        if first >= span.end:
            return BalanceHistory((), ())
        most = MAX_WINDOWS if self._usage.adds_up else MAX_WINDOWS_ASKED
        windows = _windows(Period(first, span.end), size, time_zone, most)
        if first < span.start:
            span = self._span(course, span.end, first)
        bounds = [window.start for window in windows] + [window.end for window in windows]
        phases = self._followed(span, extra=bounds, known=self._known(windows, size, time_zone))[0]
        shown = [each for each in phases if first <= each.period.start]
        changes = set(cuts(span.allowance, span.start, span.end))
        windowed = _by_window(shown, windows, self._kind)
        segments = _segments(shown, changes, self._kind)
        return BalanceHistory(
            [replace(each, period=self._until_then(each.period)) for each in windowed],
            [replace(each, period=self._until_then(each.period)) for each in segments],
        )

    def _until_then(self, period: Period) -> Period:
        """What is asked of now is shown to end now, although what clocks ahead stamped is in it."""
        return Period(period.start, max(period.start, min(period.end, self._now)))

    def _known(self, windows: Sequence[Period], size: WindowSize, time_zone: str) -> Known:
        """One question for all windows is cheaper than one for each; those without usage are not in its answer."""
        whole = Period(windows[0].start, windows[-1].end)
        nothing: dict[Period, Decimal] = dict.fromkeys(windows, ZERO)
        measured = self._usage.by_window(whole, size, time_zone)
        return {**nothing, **{each: measured[each] for each in windows if each in measured}} if measured else {}

    def _until_now(self, course: Course) -> _Span:
        """To where something changes next, or the half hour ends: its counters then need no look into the log."""
        second = int(self._now.timestamp())
        horizon = datetime.fromtimestamp(second - second % WINDOW_SECONDS + WINDOW_SECONDS, UTC)
        if horizon <= course.starts_at:
            return self._span(course, course.starts_at)
        minute = max(course.starts_at, to_minute(self._now))
        ahead = cuts(course.allowance(horizon, course.before_last_reset(minute)), minute, horizon)
        return self._span(course, next((at for at in ahead if at > self._now), horizon), self._now)

    def _span(self, course: Course, end: datetime, start: datetime | None = None) -> _Span:
        """To the end from `start` (the end itself unless given) or as much earlier as it takes to know that."""
        start, forgets = start or end, self._kind is Counted.LEVEL
        closed = course.closed_by(start)
        # Mostly the last reset leaves the same whatever was before, and nothing before it has to be looked at.
        for since in (course.before_last_reset(start), closed.starts_at if closed else course.starts_at):
            allowance = course.allowance(end, since)
            begun = restart(allowance, start, forgets=forgets)
            if begun is not None:
                return _Span(allowance, *begun, end)
        if closed is not None:
            return _Span(allowance, closed.ends_at, State(closed.balances, closed.overage), end)
        found = State()
        if course.before is not None:
            found = course.opening(self._arrived(course.before, course.starts_at))
        return _Span(allowance, course.starts_at, found, end)

    def _arrived(self, course: Course, at: datetime) -> State:
        span = self._span(course, at)
        return arrive(span.allowance, self._followed(span)[1], at, self._kind)

    def _followed(
        self, span: _Span, extra: Iterable[datetime] = (), known: Known | None = None
    ) -> tuple[Sequence[Phase], State]:
        at = cuts(span.allowance, span.start, span.end, extra)
        if len(at) < 2:
            return (), arrive(span.allowance, span.found, span.end, self._kind)
        usages = self._usage.of_phases(at, {each.at for each in span.allowance.resets}, known)
        return run(span.allowance, span.found, at, usages, self._kind)


def _ceiled(at: datetime) -> datetime:
    minute = to_minute(at)
    return minute if minute == at else minute + MINUTE


def _windows(period: Period, size: WindowSize, time_zone: str, most: int) -> list[Period]:
    """Cut to the period."""
    start, end = int(period.start.timestamp()), int(period.end.timestamp())
    found = list(islice(Windows(size, time_zone).between(start, end), most + 1))
    if len(found) > most:
        message = f"The range has more than {most} windows of that size; choose a shorter one or larger windows."
        raise InvalidInput(message, fields=[FieldError("windowSize", "too_many_windows", message)])
    inside = [(max(low, start), min(high, end)) for low, high in found]
    return [Period(datetime.fromtimestamp(low, UTC), datetime.fromtimestamp(high, UTC)) for low, high in inside]


def _by_window(phases: Sequence[Phase], windows: Sequence[Period], kind: Counted) -> list[BalanceWindow]:
    """Rows for windows in which something was used; every window begins with a phase."""
    found = []
    for window in windows:
        inside = [each for each in phases if each.period.start in window]
        usage = _used(inside, kind)
        if usage:
            found.append(BalanceWindow(window, usage, value_of(inside[0].opening).balance))
    return found


def _segments(phases: Sequence[Phase], changes: Collection[datetime], kind: Counted) -> list[Segment]:
    """Phases that only windows cut are one."""
    together: list[list[Phase]] = []
    for phase in phases:
        if not together or phase.period.start in changes:
            together.append([])
        together[-1].append(phase)
    return [_segment(each, kind) for each in together]


def _segment(phases: Sequence[Phase], kind: Counted) -> Segment:
    first, last = phases[0], phases[-1]
    grants: dict[str, Decimal] = {}
    for phase in phases if kind is Counted.ADDED else [last]:
        for grant, part in phase.grant_usages:
            grants[grant] = EXACT.add(grants.get(grant, ZERO), part)
    return Segment(
        Period(first.period.start, last.period.end),
        _used(phases, kind),
        last.overage_at_end,
        first.balances_at_start,
        last.balances_at_end,
        grants,
    )


def _used(phases: Sequence[Phase], kind: Counted) -> Decimal:
    return phases[-1].usage if kind is Counted.LEVEL else exact_sum(each.usage for each in phases)
