"""Edit a running subscription: items and phases that differ from its plan, now or from the next billing cycle on."""

from collections.abc import Sequence
from datetime import datetime

from functions.application.catalog.check_features import card_feature_problems
from functions.application.ports.catalog import MeteredFeatures
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.application.ports.subscriptions import SubscriptionChange, Subscriptions
from functions.application.subscriptions.write_subscriptions import write_subscription
from functions.domain.catalog.rate_card import Card
from functions.domain.catalog.validation import (
    amount_problems,
    card_problems,
    longer_usage_problems,
    refuse,
    tax_problems,
)
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.period import rfc3339
from functions.domain.subscriptions.edit import edited
from functions.domain.subscriptions.operations import AddItem, Operation
from functions.domain.subscriptions.subscription import Subscription


def edit_subscription(
    tenant: str,
    subscription_id: str,
    operations: Sequence[Operation],
    timing: datetime | str,
    *,
    subscriptions: Subscriptions,
    features: MeteredFeatures,
    clock: Clock,
    new_id: NewId,
) -> Subscription:
    """All operations or none; raises NotFound, InvalidInput and Conflict, naming the operation."""
    if isinstance(timing, datetime):
        message = "An edit takes effect `immediate` or with the `next_billing_cycle`, not at an instant of its own."
        raise InvalidInput(message, code="invalid_timing", fields=[FieldError("timing", "invalid_timing", message)])
    cards = {n: each.rate_card for n, each in enumerate(operations) if isinstance(each, AddItem)}
    keys = {card.feature_key for card in cards.values() if card.feature_key}

    def decide(this: Subscription, _all: Sequence[Subscription], now: datetime) -> Sequence[SubscriptionChange]:
        known = features.metered(tenant, sorted(keys))
        for n, card in cards.items():
            _require_fit(n, card, this, card_feature_problems(tenant, [card], "", features))
        at = this.effective_time(timing, now)
        this.require_changeable(at, now)
        if this.active_to is not None and this.active_to <= at:
            raise Conflict(f"Subscription {this.id} ends at {rfc3339(this.active_to)}; nothing can change then.")
        after = edited(this, operations, at=at, now=now, features=known, new_id=new_id)
        return [SubscriptionChange(this, after)]

    (change,) = write_subscription(tenant, subscription_id, decide, subscriptions=subscriptions, clock=clock)
    assert change.after is not None
    return change.after


def _require_fit(n: int, card: Card, subscription: Subscription, unfit: Sequence[FieldError]) -> None:
    problems = [
        *card_problems([card], "", subscription.billing_cadence),
        *(longer_usage_problems([card], "", subscription.billing_cadence) if subscription.commitment else ()),
        *amount_problems([card], "", subscription.currency),
        *tax_problems([card], ""),
        *unfit,
    ]
    where = f"customizations[{n}].rateCard"
    refuse(
        [FieldError(f"{where}{each.field.removeprefix('[0]')}", each.code, each.message) for each in problems],
        code="invalid_edit",
    )
