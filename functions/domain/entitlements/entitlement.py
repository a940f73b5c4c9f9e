"""What a customer may use: one feature, as a yes, a configuration or an allowance, for a time; and all of a feature."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from functions.domain.catalog.feature import MeteredFeature
from functions.domain.entitlements.grant_record import GrantRecord, Recurring
from functions.domain.entitlements.usage_period import ManualReset, UsagePeriods
from functions.domain.errors import Conflict
from functions.domain.period import Period, rfc3339
from functions.domain.wire import Exact, Instant, Metadata, WireModel

# All grants of an entitlement are read for each answer.
MAX_GRANTS = 500
MAX_RESETS = 500
# Older ones are still found by id.
MAX_FORMER = 20
MAX_CLOSED = 12
# So long a usage period that is over stays open for events that come late.
GRACE = timedelta(days=1)

EntitlementType = Literal["metered", "static", "boolean"]


class ResetRecord(WireModel):
    """A usage period that was begun by hand."""

    at: Instant
    retains_anchor: bool = False
    preserves_overage: bool | None = None


class ClosedPeriod(WireModel):
    """A usage period whose end nothing changes any more: what was used of it, and what the reset at its end finds.

    Usage that comes later still counts for billing.
    """

    starts_at: Instant
    ends_at: Instant
    usage: Exact
    balances: dict[str, Exact]
    overage: Exact


class Entitlement(WireModel):
    """Only metered ones have a usage period that usage and grants are counted in.

    `subscription_id` is of the subscription that gave it and takes it away. `carries` is the id of the one before it
    whose usage period goes on in this one: what was used of that is used of this.
    """

    id: str
    type: EntitlementType
    customer_id: str
    feature: MeteredFeature
    metadata: Metadata = None
    active_from: Instant
    active_to: Instant | None = None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    subscription_id: str | None = None
    carries: str | None = None

    config: str | None = None
    usage_period: Recurring | None = None
    measure_usage_from: Instant | None = None
    is_soft_limit: bool = False
    preserve_overage_at_reset: bool = False
    grants: tuple[GrantRecord, ...] = ()
    resets: tuple[ResetRecord, ...] = ()
    closed: tuple[ClosedPeriod, ...] = ()

    @property
    def ends_at(self) -> datetime | None:
        ends = [each for each in (self.active_to, self.deleted_at) if each is not None]
        return min(ends, default=None)

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def is_managed(self) -> bool:
        return self.subscription_id is not None

    @property
    def is_metered(self) -> bool:
        return self.type == "metered"

    def is_active_at(self, at: datetime) -> bool:
        return self.active_from <= at and (self.ends_at is None or at < self.ends_at)

    def overlaps(self, other: "Entitlement") -> bool:
        starts_before = other.ends_at is None or self.active_from < other.ends_at
        return starts_before and (self.ends_at is None or other.active_from < self.ends_at)

    @property
    def periods(self) -> UsagePeriods:
        assert self.usage_period is not None, self.id
        assert self.measure_usage_from is not None, self.id
        by_hand = tuple(ManualReset(each.at, each.retains_anchor, each.preserves_overage) for each in self.resets)
        return UsagePeriods(self.usage_period.cadence, self.usage_period.anchor, self.measure_usage_from, by_hand)

    def current_period(self, now: datetime) -> Period:
        """The usage period that is on, or that was on when the entitlement ended."""
        at = now if self.ends_at is None else min(now, self.ends_at)
        return self.periods.at(max(at, self.active_from))

    def with_closed(self, period: ClosedPeriod) -> "Entitlement":
        return self.model_copy(update={"closed": (*self.closed, period)[-MAX_CLOSED:]})

    @property
    def issued(self) -> GrantRecord | None:
        """What every usage period begins with."""
        return next((each for each in self.grants if each.is_issued), None)

    @property
    def top_ups(self) -> tuple[GrantRecord, ...]:
        return tuple(each for each in self.grants if not each.is_issued)


class Entitled(WireModel):
    """All entitlements of one customer to one feature: at any instant one of them at most is active.

    `version` counts the stored writes.
    """

    customer_id: str
    feature_key: str
    entitlements: tuple[Entitlement, ...] = ()
    version: int = 0

    def at(self, instant: datetime) -> Entitlement | None:
        return next((each for each in self.entitlements if each.is_active_at(instant)), None)

    def by_id(self, entitlement_id: str | None) -> Entitlement | None:
        return next((each for each in self.entitlements if each.id == entitlement_id), None)

    def with_one(self, made: Entitlement, now: datetime) -> "Entitled":
        """Raises Conflict while there is another one for some of the time."""
        rival = next((each for each in self.entitlements if each.id != made.id and each.overlaps(made)), None)
        if rival is not None:
            since = "" if rival.active_from <= now else f" from {rfc3339(rival.active_from)} on"
            remedy = (
                f"it comes from subscription {rival.subscription_id}: change that one"
                if rival.is_managed
                else "delete it first, or override it"
            )
            message = (
                f"Customer {self.customer_id} has entitlement {rival.id} to {self.feature_key!r}{since}; {remedy}."
            )
            raise Conflict(message, code="entitlement_already_exists")
        return self.with_these([*(each for each in self.entitlements if each.id != made.id), made])

    def with_changed(self, changed: Entitlement) -> "Entitled":
        return self.with_these([changed if each.id == changed.id else each for each in self.entitlements])

    def with_these(self, entitlements: Sequence[Entitlement]) -> "Entitled":
        kept = sorted(entitlements, key=lambda each: (each.active_from, each.id))
        return self.model_copy(update={"entitlements": tuple(kept[-MAX_FORMER:])})
