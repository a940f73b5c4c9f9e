"""Lineages: items that sell the same usage one after the other, and what each of their pieces of a period bills.

An edit, an add-on, a migration or a change of plan cuts a period into pieces; a piece of a period is no period. The
rules are a table in the README.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.domain.period import Period, period_at
from functions.domain.subscriptions.billable_period import MOMENT, BillablePeriod, cadence_of
from functions.domain.subscriptions.item import SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription


@dataclass(frozen=True)
class Link:
    """One item of a lineage; `on` is when it is on."""

    subscription: Subscription
    phase: SubscriptionPhase
    item: SubscriptionItem
    on: Period

    def period_at(self, instant: datetime) -> Period | None:
        """Its recurrence period that contains the instant; None for a one-time item."""
        if self.item.card.billing_cadence is None:
            return None
        cadence = cadence_of(self.item.card.billing_cadence, self.subscription.time_zone)
        return period_at(instant, self.subscription.billing_anchor, cadence)

    @property
    def is_of_whole_periods(self) -> bool:
        """Does its price look at a period's usage as a whole, so that no part of it has an amount of its own?"""
        price = self.item.card.price
        return price is not None and not price.is_flat and not price.is_splittable


@dataclass(frozen=True)
class Piece:
    """What a usage-based billable period bills of its period.

    `run` is the stretch whose usage it prices: its own, or with that of the pieces before it that left theirs to it;
    None when it leaves its own to the next piece. `used_since` is since when usage moves tiers, free units, packages.
    `deal` is the part of the period in which the same commitments hold, `closes_deal` says that they are settled with
    this piece, and `before` is the item whose pieces of the same deal came last.
    """

    run: Period | None
    used_since: datetime
    deal: Period
    closes_deal: bool
    before: SubscriptionItem | None = None

    @classmethod
    def whole(cls, billable: BillablePeriod) -> "Piece":
        """Of a billable period that is no piece but all of its period."""
        return cls(billable.full, billable.full.start, billable.full, closes_deal=True)


@dataclass(frozen=True)
class CommittedPeriod:
    """The billing period a commitment over a subscription holds for.

    It holds for the time of the `full` period in which the deal sold usage: `sold` of it, all of it within `deal`.
    `is_settled` says that nothing follows that could still owe the minimum; `billed_minor` is what the usage of the
    deal came to before, `own_minor` how much of it here.
    """

    deal: Period
    full: Period
    sold: timedelta
    is_settled: bool
    billed_minor: int
    own_minor: int

    @property
    def share(self) -> Period:
        """As long as usage was sold."""
        return Period(self.full.start, self.full.start + self.sold)


class Lineages:
    """Of a customer's subscriptions; within a `window` as if everything began and ended with it."""

    def __init__(self, subscriptions: Iterable[Subscription], window: Period | None = None) -> None:
        self._by_id = {each.id: each for each in subscriptions}
        self._following = {each.follows.id: each for each in self._by_id.values() if each.follows}
        self._window = window

    def piece(self, subscription: Subscription, billable: BillablePeriod, *, adds_up: bool, grows: bool) -> Piece:
        """`adds_up`: the usage of a period is the sum of its parts'; `grows`: it is never less than that of a part."""
        full = billable.full
        link = self._link(subscription, billable.phase, _stored(subscription, billable))
        earlier = list(self._earlier(link, full))
        later = list(self._later(link, full)) if billable.is_last else []
        deal_earlier, deal_later = list(_of_deal(link, earlier)), list(_of_deal(link, later))
        if not (adds_up or grows):
            run_start, is_left = _start([link, *earlier], full), bool(later)
        elif link.is_of_whole_periods:
            same = list(_while_whole(deal_earlier))
            run_start = _start([link, *same], full) if same else billable.period.start
            is_left = bool(deal_later) and deal_later[0].is_of_whole_periods
        else:
            run_start, is_left = billable.period.start, False
        deal_end = min(([link, *deal_later])[-1].on.end, full.end)
        return Piece(
            run=None if is_left else Period(min(run_start, billable.period.start), billable.period.end),
            used_since=billable.used_since,
            deal=Period(_start([link, *deal_earlier], full), deal_end),
            closes_deal=billable.is_last and not deal_later,
            before=deal_earlier[0].item if deal_earlier else None,
        )

    def committed_period(self, subscription: Subscription, at: datetime) -> CommittedPeriod:
        """The one that ends at `at`, or in which that lies, with what it was migrated from and to in it.

        It is settled once all usage is billed that the subscription sells in it, and nothing it was migrated to sells.
        """
        full = subscription.full_period_at(at - MOMENT)
        sold, later = self._sold(subscription, full), list[Period]()
        own = billed = _billed_in(subscription, full)
        first = last = subscription
        while (former := self._migrated_before(first)) and first.active_from > full.start:
            if former.full_period_at(first.active_from - MOMENT) != full:
                break
            first, billed = former, billed + _billed_in(former, full)
            sold += self._sold(former, full)
        while (following := self._migrated_after(last)) and following.active_from < full.end:
            if following.full_period_at(following.active_from) != full:
                break
            last = following
            later += self._sold(following, full)
        spans = _united([*sold, *later])
        deal = Period(spans[0].start, spans[-1].end) if spans else Period(full.start, full.start)
        length = sum((each.length for each in spans), timedelta())
        is_settled = not later and self._is_billed(subscription, full)
        return CommittedPeriod(deal, full, length, is_settled, billed, own)

    def _usage_in(self, subscription: Subscription, full: Period) -> Iterator[tuple[SubscriptionItem, Period]]:
        """What usage it sells in the period, and when."""
        for link in self._links(subscription, subscription.phases):
            on = link.on.overlap(full) if link.item.card.is_metered else None
            if on is not None:
                yield link.item, on

    def _sold(self, subscription: Subscription, full: Period) -> list[Period]:
        return [on for _, on in self._usage_in(subscription, full)]

    def _is_billed(self, subscription: Subscription, full: Period) -> bool:
        """Is all usage that it sells in the period on invoices?"""
        return all(
            item.billed_to is not None and item.billed_to >= on.end and item.split is None
            for item, on in self._usage_in(subscription, full)
        )

    def _migrated_before(self, subscription: Subscription) -> Subscription | None:
        follows = subscription.follows
        return self._by_id.get(follows.id) if follows is not None and follows.is_migration else None

    def _migrated_after(self, subscription: Subscription) -> Subscription | None:
        following = self._following.get(subscription.id)
        if following is None or following.follows is None or not following.follows.is_migration:
            return None
        return following if following.active_from == subscription.active_to else None

    def migrated_from(self, subscription_id: str) -> list[str]:
        """The subscriptions whose deal it goes on with, the latest first."""
        return self._former(subscription_id, only_migrations=True)

    def taken_over_from(self, subscription_id: str) -> list[str]:
        """The same with those it took the place of by a change of plan."""
        return self._former(subscription_id, only_migrations=False)

    def _former(self, subscription_id: str, *, only_migrations: bool) -> list[str]:
        found: list[str] = []
        this = self._by_id.get(subscription_id)
        while this is not None and (follows := this.follows) is not None:
            if follows.id in found or (only_migrations and not follows.is_migration):
                break
            found.append(follows.id)
            this = self._by_id.get(follows.id)
        return found

    def _link(self, subscription: Subscription, phase: SubscriptionPhase, item: SubscriptionItem) -> Link:
        on = subscription.schedule.on(phase, item)
        if self._window is not None:
            on = on.overlap(self._window) or Period(on.start, on.start)
        return Link(subscription, phase, item, on)

    def _links(self, subscription: Subscription, phases: Iterable[SubscriptionPhase]) -> Iterator[Link]:
        for phase in phases:
            for item in phase.items:
                link = self._link(subscription, phase, item)
                if link.on.length:
                    yield link

    def _earlier(self, link: Link, full: Period) -> Iterator[Link]:
        """Those before it that sold the same in the period, the nearest first."""
        while link.on.start > full.start:
            before = next((each for each in self._touching_before(link) if each.item.sells_the_same(link.item)), None)
            if before is None or before.period_at(before.on.end - MOMENT) != full:
                return
            yield before
            link = before

    def _later(self, link: Link, full: Period) -> Iterator[Link]:
        while link.on.end < full.end:
            after = next((each for each in self._touching_after(link) if link.item.sells_the_same(each.item)), None)
            if after is None or after.period_at(after.on.start) != full:
                return
            yield after
            link = after

    def _touching_before(self, link: Link) -> Iterator[Link]:
        start, subscription = link.on.start, link.subscription
        if link.item.counts_from is None:
            return
        found = [*self._links(subscription, [link.phase])]
        former = self._by_id.get(subscription.follows.id) if subscription.follows else None
        if former is not None and start == subscription.active_from:
            found += self._links(former, former.phases)
        for each in found:
            if each.on.end == start and each.item.key == link.item.key and not _was_billed_before_deals(each):
                yield each

    def _touching_after(self, link: Link) -> Iterator[Link]:
        end, subscription = link.on.end, link.subscription
        found = [*self._links(subscription, [link.phase])]
        following = self._following.get(subscription.id)
        if following is not None and end == subscription.active_to == following.active_from:
            found += self._links(following, following.phases[:1])
        for each in found:
            if each.on.start == end and each.item.counts_from is not None and each.item.key == link.item.key:
                yield each


def _united(spans: Iterable[Period]) -> list[Period]:
    """The time that any of them covers, in order."""
    united: list[Period] = []
    for each in sorted(spans):
        if united and each.start <= united[-1].end:
            united[-1] = Period(united[-1].start, max(united[-1].end, each.end))
        else:
            united.append(each)
    return united


def _billed_in(subscription: Subscription, full: Period) -> int:
    billed = subscription.usage_billed
    return billed.amount_minor if billed is not None and billed.starts_at == full.start else 0


def _was_billed_before_deals(link: Link) -> bool:
    """As a period of its own, before 2026-11-29: it left nothing to the next one, nor says what it came to."""
    item = link.item
    is_billed = item.billed_to is not None and item.billed_to >= link.on.end and item.split is None
    return is_billed and item.billed_part is None


def _stored(subscription: Subscription, billable: BillablePeriod) -> SubscriptionItem:
    """The item as the subscription has it; one of `billables_within` has one that was changed for it."""
    items = (item for phase in subscription.phases for item in phase.items)
    return next((item for item in items if item.id == billable.item.id), billable.item)


def _of_deal(link: Link, others: Iterable[Link]) -> Iterator[Link]:
    """Those of them, as they touch each other, that belong to the same deal: not across a change of plan."""
    for other in others:
        first, second = (other, link) if other.on.end == link.on.start else (link, other)
        is_same = first.subscription.id == second.subscription.id
        follows = second.subscription.follows
        if not is_same and not (follows is not None and follows.is_migration):
            return
        yield other
        link = other


def _while_whole(links: Iterable[Link]) -> Iterator[Link]:
    for link in links:
        if not link.is_of_whole_periods:
            return
        yield link


def _start(links: list[Link], full: Period) -> datetime:
    return max(links[-1].on.start, full.start)
