"""A subscription as the API shows it: how it is at an instant, and every item's timeline."""

import json
from datetime import datetime
from typing import Any

from functions.domain.catalog.rate_card import card_to_wire
from functions.domain.period import Period
from functions.domain.subscriptions.claim import Claim
from functions.domain.subscriptions.item import FOREVER, MeteredFeature, SubscriptionItem, SubscriptionPhase
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown


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
        "plan": _dumped(subscription.plan) if subscription.plan else None,
        "currency": subscription.currency,
        "costBasisMode": "dynamic",
        "costBasisPins": [],
        "billingCadence": subscription.billing_cadence,
        "proRatingConfig": _dumped(subscription.pro_rating_config),
        "billingAnchor": subscription.normalized_anchor,
        "timeZone": subscription.time_zone,
        "settlementMode": subscription.settlement_mode,
        # Beyond OpenMeter.
        "commitment": _dumped(subscription.commitment) if subscription.commitment else None,
    }
    return without_none(wire)


def expanded(subscription: Subscription, at: datetime) -> dict[str, Any]:
    """With phases, items, and the billing period that contains `at`."""
    is_on = subscription.status(at) in (SubscriptionStatus.ACTIVE, SubscriptionStatus.CANCELED)
    alignment = dict(_dumped(subscription.alignment)) if subscription.alignment else {}
    if is_on:
        alignment["currentAlignedBillingPeriod"] = period(subscription.billing_period_at(at))
    phases = [_phase(subscription, each, at) for each in subscription.phases]
    claims = [claim_shown(subscription, each) for each in subscription.claims]
    return shown(subscription, at) | {"alignment": alignment, "phases": phases} | ({"claims": claims} if claims else {})


def claim_shown(subscription: Subscription, claim: Claim) -> dict[str, Any]:
    """Beyond OpenMeter: time paid in advance and not served, on an invoice that nobody has paid yet."""
    keys = {item.id: item.key for phase in subscription.phases for item in phase.items}
    wire = {
        "status": "waiting" if claim.is_open else "gone",
        "reason": claim.reason,
        "itemId": claim.item_id,
        "itemKey": keys[claim.item_id],
        "invoiceId": claim.invoice_id,
        "lineId": claim.line_id,
        "period": period(claim.period),
        "amount": money_shown(claim.amount_minor, subscription.currency),
        "nextLookAt": claim.look_at,
    }
    return without_none(wire)


def period(of: Period) -> dict[str, Any]:
    return {"from": of.start, "to": of.end}


def _phase(subscription: Subscription, phase: SubscriptionPhase, at: datetime) -> dict[str, Any]:
    timelines: dict[str, list[dict[str, Any]]] = {}
    items = []
    for key in dict.fromkeys(item.key for item in phase.items):
        versions = [item for item in phase.items if item.key == key]
        timelines[key] = [_item(subscription, phase, each) for each in versions]
        items += [timelines[key][n] for n in _chosen(subscription, phase, versions, at)]
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
        "itemTimelines": timelines,
    }
    return without_none(wire)


def _chosen(
    subscription: Subscription, phase: SubscriptionPhase, versions: list[SubscriptionItem], at: datetime
) -> list[int]:
    """Of a phase that is on the item that is on, of a past one the last of each key, of a coming one the first."""
    if at < phase.starts_at:
        return [0]
    end = _end(subscription, phase)
    if end is not None and end <= at:
        return [len(versions) - 1]
    return [n for n, each in enumerate(versions) if at in subscription.schedule.on(phase, each)]


def _item(subscription: Subscription, phase: SubscriptionPhase, item: SubscriptionItem) -> dict[str, Any]:
    card = card_to_wire(item.card)
    on = subscription.schedule.on(phase, item)
    wire = {
        "id": item.id,
        "key": item.key,
        "name": item.card.name,
        "description": item.card.description,
        "metadata": item.card.metadata,
        "createdAt": item.created_at or subscription.created_at,
        "updatedAt": subscription.updated_at,
        "activeFrom": on.start,
        "activeTo": None if on.end == FOREVER else on.end,
        "currency": subscription.currency if item.card.price is not None else None,
        "featureKey": item.card.feature_key,
        "discounts": card.get("discounts"),
        "taxConfig": card.get("taxConfig"),
        "included": _included(subscription, item.feature) if item.feature else None,
    }
    # Required by the API though they may be null: a one-time fee, a free feature.
    return without_none(wire) | {"billingCadence": card["billingCadence"], "price": card["price"]}


def _included(subscription: Subscription, feature: MeteredFeature) -> dict[str, Any]:
    shown = {
        "id": feature.id,
        "key": feature.key,
        "name": feature.name,
        "meterSlug": feature.meter_slug,
        "createdAt": subscription.created_at,
        "updatedAt": subscription.created_at,
    }
    return {"feature": without_none(shown)}


def _end(subscription: Subscription, phase: SubscriptionPhase) -> datetime | None:
    ends = [end for end in (phase.ends_at, subscription.active_to) if end is not None]
    return max(min(ends), phase.starts_at) if ends else None


def _dumped(model: Any) -> Any:
    return json.loads(model.model_dump_json(by_alias=True))
