"""Subscriptions of a version that knew no entitlements get theirs by the schedule, each once; over HTTP it is shown."""

from datetime import timedelta
from typing import Any

import pytest

from functions.adapters.dynamo import billing_keys
from functions.adapters.dynamo.subscriptions import subscription_store
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.application.subscriptions import backfill_entitlements, entitle_subscriptions
from functions.domain.subscriptions import entitlement_backfill
from functions.handlers.edge.step import InternalError
from functions.handlers.wiring import base
from functions.names import SORT_KEY
from tests.conftest import DynamoDb
from tests.domain.builders import draft, flat, phase
from tests.handlers.entitlements.shop import METERED
from tests.handlers.entitlements.test_subscribed import SSO, SUBSCRIPTIONS, Seller, tokens
from tests.handlers.gateway import Client
from tests.handlers.subscriptions.entitling import (
    ALL,
    NOTHING,
    PATH,
    deploy,
    entitlements_of,
    numbers,
    older_version,
    progress,
    subscribed,
    tick,
)


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Seller:
    return subscribed(api, dynamodb, monkeypatch)


def test_who_subscribed_to_more_than_fits_can_still_cancel(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.sell(phase(tokens(), SSO), key="wide")
    for key in ("old", "new"):
        assert shop.api.post("/api/v1/customers", {"name": key, "key": key}).status == 201
    body = {"plan": {"key": "wide"}, "customerKey": "old"}
    with older_version():
        made = shop.api.post(SUBSCRIPTIONS, body)
    monkeypatch.setattr(subscription_store, "MAX_TRANSACTION_WRITES", 6)
    refused = shop.api.post(SUBSCRIPTIONS, {**body, "customerKey": "new"})
    assert (refused.status, "too many" in refused.text) == (400, True)
    cancelled = shop.api.post(f"{SUBSCRIPTIONS}/{made.json['id']}/cancel", {"timing": "next_billing_cycle"})
    assert cancelled.status == 200, cancelled.text
    assert shop.api.get("/api/v2/customers/old/entitlements").json["items"] == []


def test_everybody_gets_what_they_had_subscribed_to_once(shop: Seller) -> None:
    shop.use(300)
    assert shop.left() == (None, None, False)
    assert numbers(shop.api) == ("running", None, 0, 0, 0)
    deploy(shop)
    assert shop.left() == (None, None, False)

    assert tick() == {"customers": 2, "entitled": 4, "failed": 0, "done": True}
    assert entitlements_of(shop.api) == ALL
    assert shop.left() == (700, 300, True), "since the subscription began"
    shown = progress(shop.api)
    assert shown == {
        "status": "done",
        "total": 2,
        "done": 2,
        "entitled": 4,
        "failed": 0,
        "startedAt": "2026-11-05T12:22:20Z",
        "endedAt": "2026-11-05T12:22:20Z",
        "items": [],
    }
    assert tick() == NOTHING
    assert shop.api.get("/api/v2/grants").json["totalCount"] == 2


def test_what_is_done_costs_one_read(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(shop)
    tick()
    asked: list[str] = []
    client = base.billing_table().client
    client.meta.events.register("before-call.dynamodb", lambda model, **_: asked.append(model.name))
    shop.wait(minutes=15)
    assert tick() == NOTHING
    assert asked == ["Query"]


def test_once_more_makes_nothing(shop: Seller) -> None:
    deploy(shop)
    tick()
    begun = shop.api.post(PATH)
    assert (begun.status, begun.json["status"], begun.headers["location"]) == (202, "running", PATH)
    assert shop.api.post(PATH).json == begun.json, "one that runs is left alone"
    assert tick() == {"customers": 2, "entitled": 0, "failed": 0, "done": True}
    assert numbers(shop.api) == ("done", 2, 2, 0, 0)
    assert entitlements_of(shop.api) == ALL


def test_tenants_are_found_that_have_neither_a_key_nor_something_to_bill(shop: Seller) -> None:
    """As an operator makes them, with free plans."""
    other = shop.api.acting_as("admin", "other")
    assert other.post("/api/v1/features", {"key": "sso", "name": "SSO"}).status == 201
    free = {**SSO, "price": None, "billingCadence": None}
    plan = other.post("/api/v1/plans", draft(phase(free), key="free")).json
    assert other.post(f"/api/v1/plans/{plan['id']}/publish").status == 200
    assert other.post("/api/v1/customers", {"key": "initech", "name": "Initech"}).status == 201
    with older_version():
        made = other.post(SUBSCRIPTIONS, {"plan": {"key": "free"}, "customerKey": "initech"})
        assert made.status == 201, made.text
    deploy(shop)
    assert tick()["entitled"] == 5
    assert entitlements_of(other) == [("initech", "sso")]
    assert numbers(other) == ("done", 1, 1, 1, 0)
    assert entitlements_of(shop.api) == ALL
    assert numbers(shop.api) == ("done", 2, 2, 4, 0)


def test_a_tenant_that_comes_later_is_done(shop: Seller) -> None:
    later = shop.api.acting_as("admin", "later")
    assert numbers(later) == ("running", None, 0, 0, 0), "nobody knows yet"
    deploy(shop)
    tick()
    assert numbers(later) == ("done", None, 0, 0, 0)
    assert later.post(PATH).status == 202
    assert tick() == NOTHING
    assert numbers(later) == ("done", 0, 0, 0, 0)


def test_a_customer_who_cannot_be_entitled_is_told_of_and_tried_again(shop: Seller) -> None:
    own = shop.entitle(issueAfterReset=5)
    shop.use(300)
    deploy(shop)
    assert tick() == {"customers": 2, "entitled": 2, "failed": 1, "done": True}
    shown = progress(shop.api)
    assert (shown["status"], shown["done"], shown["failed"]) == ("failed_some", 2, 1)
    (failure,) = shown["items"]
    assert (failure["customerId"], failure["code"]) == (shop.ids["acme"], "entitlement_already_exists")
    assert own["id"] in failure["reason"]
    assert progress(shop.api.acting_as("admin", "other"))["items"] == []

    assert tick() == NOTHING, "not before its hour"
    shop.wait(hours=1)
    assert tick() == {"customers": 1, "entitled": 0, "failed": 1, "done": True}
    assert numbers(shop.api) == ("failed_some", 2, 2, 2, 1)
    assert shop.api.delete("/api/v2/customers/acme/entitlements/tokens").status == 204
    shop.wait(hours=1)
    shop.use(20, ago=timedelta(minutes=30))
    assert tick() == {"customers": 1, "entitled": 2, "failed": 0, "done": True}
    assert shop.left() == (980, 20, True), "the time before was that of their own"
    assert numbers(shop.api) == ("done", 2, 2, 4, 0)
    assert progress(shop.api)["items"] == []
    shop.wait(hours=1)
    assert tick() == NOTHING


def test_who_failed_before_counts_once_when_it_begins_again(shop: Seller) -> None:
    shop.entitle()
    deploy(shop)
    tick()
    assert shop.api.post(PATH).json["failed"] == 1
    tick()
    assert numbers(shop.api) == ("failed_some", 2, 2, 0, 1)
    assert len(progress(shop.api)["items"]) == 1


def test_failures_come_by_cursor(shop: Seller) -> None:
    for customer in ("acme", "globex"):
        shop.entitle(customer)
    deploy(shop)
    tick()
    first = progress(shop.api, limit=1)
    following = progress(shop.api, limit=1, cursor=first["nextCursor"])
    found = [each["customerId"] for page in (first, following) for each in page["items"]]
    assert (found, "nextCursor" in following) == (sorted(shop.ids.values()), False)


def test_a_later_revision_looks_at_everybody_again(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(shop)
    tick()
    monkeypatch.setattr(entitlement_backfill, "REVISION", 2)
    monkeypatch.setattr(entitlement_backfill.EntitlementBackfill.model_fields["revision"], "default", 2)
    monkeypatch.setattr(entitlement_backfill.TenantSearch.model_fields["revision"], "default", 2)
    for model in (entitlement_backfill.EntitlementBackfill, entitlement_backfill.TenantSearch):
        model.model_rebuild(force=True)
    try:
        assert numbers(shop.api)[0] == "running"
        deploy(shop)
        assert tick() == {"customers": 2, "entitled": 0, "failed": 0, "done": True}
        assert numbers(shop.api) == ("done", 2, 2, 0, 0)
        assert tick() == NOTHING
    finally:
        monkeypatch.undo()
        for model in (entitlement_backfill.EntitlementBackfill, entitlement_backfill.TenantSearch):
            model.model_rebuild(force=True)


def test_a_defect_of_ours_is_told_and_stops_nobody(
    shop: Seller, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(shop)
    real, secret = entitle_subscriptions.entitle_subscriptions, "somebody" + "@example.com"

    def broken(tenant: str, customer_id: str, **ports: Any) -> int:
        if customer_id == shop.ids["acme"]:
            raise ValueError(secret)
        return real(tenant, customer_id, **ports)

    monkeypatch.setattr(backfill_entitlements, "entitle_subscriptions", broken)
    with pytest.raises(InternalError, match="1 customers"):
        tick()
    assert secret not in capsys.readouterr().out
    shown = progress(shop.api)
    assert (shown["failed"], shown["items"][0]["code"]) == (1, "InternalError")
    assert secret not in str(shown)
    assert entitlements_of(shop.api) == [("globex", "sso"), ("globex", "tokens")]


def test_several_subscriptions_take_as_many_writes_as_they_took(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Together they may be more than one transaction holds."""
    card = flat("5", key="large") | {"featureKey": "large", "entitlementTemplate": {"type": "boolean"}}
    shop.sell(phase(card), key="more")
    with older_version():
        shop.subscribe("more", customerKey="acme")
    saved: list[int] = []
    real = DynamoSubscriptions.save

    def save(*args: Any, **named: Any) -> None:
        saved.append(len(named["entitled"]))
        real(*args, **named)

    monkeypatch.setattr(DynamoSubscriptions, "save", save)
    deploy(shop)
    assert tick()["entitled"] == 5
    assert sorted(saved) == [1, 2, 2]


def test_who_may_only_read_cannot_begin_it(shop: Seller) -> None:
    reader = shop.api.acting_as("read")
    assert reader.get(PATH).status == 200
    assert reader.post(PATH).status == 403
    assert shop.api.get("/api/v1/entitlements/backfilled").status == 404
    assert shop.api.post("/api/v2/customers/acme/entitlements", METERED).status == 201


def test_nothing_stays_in_the_index_of_what_is_done(shop: Seller) -> None:
    deploy(shop)
    tick()
    left = [item[SORT_KEY] for item in base.billing_table().query(billing_keys.ENTITLEMENT_BACKFILL)]
    assert left == ["#tenants"]
