"""A stretch of a subscription's time: what it serves then, as if nothing of it were billed yet."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import takewhile

from functions.domain.period import Period, period_at
from functions.domain.subscriptions.billable_period import BillablePeriod, Schedule, cadence_of
from functions.domain.subscriptions.item import FOREVER, SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription


def billables_within(subscription: Subscription, window: Period) -> Iterator[BillablePeriod]:
    """Every billable period of the window, cut to it, by the time it is given and not by when it is invoiced.

    A one-time fee belongs to the window in which it falls due. Windows that follow each other have every billable
    period once, whole if they begin and end with the subscription's periods.
    """
    whole = subscription.schedule
    cut = replace(whole, active_to=min(subscription.active_to or FOREVER, window.end))
    for phase in subscription.phases:
        for item in phase.items:
            if item.card.billing_cadence is None:
                yield from _one_time(whole, phase, item, window)
            elif (on := whole.on(phase, item).overlap(window)) is not None:
                begins_before = whole.on(phase, item).start < on.start
                yield from cut.unbilled(phase, _billed_to(item, on, begins_before=begins_before))


def billed_since(subscription: Subscription, since: datetime) -> list[BillablePeriod]:
    """What it has served by usage in periods that ended after `since` and are on invoices to their end, by their start.

    Each period is whole, however many lines billed it.
    """
    schedule = subscription.schedule
    found = [
        billable
        for phase in subscription.phases
        for item in phase.items
        if item.card.is_metered and item.billed_to is not None and item.billed_to > since
        for billable in _billed(schedule, phase, item, since)
    ]
    return sorted(found, key=lambda each: each.period.start)


def _billed(
    schedule: Schedule, phase: SubscriptionPhase, item: SubscriptionItem, since: datetime
) -> Iterator[BillablePeriod]:
    assert item.billed_to is not None
    # The part of a period that is billed already is not all of it.
    end = item.split.starts_at if item.split else item.billed_to
    on = schedule.on(phase, item)
    unbilled = {"billed_to": None, "split": None, "left_over": Decimal(0), "discounted": ()}
    if item.card.billing_cadence is None:
        billables = schedule.unbilled(phase, item.model_copy(update=unbilled)) if on.end > since else iter(())
    else:
        cadence = cadence_of(item.card.billing_cadence, schedule.cadence.zone)
        start = period_at(max(since, on.start), schedule.anchor, cadence).start
        anew = unbilled | {"billed_to": start if start > on.start else None}
        billables = (
            schedule.unbilled(phase, item.model_copy(update=anew)) if on.end > max(since, on.start) else iter(())
        )
    yield from takewhile(lambda each: each.period.end <= end, billables)


def _billed_to(item: SubscriptionItem, on: Period, *, begins_before: bool) -> SubscriptionItem:
    billed_to = on.start if begins_before else None
    return item.model_copy(update={"billed_to": billed_to, "split": None, "left_over": Decimal(0)})


def _one_time(
    schedule: Schedule, phase: SubscriptionPhase, item: SubscriptionItem, window: Period
) -> Iterator[BillablePeriod]:
    for billable in schedule.unbilled(phase, item.model_copy(update={"billed_to": None})):
        if item.is_in_advance:
            is_due = billable.period.start in window
        else:
            is_due = window.start < billable.period.end <= window.end
        if is_due:
            yield billable
