"""A subscription: a customer's copy of one plan version as dated phases and items, and when each of them is billed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import takewhile
from typing import Literal

from pydantic import ValidationError

from functions.domain.catalog.plan import Alignment, ProRating
from functions.domain.catalog.pricing.commitment import SpendCommitment
from functions.domain.errors import Conflict, InvalidInput
from functions.domain.period import UTC_ZONE, Period, period_at, rfc3339
from functions.domain.subscriptions.addons import SubscriptionAddon
from functions.domain.subscriptions.billable_period import MOMENT, Schedule, cadence_of
from functions.domain.subscriptions.billable_period import BillablePeriod as BillablePeriod
from functions.domain.subscriptions.claim import Claim
from functions.domain.subscriptions.item import AdvanceFee, BilledPart, DiscountedFee, Follows, ProgressivePart
from functions.domain.subscriptions.item import MeteredFeature as MeteredFeature
from functions.domain.subscriptions.item import PlanReference as PlanReference
from functions.domain.subscriptions.item import SubscriptionItem as SubscriptionItem
from functions.domain.subscriptions.item import SubscriptionPhase as SubscriptionPhase
from functions.domain.wire import CurrencyCode, Duration, Instant, WireModel

# One item of at most 400 KB; a plan within its bound gets there only by features with very long names and filters.
MAX_SUBSCRIPTION_BYTES = 380_000
MAX_CLOSED_CLAIMS = 20
NOTHING_LEFT: Mapping[str, Decimal] = {}


class SubscriptionStatus(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    CANCELED = "canceled"
    SCHEDULED = "scheduled"


class Subscription(WireModel):
    """`billed_until` is the latest boundary that was invoiced, `progressed_to` the latest instant at which its usage so
    far was; `version` counts the stored writes. `usage_billed` is what its usage came to so far in the billing period
    that a `commitment` holds for. Periods are those of the calendar in `time_zone`."""

    id: str
    customer_id: str
    plan: PlanReference | None = None
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    alignment: Alignment | None = None
    currency: CurrencyCode
    billing_cadence: Duration
    pro_rating_config: ProRating
    settlement_mode: Literal["credit_then_invoice"] = "credit_then_invoice"
    billing_anchor: Instant
    time_zone: str = UTC_ZONE
    active_from: Instant
    active_to: Instant | None = None
    follows: Follows | None = None
    phases: tuple[SubscriptionPhase, ...]
    addons: tuple[SubscriptionAddon, ...] = ()
    claims: tuple[Claim, ...] = ()
    commitment: SpendCommitment | None = None
    usage_billed: BilledPart | None = None
    created_at: Instant
    updated_at: Instant
    billed_until: Instant | None = None
    progressed_to: Instant | None = None
    version: int = 0

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            anchor=self.billing_anchor,
            cadence=cadence_of(self.billing_cadence, self.time_zone),
            active_from=self.active_from,
            active_to=self.active_to,
            is_prorated=self.pro_rating_config.enabled,
        )

    @property
    def label(self) -> str:
        return f"{self.plan.key} version {self.plan.version}" if self.plan else "a plan of its own"

    def status(self, now: datetime) -> SubscriptionStatus:
        if now < self.active_from:
            return SubscriptionStatus.SCHEDULED
        if self.active_to is None:
            return SubscriptionStatus.ACTIVE
        return SubscriptionStatus.CANCELED if now < self.active_to else SubscriptionStatus.INACTIVE

    def is_over(self, now: datetime) -> bool:
        return self.active_to is not None and self.active_to <= now

    def billing_period_at(self, instant: datetime) -> Period:
        """The billing period that contains the instant, cut to the subscription's own life."""
        return self.schedule.billing_period_at(instant)

    def full_period_at(self, instant: datetime) -> Period:
        """The same, whole."""
        return period_at(instant, self.billing_anchor, self.schedule.cadence)

    @property
    def normalized_anchor(self) -> datetime:
        """The anchor's last recurrence not after the start, as the API shows it."""
        return period_at(self.active_from, self.billing_anchor, self.schedule.cadence).start

    def require_storable(self) -> None:
        """Raises InvalidInput when it would not fit the store, or could not be read from it again."""
        body = self.model_dump_json()
        size = len(body.encode())
        if size > MAX_SUBSCRIPTION_BYTES:
            message = (
                f"A subscription to {self.label} is too large to subscribe to: {size} bytes of JSON, "
                f"at most {MAX_SUBSCRIPTION_BYTES} are kept."
            )
            raise InvalidInput(message, code="subscription_too_large")
        try:
            type(self).model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            message = f"The subscription would have what none can have, at {where}: {first['msg']}."
            raise InvalidInput(message, code="subscription_not_storable") from error

    def require_changeable(self, at: datetime, now: datetime) -> None:
        """Raises Conflict when it is over, or when what happened at `at` is on an invoice already."""
        if self.active_to is not None and self.active_to <= now:
            raise Conflict(f"Subscription {self.id} ended at {rfc3339(self.active_to)}; create a new one.")
        if self.billed_until is not None and at < self.billed_until:
            billed = rfc3339(self.billed_until)
            raise Conflict(f"Subscription {self.id} is billed until {billed} already; name that time or a later one.")

    def cancelled(self, at: datetime, now: datetime) -> "Subscription":
        """The same subscription ending at `at`; periods end there, and nothing that is owed is lost."""
        end = max(at, self.active_from)
        self.require_changeable(end, now)
        return self.model_copy(update={"active_to": end, "updated_at": now})

    def continued(self, now: datetime) -> "Subscription":
        """The same subscription without the end it was to have; raises Conflict when there is none or it came."""
        if self.active_to is None:
            raise Conflict(f"Subscription {self.id} is not cancelled.")
        self.require_changeable(now, now)
        return self.model_copy(update={"active_to": None, "updated_at": now})

    def effective_time(self, timing: datetime | str, now: datetime) -> datetime:
        """When a change takes effect; a time of the caller's own must be the end of a billing period."""
        if timing == "immediate":
            return now
        # An end that is set already may be put off.
        uncut = replace(self.schedule, active_to=None)
        if timing == "next_billing_cycle":
            return uncut.billing_period_at(max(now, self.active_from)).end
        if timing == "end_of_phase":
            return self._end_of_phase(max(now, self.active_from))
        if timing == "end_of_term":
            return self._end_of_term(max(now, self.active_from))
        assert isinstance(timing, datetime), timing
        if timing < now:
            raise InvalidInput("A subscription cannot be cancelled or changed in the past.", code="invalid_timing")
        if timing > self.active_from and uncut.billing_period_at(timing - MOMENT).end != timing:
            end = rfc3339(uncut.billing_period_at(timing).end)
            message = f"{rfc3339(timing)} is not the end of a billing period; the one it falls into ends {end}."
            raise InvalidInput(message, code="invalid_timing")
        return timing

    def _end_of_phase(self, now: datetime) -> datetime:
        running = self.running_phase_at(now)
        if running is None or running.ends_at is None:
            message = "The phase that is on has no end; use end_of_term, next_billing_cycle or immediate."
            raise InvalidInput(message, code="invalid_timing")
        return running.ends_at

    def _end_of_term(self, now: datetime) -> datetime:
        """Of the longest period that runs: the year of a contract that is billed monthly."""
        running = self.running_phase_at(now)
        items = [each for each in running.items if self.schedule.on(running, each).end > now] if running else []
        cadences = [self.billing_cadence, *(each.card.billing_cadence for each in items if each.card.billing_cadence)]
        return max(period_at(now, self.billing_anchor, cadence_of(each, self.time_zone)).end for each in cadences)

    def phase_at(self, instant: datetime) -> SubscriptionPhase | None:
        """The phase that is on; None before the first one and after the end."""
        if self.is_over(instant):
            return None
        return next((each for each in reversed(self.phases) if each.starts_at <= instant), None)

    def running_phase_at(self, instant: datetime) -> SubscriptionPhase | None:
        """The same, as if the subscription had no end."""
        return self.model_copy(update={"active_to": None}).phase_at(instant)

    def counting_since(self, at: datetime) -> dict[str, datetime]:
        """Since when each metered feature that is on until `at` has been sold, by feature key.

        One that ends as it begins hands on what it was given.
        """
        if at <= self.active_from:
            items = [item for phase in self.phases[:1] for item in phase.items if item.starts_at is None]
            return {
                item.card.feature_key: item.counts_from for item in items if item.card.feature_key and item.counts_from
            }
        schedule = self.schedule
        before = at - MOMENT
        return {
            item.card.feature_key: min(item.counts_from or schedule.on(phase, item).start, at)
            for phase in self.phases
            for item in phase.items
            if item.card.feature_key is not None and item.card.is_metered and before in schedule.on(phase, item)
        }

    def followed(self, at: datetime, *, is_migration: bool) -> Follows | None:
        """What a subscription that takes its place at `at` follows: what it follows itself if it ends as it begins."""
        if at > self.active_from:
            return Follows(id=self.id, is_migration=is_migration)
        former = self.follows
        return former and Follows(id=former.id, is_migration=former.is_migration and is_migration)

    def next_due_at(self) -> datetime | None:
        """The next instant at which something is owed; None when everything is billed for good."""
        schedule = self.schedule
        firsts = (next(schedule.unbilled(phase, item), None) for phase in self.phases for item in phase.items)
        dates = [billable.invoice_at for billable in firsts if billable is not None]
        return min([*dates, *(each.look_at for each in self.claims if each.look_at is not None)], default=None)

    def billable_of(self, claim: Claim, at: datetime) -> BillablePeriod:
        """What the claim is for, owed from `at` on."""
        phase, item = next((phase, item) for phase in self.phases for item in phase.items if item.id == claim.item_id)
        return BillablePeriod(
            phase,
            item.model_copy(update={"discounted": claim.discounted}),
            claim.index,
            claim.full,
            claim.period,
            claim.billing_period,
            at,
            is_credit=True,
            claimed_as=claim.name,
        )

    def with_claim(self, claim: Claim) -> "Subscription":
        """The same subscription with the claim, instead of what was known of it; of closed ones the latest stay."""
        others = self.without_claim(claim).claims
        closed = [each for each in (*others, claim) if not each.is_open][-MAX_CLOSED_CLAIMS:]
        kept = tuple(each for each in (*others, claim) if each.is_open or each in closed)
        return self.model_copy(update={"claims": kept})

    def without_claim(self, claim: Claim) -> "Subscription":
        kept = tuple(each for each in self.claims if (each.item_id, each.name) != (claim.item_id, claim.name))
        return self.model_copy(update={"claims": kept})

    def with_credited_back(self, claim: Claim, minor: int) -> "Subscription":
        """The same subscription whose fee remembers what was credited back of it."""

        def after(_phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            if item.id != claim.item_id:
                return item
            advances = tuple(
                each.model_copy(update={"given_back_minor": each.given_back_minor + minor})
                if each.line_id == claim.line_id
                else each
                for each in item.advances
            )
            return item.model_copy(update={"advances": advances})

        return self.with_items(after)

    def with_advances(self, fees: Mapping[str, Sequence[AdvanceFee]], at: datetime) -> "Subscription":
        """The same subscription whose items, by id, know these fees of time to come; those over by `at` are forgotten.

        Unless a claim waits for them.
        """
        awaited = {each.line_id for each in self.claims if each.is_open}

        def after(_phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            every = (*item.advances, *fees.get(item.id, ()))
            kept = tuple(each for each in every if each.ends_at > at or each.line_id in awaited)
            return item if kept == item.advances else item.model_copy(update={"advances": kept})

        return self.with_items(after)

    def billables_due_at(self, boundary: datetime) -> list[BillablePeriod]:
        """All that is owed exactly from `boundary` on and not billed yet, in the order of phases and items."""
        schedule = self.schedule
        return [
            billable
            for phase in self.phases
            for item in phase.items
            for billable in takewhile(lambda each: each.invoice_at <= boundary, schedule.unbilled(phase, item))
            if billable.invoice_at == boundary
        ]

    def progressive_parts(self, at: datetime) -> list[BillablePeriod]:
        """What was used before `at` and can be billed then although it is owed later, items and periods in order."""
        schedule = self.schedule
        return [
            billable
            for phase in self.phases
            for item in phase.items
            for billable in schedule.progressive(phase, item, at)
        ]

    def can_progress_to(self, at: datetime) -> bool:
        """Whether nobody has billed the usage up to `at` yet, and there may be some."""
        return (self.progressed_to is None or self.progressed_to < at) and bool(self.progressive_parts(at))

    def progressed(
        self, billed: Sequence[tuple[BillablePeriod, ProgressivePart | None]], at: datetime, now: datetime
    ) -> "Subscription":
        """The same subscription with these parts of it on an invoice, and what their items remember."""
        schedule = self.schedule
        latest = {billable.item.id: (schedule.billed(billable), split) for billable, split in billed}

        def after(_phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            if item.id not in latest:
                return item
            billed_to, split = latest[item.id]
            return item.model_copy(update={"billed_to": billed_to, "split": split})

        update = {"progressed_to": max(at, self.progressed_to or at), "updated_at": now}
        if billed:
            update["billed_until"] = max(at, self.billed_until or at)
        return self.with_items(after).model_copy(update=update)

    def billed(self, until: datetime, now: datetime) -> "Subscription":
        """The same subscription with everything owed at or before `until` on invoices."""
        schedule = self.schedule

        def after(phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            due = list(takewhile(lambda each: each.invoice_at <= until, schedule.unbilled(phase, item)))
            if not due:
                return item
            times_credited = item.times_credited + due[-1].is_credit
            billed_to = schedule.billed(due[-1])
            return item.model_copy(update={"billed_to": billed_to, "split": None, "times_credited": times_credited})

        latest = max(until, self.billed_until or until)
        return self.with_items(after).model_copy(update={"billed_until": latest, "updated_at": now})

    def with_billed_parts(
        self, parts: Mapping[str, BilledPart], left_over: Mapping[str, Decimal] = NOTHING_LEFT
    ) -> "Subscription":
        """The same subscription whose items, by id, remember what their part of a period came to, and what was left."""

        def after(_phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            update: dict[str, object] = {}
            if item.id in parts:
                update["billed_part"] = parts[item.id]
            if item.id in left_over:
                update["left_over"] = left_over[item.id]
            return item.model_copy(update=update) if update else item

        return self.with_items(after) if parts or left_over else self

    def with_usage_billed(self, came_to: BilledPart | None) -> "Subscription":
        return self if came_to is None else self.model_copy(update={"usage_billed": came_to})

    def with_items(self, after: Callable[[SubscriptionPhase, SubscriptionItem], SubscriptionItem]) -> "Subscription":
        phases = tuple(
            phase.model_copy(update={"items": tuple(after(phase, item) for item in phase.items)})
            for phase in self.phases
        )
        return self.model_copy(update={"phases": phases})

    def with_discounted(
        self, fees: Mapping[str, Sequence[DiscountedFee]], credited_back: Collection[str], at: datetime
    ) -> "Subscription":
        """The same subscription whose items, by id, remember these fees, none credited back or over by `at`."""

        def after(_phase: SubscriptionPhase, item: SubscriptionItem) -> SubscriptionItem:
            before = () if item.id in credited_back else item.discounted
            kept = tuple(each for each in (*before, *fees.get(item.id, ())) if each.ends_at > at)
            return item if kept == item.discounted else item.model_copy(update={"discounted": kept})

        return self.with_items(after)
