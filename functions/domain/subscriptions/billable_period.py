"""When each item of a subscription is owed: its recurrence periods, cut to the second, that no invoice has yet."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from functools import lru_cache
from itertools import takewhile
from typing import Literal

from functions.domain.money import EXACT
from functions.domain.period import Cadence, Period, period_at, recurrence_at
from functions.domain.subscriptions.item import FOREVER, ProgressivePart, SubscriptionItem, SubscriptionPhase

MOMENT = timedelta(microseconds=1)

# Where a line is among those of a period that is billed progressively.
Position = Literal["first", "middle", "last"]


@lru_cache(maxsize=256)
def cadence_of(text: str, zone: str) -> Cadence:
    return Cadence.parse(text, zone)


@dataclass(frozen=True)
class BillablePeriod:
    """One item in one of its periods: what a line of an invoice is made from.

    `full` is the whole recurrence period, `period` the part of it in which the item was on, `index` counts the item's
    own periods from 0, `invoice_at` is the instant from which the line is owed. A credit returns what was paid in
    advance for a `period` in which the item was not on after all. `is_remainder` tells the part of a period that
    follows a part already billed. One that is not the last is billed before its time is over, the remainder later.
    `claimed_as` is the name of one that was claimed before it could be credited back.
    """

    phase: SubscriptionPhase
    item: SubscriptionItem
    index: int
    full: Period
    period: Period
    billing_period: Period
    invoice_at: datetime
    is_credit: bool = False
    is_remainder: bool = False
    is_last: bool = True
    claimed_as: str | None = None

    @property
    def split(self) -> ProgressivePart | None:
        """What earlier lines have billed progressively of the same period."""
        return self.item.split if self.is_remainder else None

    @property
    def position(self) -> Position | None:
        """None for the only line of its period."""
        if self.split is None:
            return None if self.is_last else "first"
        return "last" if self.is_last else "middle"

    @property
    def measured(self) -> Period:
        """What its meter is asked for: with earlier lines of the period from their start on, so that nothing that comes
        late is lost; what they have billed of it goes off."""
        return Period(self.split.starts_at, self.period.end) if self.split else self.period

    @property
    def is_carried(self) -> bool:
        """Whether the period's usage has moved the price's tiers before, under another item."""
        return self.counted_from < self.period.start

    def after(self, metered: Decimal, billed_minor: int, carried: Decimal | None) -> ProgressivePart | None:
        """What the item has to remember once this is on a line of these; None when nothing is left of it."""
        if self.is_last:
            return None
        if (split := self.split) is None:
            return ProgressivePart(
                starts_at=self.period.start, metered=metered, billed_minor=billed_minor, carried=carried
            )
        with localcontext(EXACT):
            metered += split.metered
        return split.model_copy(update={"metered": metered, "billed_minor": split.billed_minor + billed_minor})

    @property
    def counted_from(self) -> datetime:
        """Since when usage moves the price's tiers: earlier than the period's start if another item sold it before."""
        if self.item.counts_from is None or self.period.start > self.phase.start_of(self.item):
            return self.period.start
        return max(self.full.start, min(self.item.counts_from, self.period.start))

    @property
    def used_since(self) -> datetime:
        """`counted_from` of the period's first line, on later ones too."""
        if self.split is None or self.item.counts_from is None:
            return min(self.counted_from, self.measured.start)
        return max(self.full.start, min(self.item.counts_from, self.split.starts_at))

    @property
    def name(self) -> str:
        """What tells it from the other billable periods of its item; the same however often it is looked at."""
        if self.claimed_as is not None:
            return self.claimed_as
        name = f"period[{self.index}]"
        if self.item.times_credited:  # what was credited back may have been sold on, and be credited back once more
            name += f"/again[{self.item.times_credited}]"
        if self.is_credit or self.is_remainder:
            name += f"/{'credit' if self.is_credit else 'rest'}[{self.period.start:%Y%m%dT%H%M%SZ}]"
        return name


@dataclass(frozen=True)
class Schedule:
    """The subscription's own rhythm; `is_prorated` says whether part of a period costs part of a flat fee."""

    anchor: datetime
    cadence: Cadence
    active_from: datetime
    active_to: datetime | None
    is_prorated: bool

    def billing_period_at(self, instant: datetime) -> Period:
        """The billing period that contains the instant, cut to the subscription's own life."""
        whole = period_at(instant, self.anchor, self.cadence)
        end = whole.end if self.active_to is None else min(whole.end, self.active_to)
        return Period(min(max(whole.start, self.active_from), end), end)

    def on(self, phase: SubscriptionPhase, item: SubscriptionItem) -> Period:
        """When the item is on; without length when it ended before it started."""
        start = phase.start_of(item)
        return Period(start, max(start, min(phase.end_of(item), self.active_to or FOREVER)))

    def unbilled(self, phase: SubscriptionPhase, item: SubscriptionItem) -> Iterator[BillablePeriod]:
        """The item's periods that are on no invoice yet, by `invoice_at`; without end when the item has none."""
        if item.card.price is None:
            return
        on = self.on(phase, item)
        if item.card.billing_cadence is None:
            yield from self._one_time(phase, item, on)
        elif item.split is not None and item.billed_to is not None and item.billed_to >= on.end:
            yield self._closing(phase, item, item.billed_to)
        elif item.billed_to is not None and item.billed_to > on.end:
            yield from self._credits(phase, item, on)
        else:
            yield from self._recurring(phase, item, on)

    def progressive(self, phase: SubscriptionPhase, item: SubscriptionItem, at: datetime) -> Iterator[BillablePeriod]:
        """What of the item can be billed at `at` although it is owed later: periods that began before, cut there."""
        if not item.is_splittable or item.card.billing_cadence is None:
            return
        for billable in takewhile(lambda each: each.period.start < at, self.unbilled(phase, item)):
            period = Period(billable.period.start, min(billable.period.end, at))
            yield replace(billable, period=period, invoice_at=at, is_last=period == billable.period)

    def billed(self, billable: BillablePeriod) -> datetime:
        """The item's `billed_to` once the billable period is on an invoice."""
        if billable.is_credit:
            return self.on(billable.phase, billable.item).end
        if billable.item.card.price is not None and billable.item.card.price.is_flat and not self.is_prorated:
            # The whole fee is paid, so the rest of the period costs nothing should the item go on after all.
            return max(billable.full.end, billable.period.end)
        return billable.period.end

    def _one_time(self, phase: SubscriptionPhase, item: SubscriptionItem, on: Period) -> Iterator[BillablePeriod]:
        if item.billed_to is not None or not on.length:
            return
        if item.is_in_advance:
            moment = Period(on.start, on.start)
            yield BillablePeriod(phase, item, 0, moment, moment, self.billing_period_at(on.start), on.start)
        elif on.end != FOREVER:
            billing_period = self.billing_period_at(on.end - MOMENT)
            yield BillablePeriod(phase, item, 0, on, on, billing_period, max(on.end, billing_period.end))

    def _recurring(self, phase: SubscriptionPhase, item: SubscriptionItem, on: Period) -> Iterator[BillablePeriod]:
        start = max(on.start, item.billed_to or on.start)
        if start >= on.end:
            return
        for index, full, period in self._recurrences(item, on.start, Period(start, on.end)):
            billing_period = self.billing_period_at(period.start)
            if item.is_in_advance:
                # Known before it begins: owed when the billing period starts, never before the item does.
                invoice_at = max(billing_period.start, start)
            else:
                invoice_at = max(period.end, self.billing_period_at(period.end - MOMENT).end)
            follows = period.start > max(full.start, on.start)
            yield BillablePeriod(phase, item, index, full, period, billing_period, invoice_at, is_remainder=follows)

    def _closing(self, phase: SubscriptionPhase, item: SubscriptionItem, at: datetime) -> BillablePeriod:
        """The last line of a period that ended where it was split: what came late, and what only a last line owes."""
        index, full, _ = next(self._recurrences(item, phase.start_of(item), Period(at - MOMENT, at)))
        billing_period = self.billing_period_at(at - MOMENT)
        owed = max(at, billing_period.end)
        return BillablePeriod(phase, item, index, full, Period(at, at), billing_period, owed, is_remainder=True)

    def _credits(self, phase: SubscriptionPhase, item: SubscriptionItem, on: Period) -> Iterator[BillablePeriod]:
        if not self.is_prorated or not item.is_in_advance:
            return
        assert item.billed_to is not None
        billing_period = self.billing_period_at(on.end)
        for index, full, period in self._recurrences(item, on.start, Period(on.end, item.billed_to)):
            yield BillablePeriod(phase, item, index, full, period, billing_period, on.end, is_credit=True)

    def _recurrences(
        self, item: SubscriptionItem, since: datetime, span: Period
    ) -> Iterator[tuple[int, Period, Period]]:
        """The item's recurrence periods that touch the span: number since `since`, the whole, its part in the span."""
        assert item.card.billing_cadence is not None
        cadence = cadence_of(item.card.billing_cadence, self.cadence.zone)
        first = recurrence_at(since, self.anchor, cadence)
        for count in itertools.count(recurrence_at(span.start, self.anchor, cadence)):
            full = Period(cadence.after(self.anchor, count), cadence.after(self.anchor, count + 1))
            period = full.overlap(span)
            if period is None:
                return
            yield count - first, full, period
