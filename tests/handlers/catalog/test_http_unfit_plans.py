"""Plans that could not be billed are refused with the path of the field and what would be right, on real meters."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from functions.handlers import http_api
from tests.conftest import fresh_tables
from tests.domain.builders import draft, flat, phase, unit
from tests.handlers.conftest import forget_clients
from tests.handlers.gateway import Client, Response

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CARD = "phases[0].rateCards[0]"
PRICE = f"{CARD}.price"


@pytest.fixture(scope="module")
def shop(dynamodb_endpoint: str, dynamodb_client: "DynamoDBClient") -> Iterator[Client]:
    """Tokens are summed by model, requests counted by model, seats the highest, and support has no meter.

    One for all tests here, whose plans have keys of their own.
    """
    with pytest.MonkeyPatch.context() as patch, fresh_tables(dynamodb_endpoint, dynamodb_client, patch):
        forget_clients()
        yield stocked(Client(http_api.handler))
        forget_clients()


def stocked(api: Client) -> Client:
    meters: list[dict[str, Any]] = [
        {"slug": "tokens", "aggregation": "SUM", "valueProperty": "$.n", "groupBy": {"model": "$.model"}},
        {"slug": "requests", "aggregation": "COUNT", "groupBy": {"model": "$.model"}},
        {"slug": "seats", "aggregation": "MAX", "valueProperty": "$.n", "groupBy": {"model": "$.model"}},
        {"slug": "users", "aggregation": "UNIQUE_COUNT", "valueProperty": "$.n"},
        {"slug": "stored", "aggregation": "TIME_WEIGHTED_SUM", "valueProperty": "$.n"},
    ]
    for meter in meters:
        made = api.post("/api/v1/meters", {"eventType": "call"} | meter)
        assert made.status in (200, 201), made.text
        made = api.post("/api/v1/features", {"key": meter["slug"], "name": "F", "meterSlug": meter["slug"]})
        assert made.status == 201, made.text
    assert api.post("/api/v1/features", {"key": "support", "name": "Support"}).status == 201
    return api


def priced(feature: str, price: dict[str, Any]) -> dict[str, Any]:
    return unit(key=feature) | {"price": price}


def matrix(*dimensions: str) -> dict[str, Any]:
    return {"type": "matrix", "dimensions": list(dimensions), "rows": [], "defaultAmount": "1"}


PERCENTAGE = {"type": "percentage", "rate": "2.9"}
PER_EVENT = PERCENTAGE | {"eventDimension": "payment", "fixedFee": "0.30"}
GRADUATED = {"type": "graduated_percentage", "tiers": [{"rate": "1"}]}
DYNAMIC = {"type": "dynamic", "multiplier": "1.2"}
HOURS = {"type": "time_of_day", "timeZone": "UTC", "bands": [], "defaultAmount": "1"}
TIERS = [
    {"upToAmount": "10", "unitPrice": {"amount": "1"}},
    {"upToAmount": "10", "unitPrice": {"amount": "1"}},
    {"unitPrice": {"amount": "1"}},
]
PRORATED = {"type": "tiered", "mode": "graduated", "prorated": True, "tiers": [TIERS[0], TIERS[2]]}
ENTITLED = flat(key="support") | {"featureKey": "support", "entitlementTemplate": {"type": "metered"}}


KEYS = (f"plan_{number}" for number in count())


def create(shop: Client, *phases: dict[str, Any], **changed: Any) -> Response:
    return shop.post("/api/v1/plans", draft(*phases, **{"key": next(KEYS), **changed}))


@pytest.mark.parametrize(
    ("card", "field", "right"),
    [
        (priced("tokens", matrix("model", "region")), f"{PRICE}.dimensions[1]", "it has model"),
        (priced("users", matrix("model")), f"{PRICE}.type", "SUM or COUNT"),
        (priced("seats", matrix("model")), f"{PRICE}.type", "SUM or COUNT"),
        (priced("seats", HOURS), f"{PRICE}.type", "SUM or COUNT"),
        (priced("tokens", PER_EVENT), f"{PRICE}.eventDimension", "no groupBy 'payment'"),
        (priced("requests", PERCENTAGE), f"{PRICE}.type", "SUM of a value"),
        (priced("requests", GRADUATED), f"{PRICE}.type", "SUM of a value"),
        (priced("users", DYNAMIC), f"{PRICE}.type", "SUM of a value"),
        (priced("tokens", {"type": "tiered", "mode": "graduated", "tiers": TIERS}), f"{PRICE}.tiers[1].upToAmount", ""),
        (priced("tokens", {"type": "tiered", "mode": "volume", "tiers": TIERS}), f"{PRICE}.tiers[1].upToAmount", ""),
        (priced("tokens", {"type": "unit", "amount": "1", "currency": "EUR"}), f"{PRICE}.currency", "leave it out"),
        (priced("tokens", PRORATED), f"{PRICE}.prorated", "a TIME_WEIGHTED_SUM, or leave prorated out"),
        (priced("seats", PRORATED | {"mode": "volume"}), f"{PRICE}.prorated", "meter 'seats' is a MAX"),
        (priced("requests", PRORATED), f"{PRICE}.prorated", "a COUNT"),
        (
            priced("stored", PRORATED) | {"discounts": {"usage": {"quantity": "5"}}},
            f"{CARD}.discounts.usage",
            "must be left out",
        ),
        (unit(key="nothing"), f"{CARD}.featureKey", "create it first"),
        (unit(key="support"), f"{CARD}.featureKey", "no meter"),
        (ENTITLED, f"{CARD}.entitlementTemplate", "static or boolean"),
    ],
)
def test_a_card_that_could_not_be_billed_is_refused(shop: Client, card: dict[str, Any], field: str, right: str) -> None:
    answer = create(shop, phase(card))

    assert answer.status == 400, answer.text
    assert field in answer.fields
    assert right in answer.json["detail"]


@pytest.mark.parametrize(
    "card",
    [
        priced("tokens", matrix("model")),
        priced("requests", matrix("model")),
        priced("requests", HOURS),
        priced("tokens", DYNAMIC),
        priced("seats", PERCENTAGE),
        priced("stored", PRORATED),
        priced("stored", PRORATED | {"mode": "volume"}),
        priced("tokens", PRORATED | {"prorated": False}),
        priced("tokens", PERCENTAGE | {"eventDimension": "model", "fixedFee": "0.30"}),
    ],
)
def test_a_card_whose_meter_gives_what_the_price_needs_is_published(shop: Client, card: dict[str, Any]) -> None:
    made = create(shop, phase(card))

    assert made.status == 201, made.text
    assert shop.post(f"/api/v1/plans/{made.json['id']}/publish").status == 200


def test_only_the_last_phase_may_and_must_have_no_end(shop: Client) -> None:
    endless = create(shop, phase(flat(), key="a"), phase(flat(), key="b"))
    ending = create(shop, phase(flat(), duration="P1M"))

    assert (endless.status, endless.fields) == (400, ["phases[0].duration"])
    assert (ending.status, ending.fields) == (400, ["phases[0].duration"])
    assert create(shop, phase(flat()), currency="EURO").fields == ["currency"]


def test_a_dimension_that_has_gone_since_the_draft_is_noticed_at_publishing(api: Client) -> None:
    shop = stocked(api)
    made = create(shop, phase(priced("tokens", matrix("model"))))
    assert shop.call("PUT", "/api/v1/meters/tokens", {"groupBy": {"region": "$.region"}}).status == 200

    answer = shop.post(f"/api/v1/plans/{made.json['id']}/publish")

    assert (answer.status, answer.fields) == (400, [f"{PRICE}.dimensions[0]"])
    assert "it has region" in answer.json["detail"]


def test_add_ons_custom_plans_and_edits_are_held_to_the_same(shop: Client) -> None:
    card = priced("tokens", matrix("region"))
    addon = {"key": "more", "name": "More", "currency": "USD", "instanceType": "single", "rateCards": [card]}
    assert shop.post("/api/v1/addons", addon).fields == ["rateCards[0].price.dimensions[0]"]

    customer = shop.post("/api/v1/customers", {"name": "Acme", "key": "acme"}).json["id"]
    custom = {name: value for name, value in draft(phase(card)).items() if name != "key"}
    wanted = {"customerId": customer, "customPlan": custom}
    assert shop.post("/api/v1/subscriptions", wanted).fields == [f"{PRICE}.dimensions[0]"]

    custom["phases"] = [phase(flat())]
    made = shop.post("/api/v1/subscriptions", wanted)
    assert made.status == 201, made.text
    edit = {"customizations": [{"op": "add_item", "phaseKey": "main", "rateCard": card}]}
    answer = shop.call("PATCH", f"/api/v1/subscriptions/{made.json['id']}", edit)
    assert (answer.status, "price.dimensions[0]" in answer.fields[0]) == (400, True), answer.text


@pytest.mark.parametrize("currency", ["UGX", "IQD", "CLF", "UYW", "LYD"])
def test_a_currency_that_no_gateway_collects_is_refused_before_anybody_is_billed(shop: Client, currency: str) -> None:
    addon = {"key": "more", "name": "More", "instanceType": "single", "rateCards": [flat("5")]}
    customer = shop.post("/api/v1/customers", {"name": "Acme", "key": currency.lower()}).json["id"]
    custom = {name: value for name, value in draft(phase(flat())).items() if name != "key"} | {"currency": currency}
    for answer in (
        create(shop, phase(flat()), currency=currency),
        shop.post("/api/v1/addons", addon | {"currency": currency}),
        shop.post("/api/v1/subscriptions", {"customerId": customer, "customPlan": custom}),
    ):
        assert (answer.status, answer.fields) == (400, ["currency"]), answer.text
        assert f"no gateway collects {currency}" in answer.json["detail"]


@pytest.mark.parametrize("currency", ["KWD", "BHD", "OMR", "TND", "JOD", "MGA", "ISK", "JPY"])
def test_a_currency_of_other_digits_than_iso_says_is_sold_in(shop: Client, currency: str) -> None:
    assert create(shop, phase(flat("1.235")), currency=currency).status == 201
