"""Owns the grant: an amount that may be used, from when to when, how often it is renewed, and what a reset leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count, islice, takewhile

from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence, recurrence_at

MINUTE = timedelta(minutes=1)
# More than every hour of a year; whoever asks for more asks for a shorter time.
MAX_RECURRENCES = 10_000

_NEVER = datetime.max.replace(tzinfo=UTC)
_ZERO = Decimal(0)


def is_whole_minute(at: datetime) -> bool:
    return at.tzinfo is not None and not (at.second or at.microsecond)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Instants that repeat, counted from the anchor in either direction, so that the 31st does not drift."""

    cadence: Cadence
    anchor: datetime

    def __post_init__(self) -> None:
        assert is_whole_minute(self.anchor), self.anchor
        if self.cadence.rest % MINUTE:
            raise InvalidInput("A recurrence must be whole minutes, for example P1M, P1W or PT1H.")

    def first_at_or_after(self, at: datetime) -> datetime:
        number = recurrence_at(at, self.anchor, self.cadence)
        latest = self.cadence.after(self.anchor, number)
        return latest if latest == at else self.cadence.after(self.anchor, number + 1)

    def next_after(self, at: datetime) -> datetime:
        return self.cadence.after(self.anchor, recurrence_at(at, self.anchor, self.cadence) + 1)

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Those in (start, end]; raises InvalidInput once there are more than MAX_RECURRENCES."""
        if start >= end:
            return
        first = recurrence_at(start, self.anchor, self.cadence) + 1
        instants = (self.cadence.after(self.anchor, number) for number in count(first))
        due = takewhile(lambda at: at <= end, instants)
        yield from islice(due, MAX_RECURRENCES)
        if next(due, None) is not None:
            raise InvalidInput(
                f"What recurs must not do so more than {MAX_RECURRENCES:,} times in the time that is asked for. "
                "Ask for a shorter time, or let it recur less often."
            )


@dataclass(frozen=True, slots=True)
class Grant:
    """An amount that may be used from `effective_at` until it expires, is voided or is deleted, whichever is first.

    All instants but `created_at` are whole minutes in UTC. A grant that is voided keeps what was burnt from it.
    """

    id: str
    amount: Decimal
    priority: int
    effective_at: datetime
    created_at: datetime
    expires_at: datetime | None
    voided_at: datetime | None = None
    deleted_at: datetime | None = None
    recurrence: Recurrence | None = None
    min_rollover: Decimal = _ZERO
    max_rollover: Decimal = _ZERO

    def __post_init__(self) -> None:
        instants = (self.effective_at, self.expires_at, self.voided_at, self.deleted_at)
        assert all(at is None or is_whole_minute(at) for at in instants), self

    @property
    def ends_at(self) -> datetime | None:
        return min((at for at in (self.expires_at, self.voided_at, self.deleted_at) if at is not None), default=None)

    @property
    def burn_order(self) -> tuple[int, datetime, datetime, str]:
        """A lower priority number burns first, then what expires earlier, then what was created earlier."""
        return self.priority, self.expires_at or _NEVER, self.created_at, self.id

    def is_active_at(self, at: datetime) -> bool:
        ends_at = self.ends_at
        return self.effective_at <= at and (ends_at is None or at < ends_at)

    def recurs_at(self, at: datetime) -> bool:
        return self.recurrence is not None and self.is_active_at(at) and self.recurrence.first_at_or_after(at) == at

    def rolled(self, balance: Decimal) -> Decimal:
        """What a reset leaves of the balance."""
        return min(self.max_rollover, max(self.min_rollover, balance))


class ExpirationUnit(StrEnum):
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


def expires_after(effective_at: datetime, unit: ExpirationUnit, count: int) -> datetime:
    """When a grant expires that lasts so many units.

    Days that a month does not have run over into the next one, and are not cut off: a month after 31 January is
    3 March, or 2 March in a leap year. OpenMeter's grants expire so. Usage periods and recurrences cut off.
    Raises InvalidInput for an instant after the year 9999.
    """
    try:
        match unit:
            case ExpirationUnit.HOUR:
                return effective_at + timedelta(hours=count)
            case ExpirationUnit.DAY:
                return effective_at + timedelta(days=count)
            case ExpirationUnit.WEEK:
                return effective_at + timedelta(weeks=count)
            case ExpirationUnit.MONTH:
                return _months_after(effective_at, count)
            case ExpirationUnit.YEAR:
                return _months_after(effective_at, 12 * count)
    except (OverflowError, ValueError) as error:
        raise InvalidInput("A grant must expire before the year 10000, or never.") from error


def _months_after(at: datetime, months: int) -> datetime:
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=1) + timedelta(days=at.day - 1)
