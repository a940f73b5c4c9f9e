"""What the demo sells and to whom: meter, features, plan, customer, subscription - each made once and found again."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from corehttp.exceptions import HttpResponseError

from infra.local.demo.usage import EVENT_TYPE, SUBJECTS, Month, tokens

METER = "tokens"
PLAN = "llm_pay_as_you_go"
CUSTOMER = "acme"
PLATFORM_FEE = Decimal("49.00")
PRICES = {"input": Decimal("0.0000025"), "output": Decimal("0.00001")}
CENT = Decimal("0.01")


def expected_total(month: Month) -> Decimal:
    """The fee and each direction's tokens at their price, every line rounded once to cents."""
    lines = [tokens(month, direction) * price for direction, price in PRICES.items()]
    return PLATFORM_FEE + sum((line.quantize(CENT, ROUND_HALF_UP) for line in lines), Decimal(0))


def meter(client: Any) -> Any:
    body = {
        "slug": METER,
        "name": "LLM tokens",
        "eventType": EVENT_TYPE,
        "aggregation": "SUM",
        "valueProperty": "$.tokens",
        "groupBy": {"model": "$.model", "direction": "$.direction"},
    }
    return found_or(lambda: client.meters.get(METER), lambda: client.meters.create(body))


def features(client: Any) -> list[Any]:
    return [_feature(client, direction) for direction in PRICES]


def _feature(client: Any, direction: str) -> Any:
    key = f"{direction}_tokens"
    body = {
        "key": key,
        "name": f"{direction.capitalize()} tokens",
        "meterSlug": METER,
        "meterGroupByFilters": {"direction": direction},
    }
    return found_or(lambda: client.features.get(key), lambda: client.features.create(body))


def plan(client: Any) -> Any:
    published = [each for each in client.plans.list(key=[PLAN]) if each.status == "active"]
    if published:
        return published[0]
    draft = client.plans.create(
        {
            "key": PLAN,
            "name": "LLM, pay as you go",
            "currency": "USD",
            "billingCadence": "P1M",
            "phases": [{"key": "default", "name": "Default", "duration": None, "rateCards": _rate_cards()}],
        }
    )
    return client.plans.publish(draft.id)


def _rate_cards() -> list[dict[str, Any]]:
    fee = {
        "type": "flat_fee",
        "key": "platform",
        "name": "Platform",
        "billingCadence": "P1M",
        "price": {"type": "flat", "amount": str(PLATFORM_FEE), "paymentTerm": "in_arrears"},
    }
    usage = [
        {
            "type": "usage_based",
            "key": f"{direction}_tokens",
            "name": f"{direction.capitalize()} tokens",
            "featureKey": f"{direction}_tokens",
            "billingCadence": "P1M",
            "price": {"type": "unit", "amount": f"{price:f}"},
        }
        for direction, price in PRICES.items()
    ]
    return [fee, *usage]


def customer(client: Any) -> Any:
    body = {
        "key": CUSTOMER,
        "name": "Acme Robotics",
        "primaryEmail": "billing@acme.example",
        "currency": "USD",
        "usageAttribution": {"subjectKeys": list(SUBJECTS)},
    }
    return found_or(lambda: client.customers.get(CUSTOMER), lambda: client.customers.create(body))


def subscription(client: Any, customer_id: str, month: Month) -> Any:
    there = client.customers.list_customer_subscriptions(CUSTOMER).items_property
    if there:
        return there[0]
    start = month.start.strftime("%Y-%m-%dT%H:%M:%SZ")
    return client.subscriptions.create({"plan": {"key": PLAN}, "customerId": customer_id, "timing": start})


def found_or(find: Callable[[], Any], create: Callable[[], Any]) -> Any:
    """What is there already, or else a new one."""
    try:
        return find()
    except HttpResponseError as error:
        if error.status_code != 404:
            raise
        return create()
