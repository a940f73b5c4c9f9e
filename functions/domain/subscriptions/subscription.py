"""A subscription: a customer's copy of one plan version as dated phases and items, and when each of them is billed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from pydantic import Field

from functions.domain.catalog.plan import Alignment, ProRating
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.catalog.rate_card import RateCard
from functions.domain.errors import Conflict, InvalidInput
from functions.domain.period import Cadence, Period, period_at, recurrence_at
from functions.domain.wire import CurrencyCode, Duration, Instant, Key, WireModel

_MOMENT = timedelta(microseconds=1)
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def _cadence(text: str) -> Cadence:
    return Cadence.parse(text)


class SubscriptionStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    CANCELED = "canceled"
    SCHEDULED = "scheduled"


class MeteredFeature(WireModel):
    """The feature as it was when the item was made: a feature archived later is still billed."""

    id: str
    key: str
    name: str
    meter_slug: str | None = None
    filters: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class SubscriptionItem(WireModel):
    """One rate card of one phase; `version` rises when the item is edited."""

    id: str
    key: Key
    version: int = 0
    card: RateCard
    feature: MeteredFeature | None = None


class SubscriptionPhase(WireModel):
    id: str
    key: Key
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    starts_at: Instant
    ends_at: Instant | None
    items: tuple[SubscriptionItem, ...]


class PlanReference(WireModel):
    id: str
    key: Key
    version: int


@dataclass(frozen=True)
class Service:
    """One item in one of its periods: what a line of an invoice is made from.

    `full` is the whole recurrence period, `period` the part of it in which the item was on, `index` counts the item's
    own periods from 0, `invoice_at` is the instant from which the line is owed.
    """

    phase: SubscriptionPhase
    item: SubscriptionItem
    index: int
    full: Period
    period: Period
    billing_period: Period
    invoice_at: datetime


class Subscription(WireModel):
    """Everything up to and including `billed_until` is on an invoice already; `version` counts the stored writes."""

    id: str
    customer_id: str
    plan: PlanReference
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    alignment: Alignment | None = None
    currency: CurrencyCode
    billing_cadence: Duration
    pro_rating_config: ProRating
    settlement_mode: Literal["credit_then_invoice"] = "credit_then_invoice"
    billing_anchor: Instant
    active_from: Instant
    active_to: Instant | None = None
    phases: tuple[SubscriptionPhase, ...]
    created_at: Instant
    updated_at: Instant
    billed_until: Instant | None = None
    version: int = 0

    def status(self, now: datetime) -> SubscriptionStatus:
        if now < self.active_from:
            return SubscriptionStatus.SCHEDULED
        if self.active_to is None:
            return SubscriptionStatus.ACTIVE
        return SubscriptionStatus.CANCELED if now < self.active_to else SubscriptionStatus.INACTIVE

    def billing_period_at(self, instant: datetime) -> Period:
        """The billing period that contains the instant, cut to the subscription's own life."""
        whole = period_at(instant, self.billing_anchor, _cadence(self.billing_cadence))
        end = whole.end if self.active_to is None else min(whole.end, self.active_to)
        return Period(min(max(whole.start, self.active_from), end), end)

    @property
    def normalized_anchor(self) -> datetime:
        """The anchor's last recurrence not after the start, as the API shows it."""
        return period_at(self.active_from, self.billing_anchor, _cadence(self.billing_cadence)).start

    def cancelled(self, at: datetime, now: datetime) -> "Subscription":
        """The same subscription ending at `at`; periods end there, and nothing that is owed is lost."""
        if self.active_to is not None and self.active_to <= now:
            raise Conflict(f"Subscription {self.id} ended at {self.active_to.isoformat()}.")
        end = max(at, self.active_from)
        if self.billed_until is not None and end < self.billed_until:
            raise Conflict(f"Subscription {self.id} is billed until {self.billed_until.isoformat()} already.")
        return self.model_copy(update={"active_to": end, "updated_at": now})

    def cancel_time(self, timing: datetime | str, now: datetime) -> datetime:
        """When a cancellation takes effect; a time of the caller's own must be the end of a billing period."""
        if timing == "immediate":
            return now
        if timing == "next_billing_cycle":
            return self.billing_period_at(max(now, self.active_from)).end
        assert isinstance(timing, datetime), timing
        if timing < now:
            raise InvalidInput("A subscription cannot be cancelled in the past.", code="invalid_timing")
        if timing > self.active_from and self.billing_period_at(timing - _MOMENT).end != timing:
            end = self.billing_period_at(timing).end.isoformat()
            message = f"{timing.isoformat()} is not the end of a billing period; the one it falls into ends {end}."
            raise InvalidInput(message, code="invalid_timing")
        return timing

    def billed(self, until: datetime, now: datetime) -> "Subscription":
        return self.model_copy(update={"billed_until": until, "updated_at": now})

    def next_due_at(self) -> datetime | None:
        """The next instant at which something is owed; None when everything is billed for good."""
        due = [service.invoice_at for service in self._first_due_of_each_item()]
        return min(due, default=None)

    def services_due_at(self, boundary: datetime) -> list[Service]:
        """All that is owed exactly from `boundary` on, in the order of phases and rate cards."""
        due = []
        for phase in self.phases:
            for item in phase.items:
                for service in self._services(phase, item, boundary - _MOMENT):
                    if service.invoice_at > boundary:
                        break
                    if service.invoice_at == boundary:
                        due.append(service)
        return due

    def _first_due_of_each_item(self) -> Iterator[Service]:
        after = self.billed_until or self.active_from - _MOMENT
        for phase in self.phases:
            for item in phase.items:
                service = next((each for each in self._services(phase, item, after) if each.invoice_at > after), None)
                if service is not None:
                    yield service

    def _services(self, phase: SubscriptionPhase, item: SubscriptionItem, after: datetime) -> Iterator[Service]:
        """The item's services in order, from one billing period before `after` on; without end when it has none."""
        on = self._on(phase)
        if item.card.price is None or not on.length:
            return
        if item.card.billing_cadence is None:
            yield from self._one_time(phase, item, on)
            return
        cadence = _cadence(item.card.billing_cadence)
        first = recurrence_at(on.start, self.billing_anchor, cadence)
        # Whatever is owed after this instant is served in its billing period or later, so earlier ones are skipped.
        billing_start = period_at(after, self.billing_anchor, _cadence(self.billing_cadence)).start
        count = max(first, recurrence_at(billing_start, self.billing_anchor, cadence))
        while True:
            full = Period(cadence.after(self.billing_anchor, count), cadence.after(self.billing_anchor, count + 1))
            period = full.overlap(on)
            if period is None:
                return
            yield self._service(phase, item, count - first, full, period)
            count += 1

    def _on(self, phase: SubscriptionPhase) -> Period:
        end = min(phase.ends_at or _FOREVER, self.active_to or _FOREVER)
        return Period(phase.starts_at, max(phase.starts_at, end))

    def _service(
        self, phase: SubscriptionPhase, item: SubscriptionItem, index: int, full: Period, period: Period
    ) -> Service:
        billing_period = self.billing_period_at(period.start)
        if _in_advance(item):
            # Known before the service is given: owed when the billing period starts, never before the phase does.
            invoice_at = max(billing_period.start, phase.starts_at)
        else:
            invoice_at = max(period.end, self.billing_period_at(period.end - _MOMENT).end)
        return Service(phase, item, index, full, period, billing_period, invoice_at)

    def _one_time(self, phase: SubscriptionPhase, item: SubscriptionItem, on: Period) -> Iterator[Service]:
        if _in_advance(item):
            moment = Period(on.start, on.start)
            yield Service(phase, item, 0, moment, moment, self.billing_period_at(on.start), on.start)
        elif on.end != _FOREVER:
            billing_period = self.billing_period_at(on.end - _MOMENT)
            yield Service(phase, item, 0, on, on, billing_period, max(on.end, billing_period.end))


def _in_advance(item: SubscriptionItem) -> bool:
    return isinstance(item.card.price, FlatPrice) and item.card.price.payment_term == "in_advance"
