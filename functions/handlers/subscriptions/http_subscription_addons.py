"""Routes of the add-ons of a subscription: buy, look, change how many there are."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from functions.application.subscriptions.buy_addon import AddonChange, Bought, Purchase
from functions.domain.catalog.plan_addon import MAX_QUANTITY
from functions.domain.catalog.rate_card import card_to_wire
from functions.domain.subscriptions.addons import SubscriptionAddon
from functions.domain.subscriptions.item import FOREVER
from functions.domain.subscriptions.subscription import Subscription
from functions.domain.wire import Description, Metadata, Name, WireModel
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request, without_none
from functions.handlers.edge.in_path import SubscriptionId
from functions.handlers.edge.routes import Routes
from functions.handlers.subscriptions.subscription_body import Timing
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

SubscriptionAddonId = Annotated[str, "The `id` in the list of the subscription's add-ons."]

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


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/addons",
    "Buy an add-on",
    scope=SCOPE_ADMIN,
    answers="SubscriptionAddon",
    status=201,
)
def create(request: Request, subscription_id: SubscriptionId, body: SubscriptionAddonCreate) -> Answer:
    purchase = Purchase(body.addon.id, body.name, body.quantity, body.timing, body.description, body.metadata)
    return http.created(_shown(subscriptions.subscription_addons().buy(request.tenant, subscription_id, purchase)))


@routes.get(
    "/api/v1/subscriptions/<subscription_id>/addons",
    "List a subscription's add-ons",
    scope=SCOPE_READ,
    answers="Each[SubscriptionAddon]",
)
def list_all(request: Request, subscription_id: SubscriptionId) -> Answer:
    found = subscriptions.subscription_addons().of(request.tenant, subscription_id)
    return http.ok([_shown(each) for each in found])


@routes.get(
    "/api/v1/subscriptions/<subscription_id>/addons/<addon_id>",
    "Get a subscription's add-on",
    scope=SCOPE_READ,
    answers="SubscriptionAddon",
)
def get(request: Request, subscription_id: SubscriptionId, addon_id: SubscriptionAddonId) -> Answer:
    subscription, addon = subscription_id, addon_id
    return http.ok(_shown(subscriptions.subscription_addons().get(request.tenant, subscription, addon)))


@routes.patch(
    "/api/v1/subscriptions/<subscription_id>/addons/<addon_id>",
    "Change a subscription's add-on",
    scope=SCOPE_ADMIN,
    answers="SubscriptionAddon",
)
def update(
    request: Request, subscription_id: SubscriptionId, addon_id: SubscriptionAddonId, body: SubscriptionAddonUpdate
) -> Answer:
    change = AddonChange(body.name, body.description, body.metadata, body.quantity, body.timing)
    subscription, addon = subscription_id, addon_id
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
