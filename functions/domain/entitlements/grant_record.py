"""A grant as it is stored and shown: so much of an allowance, from when to when, and what recurs and rolls over."""

from datetime import datetime
from decimal import Decimal

from functions.domain.entitlements.entitlement_create import (
    ENUM_INTERVALS,
    ExpirationPeriod,
    GrantCreate,
    GrantCreateV2,
    IssueAfterReset,
    RecurringPeriodCreate,
)
from functions.domain.entitlements.grant import ExpirationUnit, Grant, Recurrence, expires_after
from functions.domain.period import UTC_ZONE, Cadence
from functions.domain.wire import LAST_YEAR, Duration, Exact, Instant, Metadata, WireModel

NO_PRIORITY = 0
NAMED_INTERVALS = {iso: name for name, iso in ENUM_INTERVALS.items()}


class Recurring(WireModel):
    """An interval counted from an anchor, on the calendar of a time zone."""

    interval: Duration
    anchor: Instant
    time_zone: str = UTC_ZONE

    @classmethod
    def made(cls, create: RecurringPeriodCreate, anchor: datetime) -> "Recurring":
        return cls(interval=create.interval, anchor=create.anchor or anchor)

    @property
    def cadence(self) -> Cadence:
        return Cadence.parse(self.interval, self.time_zone)

    def recurrence(self) -> Recurrence:
        return Recurrence(self.cadence, self.anchor)

    @property
    def named_interval(self) -> str:
        """DAY for P1D, as OpenMeter shows it; any other interval as it is."""
        return NAMED_INTERVALS.get(self.interval, self.interval)


class GrantRecord(WireModel):
    """`is_issued` says that it is what every usage period begins with."""

    id: str
    amount: Exact
    priority: int = NO_PRIORITY
    effective_at: Instant
    expiration: ExpirationPeriod | None = None
    expires_at: Instant | None = None
    min_rollover: Exact = Decimal(0)
    max_rollover: Exact = Decimal(0)
    recurrence: Recurring | None = None
    metadata: Metadata = None
    annotations: Metadata = None
    is_issued: bool = False
    created_at: Instant
    updated_at: Instant
    voided_at: Instant | None = None

    @classmethod
    def made(cls, create: GrantCreate | GrantCreateV2, grant_id: str, now: datetime) -> "GrantRecord":
        expiration = create.expiration
        return cls(
            id=grant_id,
            amount=create.amount,
            priority=NO_PRIORITY if create.priority is None else create.priority,
            effective_at=create.effective_at,
            expiration=expiration,
            expires_at=_end(create.effective_at, expiration) if expiration else None,
            min_rollover=create.min_rollover_amount or Decimal(0),
            max_rollover=create.max_rollover,
            recurrence=Recurring.made(create.recurrence, create.effective_at) if create.recurrence else None,
            metadata=create.metadata,
            annotations=create.annotations if isinstance(create, GrantCreateV2) else None,
            created_at=now,
            updated_at=now,
        )

    @classmethod
    def issued(cls, issue: IssueAfterReset, grant_id: str, effective_at: datetime, now: datetime) -> "GrantRecord":
        """Whole again at every reset, whatever was left."""
        return cls(
            id=grant_id,
            amount=issue.amount,
            priority=issue.priority,
            effective_at=effective_at,
            min_rollover=issue.amount,
            max_rollover=issue.amount,
            is_issued=True,
            created_at=now,
            updated_at=now,
        )

    def allowance(self) -> Grant:
        return Grant(
            id=self.id,
            amount=self.amount,
            priority=self.priority,
            effective_at=self.effective_at,
            created_at=self.created_at,
            expires_at=self.expires_at,
            voided_at=self.voided_at,
            recurrence=self.recurrence.recurrence() if self.recurrence else None,
            min_rollover=self.min_rollover,
            max_rollover=self.max_rollover,
        )


def _end(effective_at: datetime, expiration: ExpirationPeriod) -> datetime | None:
    """None where it lies behind the calendar: nobody will see it."""
    expires_at = expires_after(effective_at, ExpirationUnit(expiration.duration), expiration.count)
    return expires_at if expires_at.year < LAST_YEAR else None
