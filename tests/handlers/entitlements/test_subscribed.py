"""Entitlements that a subscription gives: made with it, kept in step with it, and gone with it."""

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import DynamoDb
from tests.domain.builders import draft, flat, phase, unit
from tests.handlers.entitlements.shop import METERED, Shop, open_shop
from tests.handlers.gateway import Client

SUBSCRIPTIONS = "/api/v1/subscriptions"
SSO = flat("5", key="sso") | {"featureKey": "sso", "entitlementTemplate": {"type": "boolean"}}


def tokens(allowance: int | None = 1_000, **more: Any) -> dict[str, Any]:
    template = {"type": "metered", **({} if allowance is None else {"issueAfterReset": allowance}), **more}
    return unit("0.1") | {"entitlementTemplate": template}


class Seller(Shop):
    def sell(self, *phases: dict[str, Any], key: str = "pro") -> dict[str, Any]:
        made = self.api.post("/api/v1/plans", draft(*phases, key=key))
        assert made.status == 201, made.text
        assert self.api.post(f"/api/v1/plans/{made.json['id']}/publish").status == 200
        return dict(made.json)

    def subscribe(self, key: str = "pro", **more: Any) -> str:
        made = self.api.post(SUBSCRIPTIONS, {"plan": {"key": key}, "customerKey": "acme", **more})
        assert made.status == 201, made.text
        return f"{SUBSCRIPTIONS}/{made.json['id']}"

    def change(self, of: str, to: str, timing: str = "immediate") -> str:
        made = self.api.post(f"{of}/change", {"plan": {"key": to}, "timing": timing})
        assert made.status == 200, made.text
        return f"{SUBSCRIPTIONS}/{made.json['next']['id']}"

    def left(self) -> tuple[Any, ...]:
        value = self.value()
        return value.get("balance"), value.get("usage"), value["hasAccess"]


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Seller:
    opened = open_shop(api, dynamodb, monkeypatch)
    return Seller(opened.api, opened.metering, opened.clock, opened.sent, opened.ids)


def test_a_plan_entitles_from_the_first_answer_on_until_it_ends(shop: Seller) -> None:
    shop.sell(phase(tokens(), SSO))
    of = shop.subscribe()
    assert shop.left() == (1_000, 0, True)
    assert shop.value(feature="sso") == {"hasAccess": True}
    (listed, _) = shop.api.get("/api/v2/entitlements").json["items"]
    assert listed["annotations"] == {"subscription.id": of.rpartition("/")[2], "subscription.managed": True}
    for call in (
        shop.api.delete("/api/v2/customers/acme/entitlements/tokens"),
        shop.api.put("/api/v2/customers/acme/entitlements/tokens/override", METERED),
    ):
        assert call.status == 403, call.text
    assert shop.api.post(f"{of}/cancel", {"timing": "immediate"}).status == 200
    assert shop.left() == (None, None, False)
    assert shop.value(feature="sso")["hasAccess"] is False


def test_a_cancellation_that_is_taken_back_changes_nothing(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    of = shop.subscribe()
    shop.use(10)
    assert shop.api.post(f"{of}/cancel", {"timing": "next_billing_cycle"}).status == 200
    (one,) = shop.api.get("/api/v2/customers/acme/entitlements").json["items"]
    assert one["activeTo"] == "2026-12-05T12:07:20Z"
    assert shop.api.post(f"{of}/unschedule-cancelation").status == 200
    shop.wait(days=40)
    assert shop.left() == (1_000, 0, True)


def test_usage_of_the_period_is_carried_over_to_another_plan(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    shop.sell(phase(tokens(5_000)), key="team")
    of = shop.subscribe()
    shop.use(300)
    shop.wait(days=3)
    shop.change(of, "team")
    assert shop.left() == (4_700, 300, True)
    shop.use(100)
    assert shop.left() == (4_600, 400, True)
    shop.wait(days=30)
    assert shop.left() == (5_000, 0, True)


def test_usage_of_the_period_is_carried_over_to_another_version(shop: Seller) -> None:
    first = shop.sell(phase(tokens()))
    of = shop.subscribe()
    shop.use(300)
    shop.wait(hours=1)
    following = shop.api.post(f"/api/v1/plans/{first['id']}/next")
    assert following.status == 201, following.text
    body = draft(phase(tokens(2_000)))
    update = {name: value for name, value in body.items() if name not in ("key", "currency")}
    assert shop.api.put(f"/api/v1/plans/{following.json['id']}", update).status == 200
    assert shop.api.post(f"/api/v1/plans/{following.json['id']}/publish").status == 200
    assert shop.api.post(f"{of}/migrate", {"timing": "immediate"}).status == 200
    assert shop.left() == (1_700, 300, True)


def test_a_change_that_is_scheduled_carries_what_will_be_used_until_then(shop: Seller) -> None:
    shop.sell(phase(tokens(usagePeriod="P1Y")))
    shop.sell(phase(tokens(5_000, usagePeriod="P1Y")), key="team")
    of = shop.subscribe()
    shop.change(of, "team", "next_billing_cycle")
    shop.use(300)
    assert shop.left() == (700, 300, True)
    shop.wait(days=31)
    shop.use(50)
    assert shop.left() == (4_650, 350, True)


def test_a_scheduled_change_that_is_taken_back_leaves_no_entitlement(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    shop.sell(phase(tokens(5_000)), key="team")
    of = shop.subscribe()
    shop.change(of, "team", "next_billing_cycle")
    assert shop.api.get("/api/v2/entitlements").json["totalCount"] == 2
    assert shop.api.post(f"{of}/restore").status == 200
    assert shop.api.get("/api/v2/entitlements").json["totalCount"] == 1
    assert shop.api.get("/api/v2/grants").json["totalCount"] == 1
    shop.wait(days=40)
    assert shop.left() == (1_000, 0, True)


def test_a_top_up_counts_beside_what_the_plan_issues_and_moves_to_the_next_plan(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    shop.sell(phase(tokens(5_000)), key="team")
    of = shop.subscribe()
    shop.use(1_100)
    assert shop.left() == (0, 1_100, False)
    grant = shop.grant(200)
    assert shop.left() == (100, 1_100, True)
    shop.wait(days=1)
    shop.change(of, "team")
    assert shop.left() == (4_100, 1_100, True)
    listed = shop.api.get("/api/v2/customers/acme/entitlements/tokens/grants").json["items"]
    assert grant["id"] in [each["id"] for each in listed]
    assert shop.api.delete(f"/api/v1/grants/{grant['id']}").status == 204
    assert shop.left() == (4_100, 1_100, True), "what was used of it before stays used of it"


def test_an_edit_and_an_add_on_change_the_allowance_and_keep_the_usage(shop: Seller) -> None:
    plan = shop.sell(phase(tokens(), SSO))
    addon = {
        "key": "more",
        "name": "More",
        "currency": "USD",
        "instanceType": "multiple",
        "rateCards": [{**tokens(500), "price": None}],
    }
    made = shop.api.post("/api/v1/addons", addon)
    assert made.status == 201, made.text
    assert shop.api.post(f"/api/v1/addons/{made.json['id']}/publish").status == 200
    of = shop.subscribe()
    shop.use(300)
    terms = {"addonId": made.json["id"], "fromPlanPhase": "main"}
    assert shop.api.post(f"/api/v1/plans/{plan['id']}/addons", terms).status == 201
    shop.wait(hours=1)
    bought = {"name": "More", "quantity": 1, "timing": "immediate", "addon": {"id": made.json["id"]}}
    assert shop.api.post(f"{of}/addons", bought).status == 201
    assert shop.left() == (1_200, 300, True)
    shop.use(100)
    shop.wait(hours=1)
    (mine,) = shop.api.get(f"{of}/addons").json
    assert shop.api.call("PATCH", f"{of}/addons/{mine['id']}", {"quantity": 3}).status == 200
    assert shop.left() == (2_100, 400, True)
    assert shop.value(at=shop.now(minutes=-90))["balance"] == 700


def test_phases_begin_with_an_allowance_of_their_own(shop: Seller) -> None:
    shop.sell(phase(tokens(10), key="trial", duration="P7D"), phase(tokens(), key="paid"))
    shop.subscribe()
    shop.use(10)
    assert shop.left() == (0, 10, False)
    assert shop.value(at=shop.now(days=8))["balance"] == 1_000
    shop.wait(days=7, minutes=1)
    assert shop.left() == (1_000, 0, True)


def test_a_plan_does_not_entitle_to_what_the_customer_is_entitled_to_already(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    own = shop.entitle(issueAfterReset=5)
    refused = shop.api.post(SUBSCRIPTIONS, {"plan": {"key": "pro"}, "customerKey": "acme"})
    assert (refused.status, own["id"] in refused.text) == (409, True)
    assert shop.api.get(SUBSCRIPTIONS).json["items"] == []
    assert shop.api.delete("/api/v2/customers/acme/entitlements/tokens").status == 204
    shop.subscribe()
    assert shop.left()[0] == 1_000
    assert shop.api.post("/api/v2/customers/acme/entitlements", METERED).status == 409


def test_a_plan_since_earlier_entitles_from_where_another_entitlement_ended(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    shop.entitle(issueAfterReset=5)
    shop.use(3)
    shop.wait(days=2)
    assert shop.api.delete("/api/v2/customers/acme/entitlements/tokens").status == 204
    ended = shop.now()
    shop.wait(hours=1)
    shop.use(40, ago=timedelta(minutes=30))
    shop.subscribe(timing=shop.now(days=-3))
    assert shop.left() == (960, 40, True)
    assert shop.value(at=shop.now(days=-1))["balance"] == 2
    (one,) = shop.api.get("/api/v2/customers/acme/entitlements").json["items"]
    assert one["activeFrom"] == ended


def test_a_reset_of_what_a_plan_issues_begins_a_period(shop: Seller) -> None:
    shop.sell(phase(tokens()))
    shop.subscribe()
    shop.use(300)
    shop.wait(minutes=2)
    assert shop.api.post("/api/v2/customers/acme/entitlements/tokens/reset", {"retainAnchor": True}).status == 204
    assert shop.left() == (1_000, 0, True)


def test_what_ends_before_its_period_does_is_never_reset(shop: Seller) -> None:
    shop.sell(phase(tokens(10, usagePeriod="P1Y")))
    of = shop.subscribe()
    shop.use(10)
    body = {"customer": {"keys": ["acme"]}, "feature": {"keys": ["tokens"]}}
    for timing, resets_at in (("", "2027-11-05T12:07:00Z"), ("next_billing_cycle", None)):
        if timing:
            assert shop.api.post(f"{of}/cancel", {"timing": timing}).status == 200
        (found,) = shop.api.post("/api/v3/openmeter/entitlement-access/query", body).json["data"]
        reason = found["features"]["tokens"]["reason"]
        assert (reason["code"], reason["attributes"].get("resets_at")) == ("usage_limit_reached", resets_at)
