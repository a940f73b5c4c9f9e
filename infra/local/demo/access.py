"""A customer uses up 1,000 tokens, is topped up and goes on to a larger plan, which keeps what was used.

Each step is done once and found again.
"""

import time
from datetime import UTC, datetime
from typing import Any

from infra.local.console import fact, step
from infra.local.demo.catalogue import METER, found_or
from infra.local.demo.usage import EVENT_TYPE, SOURCE
from infra.local.patience import wait_while_it_moves

FEATURE = "assistant"
CUSTOMER = "initech"
ALLOWED = {"assistant_small": 1_000, "assistant_large": 5_000}
SMALL, LARGE = ALLOWED
TOP_UP = 200
CALLS, TOKENS = 8, 125


def tell(client: Any) -> dict[str, Any]:
    """Answers what is left at the end."""
    with step(f"Selling {ALLOWED[SMALL]:,} tokens a month") as current:
        feature(client)
        for key, allowed in ALLOWED.items():
            plan(client, key, allowed)
        customer(client)
        subscription = subscribed(client)
        current.says(f"{CUSTOMER} may use {value(client).balance:,.0f}, in the answer behind the subscription")
    with step("Using them up") as current:
        events = list(usage())
        began = time.monotonic()
        client.events.ingest_events(events)
        told = wait_while_it_moves(lambda: value(client), used_up, "the last token to be used")
        current.says(
            f"hasAccess is {str(told.has_access).lower()}, {time.monotonic() - began:.1f} s after the last event"
        )
    with step(f"Topping up {TOP_UP} tokens") as current:
        topped_up(client)
        told = value(client)
        current.says(f"hasAccess is {str(told.has_access).lower()}, {told.balance:,.0f} are left")
    with step("Upgrading, and keeping what was used") as current:
        upgraded(client, subscription)
        told = value(client)
        current.says(f"{told.balance:,.0f} are left of {ALLOWED[LARGE] + TOP_UP:,}: {told.usage:,.0f} were used")
    fact(f"curl .../api/v1/customers/{CUSTOMER}/entitlements/{FEATURE}/value")
    return {"access_customer": CUSTOMER, "access_feature": FEATURE, "access_left": f"{told.balance:.0f}"}


def used_up(told: Any) -> bool:
    """Or told before: then it was topped up since."""
    return not told.has_access or told.usage >= CALLS * TOKENS


def value(client: Any) -> Any:
    return client.customer_entitlement.get_customer_entitlement_value(CUSTOMER, FEATURE)


def usage() -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0",
            "id": f"assistant-{call}",
            "source": SOURCE,
            "type": EVENT_TYPE,
            "subject": CUSTOMER,
            "data": {"tokens": TOKENS, "model": "small", "direction": "output"},
        }
        for call in range(CALLS)
    ]


def feature(client: Any) -> Any:
    body = {"key": FEATURE, "name": "Assistant", "meterSlug": METER}
    return found_or(lambda: client.features.get(FEATURE), lambda: client.features.create(body))


def plan(client: Any, key: str, allowed: int) -> None:
    if any(each.status == "active" for each in client.plans.list(key=[key])):
        return
    card = {
        "type": "usage_based",
        "key": FEATURE,
        "name": "Assistant",
        "featureKey": FEATURE,
        "billingCadence": "P1M",
        "price": None,
        "entitlementTemplate": {"type": "metered", "issueAfterReset": allowed},
    }
    phase = {"key": "default", "name": "Default", "duration": None, "rateCards": [card]}
    body = {"key": key, "name": f"{allowed:,} tokens", "currency": "USD", "billingCadence": "P1M", "phases": [phase]}
    client.plans.publish(client.plans.create(body).id)


def customer(client: Any) -> Any:
    body = {"key": CUSTOMER, "name": "Initech", "usageAttribution": {"subjectKeys": [CUSTOMER]}}
    return found_or(lambda: client.customers.get(CUSTOMER), lambda: client.customers.create(body))


def subscribed(client: Any) -> Any:
    there = client.customers.list_customer_subscriptions(CUSTOMER).items_property
    return there[0] if there else client.subscriptions.create({"plan": {"key": SMALL}, "customerKey": CUSTOMER})


def topped_up(client: Any) -> None:
    grants = client.customer_entitlement_v2.get_grants(CUSTOMER, FEATURE).items_property
    if not any(each.amount == TOP_UP for each in grants):
        body = {"amount": TOP_UP, "effectiveAt": datetime.now(UTC).isoformat(), "priority": 2}
        client.customer_entitlement_v2.create_customer_entitlement_grant(CUSTOMER, FEATURE, body)


def upgraded(client: Any, subscription: Any) -> None:
    if not any(
        each.plan.key == LARGE for each in client.customers.list_customer_subscriptions(CUSTOMER).items_property
    ):
        client.subscriptions.change(subscription.id, {"plan": {"key": LARGE}, "timing": "immediate"})
