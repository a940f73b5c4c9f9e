"""Half-open periods [start, end) in UTC, recurrences counted from an anchor on a zone's calendar, exact proration."""

from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from functions.domain.errors import InvalidInput
from functions.domain.money import EXACT

# Longer ones are typing errors; a hundred years from any accepted instant stay inside the calendar.
LONGEST_MONTHS = 1_200
LONGEST_REST = timedelta(days=36_525)
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FEBRUARY = 1  # counted from 0, as in DAYS
UTC_ZONE = "UTC"
DAY = timedelta(days=1)


def rfc3339(at: datetime) -> str:
    """An instant in UTC as the API shows it: 2026-01-31T12:00:00Z."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class Cadence:
    """A recurrence of whole months plus a rest: P1M is (1, 0), P1W is (0, 7 days).

    Months and whole days are those of the calendar in `zone`, an IANA name: a day there may have 23 hours.
    """

    months: int = 0
    rest: timedelta = timedelta(0)
    zone: str = UTC_ZONE

    def __post_init__(self) -> None:
        if self.months < 0 or self.rest < timedelta(0) or not (self.months or self.rest):
            raise InvalidInput("A cadence must be longer than zero, for example P1M or P1W.")
        if self.rest.microseconds:
            # Instants are whole seconds: a period that ended inside one would be owed again for ever.
            raise InvalidInput("A cadence must be whole seconds, for example P1M, P1W or PT1H.")
        is_bounded = self.months <= LONGEST_MONTHS and self.rest <= LONGEST_REST
        if not is_bounded or LONGEST_REST * self.months / LONGEST_MONTHS + self.rest > LONGEST_REST:
            raise InvalidInput(
                f"A cadence must not be longer than {LONGEST_MONTHS} months or {LONGEST_REST.days} days, or both."
            )

    @classmethod
    def parse(cls, text: str, zone: str = UTC_ZONE) -> "Cadence":
        """From an ISO 8601 duration such as P1M, P1Y, P2W, PT1H; raises InvalidInput."""
        import isodate

        try:
            duration = isodate.parse_duration(text)
        except OverflowError as error:
            raise InvalidInput(f"{text!r} is longer than the {LONGEST_MONTHS} months a cadence may be.") from error
        except (isodate.ISO8601Error, TypeError, ValueError, ArithmeticError) as error:
            raise InvalidInput(f"{text!r} is not an ISO 8601 duration such as P1M, P1Y or P1W.") from error
        if isinstance(duration, timedelta):
            return cls(0, duration, zone)
        months = duration.years * 12 + duration.months
        if months != int(months):
            raise InvalidInput(f"{text!r} has a fraction of a month; use whole months or days.")
        return cls(int(months), duration.tdelta, zone)

    def after(self, anchor: datetime, count: int) -> datetime:
        """The anchor plus `count` recurrences, counted from the anchor so that the 31st does not drift."""
        rest = self.rest * count
        if self.rest % DAY:  # of hours: however many, they are no days of a calendar
            return later(anchor, self.months * count, timedelta(0), self.zone) + rest
        return later(anchor, self.months * count, rest, self.zone)


def later(instant: datetime, months: int, rest: timedelta, zone: str = UTC_ZONE) -> datetime:
    """So many months and days of the zone's calendar after an instant in UTC, and so many hours after that.

    At an hour that the zone's clocks skip it is the one after, at one they repeat the first.
    """
    if zone == UTC_ZONE or not (months or rest.days):
        moved = add_months(instant, months) if months else instant
        return moved + rest if rest else moved
    wall = instant.astimezone(_zone(zone))
    days = timedelta(days=rest.days)
    moved = (add_months(wall, months) + days).replace(fold=0).astimezone(UTC)
    return moved + (rest - days)


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def known_zone(name: str) -> str:
    """Raises ValueError for what is no IANA time zone."""
    try:
        _zone(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone such as UTC or Europe/Berlin") from error
    return name


def add_months(instant: datetime, months: int) -> datetime:
    """The same day of the month `months` later, or that month's last day when it is shorter."""
    month_index = instant.year * 12 + instant.month - 1 + months
    year, month = divmod(month_index, 12)
    day = min(instant.day, 29 if month == FEBRUARY and isleap(year) else DAYS[month])
    return instant.replace(year=year, month=month + 1, day=day)


@dataclass(frozen=True, order=True)
class Period:
    """[start, end): start belongs to it, end does not; both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo is not None and self.end.tzinfo is not None, self
        if self.start > self.end:
            raise InvalidInput(f"A period must not end ({self.end}) before it starts ({self.start}).")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def overlap(self, other: "Period") -> "Period | None":
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    def share_of(self, whole: "Period") -> Decimal:
        """This period's exact part of `whole`, by time: 1 when they are equal."""
        micro = timedelta(microseconds=1)
        return EXACT.divide(Decimal(self.length // micro), Decimal(whole.length // micro))


# All items of a subscription, and of all that bill on the first of the month, ask for the same few periods.
@lru_cache(maxsize=4_096)
def recurrence_at(instant: datetime, anchor: datetime, cadence: Cadence) -> int:
    """The number, counted from the anchor in either direction, of the recurrence period that contains `instant`."""
    approximate_days = cadence.months * 30.436875 + cadence.rest / timedelta(days=1)
    count = int((instant - anchor) / timedelta(days=1) // approximate_days)
    while cadence.after(anchor, count) > instant:
        count -= 1
    while cadence.after(anchor, count + 1) <= instant:
        count += 1
    return count


@lru_cache(maxsize=4_096)
def period_at(instant: datetime, anchor: datetime, cadence: Cadence) -> Period:
    """The recurrence period that contains `instant`, counted from the anchor in either direction."""
    count = recurrence_at(instant, anchor, cadence)
    return Period(cadence.after(anchor, count), cadence.after(anchor, count + 1))
