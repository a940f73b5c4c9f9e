"""Routes of the add-ons of a subscription: buy, look, change how many there are."""

from datetime import datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field

from functions.application.subscriptions.buy_addon import AddonChange, Bought, Purchase
from functions.domain.catalog.plan_addon import MAX_QUANTITY
from functions.domain.catalog.rate_card import card_to_wire
from functions.domain.subscriptions.addons import SubscriptionAddon
from functions.domain.subscriptions.item import FOREVER
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.wire import Description, Metadata, Name, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, without_none
from functions.handlers.subscriptions.subscription_body import Timing
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

Quantity = Annotated[int, Field(ge=0, le=MAX_QUANTITY)]


class AddonId(WireModel):
    id: str


class SubscriptionAddonCreate(WireModel):
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    quantity: Quantity
    timing: Timing
    addon: AddonId


class SubscriptionAddonUpdate(WireModel):
    name: Name | None = None
    description: Description | None = None
    metadata: Metadata = None
    quantity: Quantity | None = None
    timing: Timing = "immediate"


@router.post("/api/v1/subscriptions/<subscription_id>/addons")
def create(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(SubscriptionAddonCreate)
    purchase = Purchase(body.addon.id, body.name, body.quantity, body.timing, body.description, body.metadata)
    return http.created(
        _shown(subscriptions.subscription_addons().buy(request.tenant, http.path_value(subscription_id), purchase))
    )


@router.get("/api/v1/subscriptions/<subscription_id>/addons")
def list_all(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    found = subscriptions.subscription_addons().of(request.tenant, http.path_value(subscription_id))
    return http.ok([_shown(each) for each in found])


@router.get("/api/v1/subscriptions/<subscription_id>/addons/<addon_id>")
def get(subscription_id: str, addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    subscription, addon = http.path_value(subscription_id), http.path_value(addon_id)
    return http.ok(_shown(subscriptions.subscription_addons().get(request.tenant, subscription, addon)))


@router.patch("/api/v1/subscriptions/<subscription_id>/addons/<addon_id>")
def update(subscription_id: str, addon_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(SubscriptionAddonUpdate)
    change = AddonChange(body.name, body.description, body.metadata, body.quantity, body.timing)
    subscription, addon = http.path_value(subscription_id), http.path_value(addon_id)
    return http.ok(_shown(subscriptions.subscription_addons().change(request.tenant, subscription, addon, change)))


def _shown(bought: Bought) -> dict[str, Any]:
    addon, now = bought.addon, base.clock().now()
    wire = {
        "id": addon.id,
        "name": addon.name,
        "description": addon.description,
        "metadata": addon.metadata,
        "createdAt": addon.created_at,
        "updatedAt": addon.updated_at,
        "activeFrom": addon.active_from,
        "activeTo": addon.active_to,
        "addon": {
            "id": addon.addon.id,
            "key": addon.addon.key,
            "version": addon.addon.version,
            "instanceType": addon.addon.instance_type,
        },
        "quantityAt": now,
        "quantity": addon.quantity_at(now),
        "timeline": _timeline(addon),
        "subscriptionId": bought.subscription.id,
        "rateCards": [
            {
                "rateCard": card_to_wire(card),
                "affectedSubscriptionItemIds": _affected(bought.subscription, addon, card.key),
            }
            for card in addon.cards
        ],
    }
    return without_none(wire)


def _timeline(addon: SubscriptionAddon) -> list[dict[str, Any]]:
    """Continuous segments; the end of the last one is its end, not a segment of none."""
    changes = list(addon.timeline)
    ends: list[datetime | None] = [*(each.starts_at for each in changes[1:]), None]
    return [
        without_none({"activeFrom": each.starts_at, "activeTo": end, "quantity": each.quantity})
        for each, end in zip(changes, ends, strict=True)
        if each.quantity or end is not None
    ]


def _affected(subscription: Subscription, addon: SubscriptionAddon, key: str) -> list[str]:
    """The items under the card's key that are on while the subscription has the add-on."""
    end = addon.active_to or FOREVER
    found = []
    for phase in subscription.phases:
        for item in phase.items:
            on = subscription.schedule.on(phase, item)
            if item.key == key and on.start < end and on.end > addon.active_from:
                found.append(item.id)
    return found
