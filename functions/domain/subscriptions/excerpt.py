"""A stretch of a subscription's time: what it serves then, as if nothing of it were billed yet."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from functions.domain.period import Period
from functions.domain.subscriptions.item import FOREVER, SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.service import Schedule, Service
from functions.domain.subscriptions.subscription import Subscription


def services_within(subscription: Subscription, window: Period) -> Iterator[Service]:
    """Every service of the window, cut to it, by the time it is given and not by when it is invoiced.

    A one-time fee belongs to the window in which it falls due. Windows that follow each other have every service once,
    whole if they begin and end with the subscription's periods.
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


def _billed_to(item: SubscriptionItem, on: Period, *, begins_before: bool) -> SubscriptionItem:
    billed_to = on.start if begins_before else None
    return item.model_copy(update={"billed_to": billed_to, "split": None, "left_over": Decimal(0)})


def _one_time(
    schedule: Schedule, phase: SubscriptionPhase, item: SubscriptionItem, window: Period
) -> Iterator[Service]:
    for service in schedule.unbilled(phase, item.model_copy(update={"billed_to": None})):
        if item.is_in_advance:
            is_due = service.period.start in window
        else:
            is_due = window.start < service.period.end <= window.end
        if is_due:
            yield service
