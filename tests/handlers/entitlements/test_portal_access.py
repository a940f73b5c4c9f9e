"""What a page in a customer's browser sees of access: the token's customer alone, by the meters the token shows."""

from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.handlers.entitlements.shop import METER, Shop, open_shop
from tests.handlers.gateway import Client, Response
from tests.handlers.portal import Page, codes, make, wire_vault

ACCESS, BALANCES = "/api/v1/portal/access", "/api/v1/portal/balances"


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Shop:
    wire_vault(monkeypatch)
    return open_shop(api, dynamodb, monkeypatch)


def page(shop: Shop, **of: Any) -> Page:
    return Page(make(shop.api, **of)["token"])


def test_a_page_of_a_customer_sees_what_is_left(shop: Shop) -> None:
    shop.entitle(issueAfterReset=100)
    shop.api.post("/api/v2/customers/acme/entitlements", {"type": "boolean", "featureKey": "sso"})
    shop.entitle("globex", issueAfterReset=7)
    shop.use(30, "acme-eu")
    of_acme = page(shop, customerId="acme")
    found = of_acme.call("GET", ACCESS).json["entitlements"]
    assert (found["tokens"]["balance"], found["sso"]) == (70, {"hasAccess": True})
    (item,) = of_acme.call("GET", BALANCES).json["items"]
    assert (item["featureKey"], item["balance"], item["usage"]) == ("tokens", 70, 30)
    # The one subject of a customer is the customer.
    (item,) = page(shop, subject="globex").call("GET", BALANCES).json["items"]
    assert item["balance"] == 7


def test_a_token_of_one_of_several_subjects_or_of_nobody_sees_no_balance(shop: Shop) -> None:
    shop.entitle(issueAfterReset=100)
    refused = page(shop, subject="acme-eu").call("GET", BALANCES)
    assert (refused.status, codes(refused)) == (403, ["portal_token_of_subject"])
    assert page(shop, subject="nobody").call("GET", ACCESS).status == 404


def test_a_token_shows_what_its_meters_measure(shop: Shop) -> None:
    shop.entitle(issueAfterReset=100)
    shop.entitle(featureKey="peak", issueAfterReset=5)
    shop.api.post("/api/v2/customers/acme/entitlements", {"type": "boolean", "featureKey": "sso"})
    seen = page(shop, customerId="acme", allowedMeterSlugs=["peak"]).call("GET", ACCESS).json["entitlements"]
    assert sorted(seen) == ["peak", "sso"]


def test_no_key_and_no_other_tenant_sees_a_balance(shop: Shop) -> None:
    shop.entitle(issueAfterReset=100)
    assert shop.api.get(ACCESS).status == 401
    other = shop.api.acting_as("admin", "other")
    meter = {**METER, "slug": "tokens"}
    assert other.post("/api/v1/meters", meter).status == 201
    body = {"name": "acme", "key": "acme", "usageAttribution": {"subjectKeys": ["acme"]}}
    assert other.post("/api/v1/customers", body).status == 201
    seen: Response = Page(make(other, subject="acme")["token"]).call("GET", ACCESS)
    assert (seen.status, seen.json) == (200, {"entitlements": {}})
