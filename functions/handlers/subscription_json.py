"""A subscription as the API shows it."""

import json
from datetime import datetime
from typing import Any

from functions.domain.period import Period
from functions.domain.subscriptions.subscription import (
    Subscription,
    SubscriptionItem,
    SubscriptionPhase,
    SubscriptionStatus,
)
from functions.handlers.http import without_none


def shown(subscription: Subscription, now: datetime) -> dict[str, Any]:
    wire = {
        "id": subscription.id,
        "name": subscription.name,
        "description": subscription.description,
        "metadata": subscription.metadata,
        "createdAt": subscription.created_at,
        "updatedAt": subscription.updated_at,
        "activeFrom": subscription.active_from,
        "activeTo": subscription.active_to,
        "alignment": _dumped(subscription.alignment) if subscription.alignment else None,
        "status": subscription.status(now).value,
        "customerId": subscription.customer_id,
        "plan": _dumped(subscription.plan),
        "currency": subscription.currency,
        "costBasisMode": "dynamic",
        "costBasisPins": [],
        "billingCadence": subscription.billing_cadence,
        "proRatingConfig": _dumped(subscription.pro_rating_config),
        "billingAnchor": subscription.normalized_anchor,
        "settlementMode": subscription.settlement_mode,
    }
    return without_none(wire)


def expanded(subscription: Subscription, now: datetime) -> dict[str, Any]:
    """With phases, items, and the billing period that contains `now`."""
    is_on = subscription.status(now) in (SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED)
    alignment = dict(_dumped(subscription.alignment)) if subscription.alignment else {}
    if is_on:
        alignment["currentAlignedBillingPeriod"] = period(subscription.billing_period_at(now))
    phases = [_phase(subscription, each) for each in subscription.phases]
    return shown(subscription, now) | {"alignment": alignment, "phases": phases}


def period(of: Period) -> dict[str, Any]:
    return {"from": of.start, "to": of.end}


def _phase(subscription: Subscription, phase: SubscriptionPhase) -> dict[str, Any]:
    items = [_item(subscription, phase, each) for each in phase.items]
    wire = {
        "id": phase.id,
        "key": phase.key,
        "name": phase.name,
        "description": phase.description,
        "metadata": phase.metadata,
        "createdAt": subscription.created_at,
        "updatedAt": subscription.updated_at,
        "activeFrom": phase.starts_at,
        "activeTo": _end(subscription, phase),
        "items": items,
        "itemTimelines": {item["key"]: [item] for item in items},
    }
    return without_none(wire)


def _item(subscription: Subscription, phase: SubscriptionPhase, item: SubscriptionItem) -> dict[str, Any]:
    card = _dumped(item.card)
    wire = {
        "id": item.id,
        "key": item.key,
        "name": item.card.name,
        "description": item.card.description,
        "metadata": item.card.metadata,
        "createdAt": subscription.created_at,
        "updatedAt": subscription.updated_at,
        "activeFrom": phase.starts_at,
        "activeTo": _end(subscription, phase),
        "currency": subscription.currency if item.card.price is not None else None,
        "featureKey": item.card.feature_key,
    }
    # Required by the API though they may be null: a one-time fee, a free feature.
    return without_none(wire) | {"billingCadence": card["billingCadence"], "price": card["price"]}


def _end(subscription: Subscription, phase: SubscriptionPhase) -> datetime | None:
    ends = [end for end in (phase.ends_at, subscription.active_to) if end is not None]
    return max(min(ends), phase.starts_at) if ends else None


def _dumped(model: Any) -> Any:
    return json.loads(model.model_dump_json(by_alias=True))
