"""The backfill of entitlements stops anywhere, and meets others; nobody is left out and nothing is made twice."""

from collections.abc import Callable
from typing import Any

import pytest

from functions.adapters.dynamo.subscriptions import entitlement_backfill_store
from functions.adapters.dynamo.subscriptions.entitlement_backfill_store import DynamoEntitlementBackfills
from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
from functions.adapters.dynamo.table import Table
from tests.conftest import DynamoDb
from tests.domain.builders import flat, phase
from tests.handlers.entitlements.test_subscribed import SUBSCRIPTIONS, Seller
from tests.handlers.gateway import Client
from tests.handlers.subscriptions.entitling import (
    ALL,
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


@pytest.fixture
def many(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> Seller:
    """Seven customers, of whom two are looked at in one turn, and the first has two subscriptions."""
    monkeypatch.setattr(entitlement_backfill_store, "POINTERS_AT_ONCE", 2)
    monkeypatch.setattr(entitlement_backfill_store, "POINTERS_OF_A_COUNT", 2)
    shop.sell(phase(flat("1", key="extra")), key="extra")
    with older_version():
        for key in ("c1", "c2", "c3", "c4", "c5"):
            assert shop.api.post("/api/v1/customers", {"name": key, "key": key}).status == 201
            shop.subscribe(customerKey=key)
    return shop


def test_it_goes_on_where_it_stopped(many: Seller) -> None:
    deploy(many)
    seen = []
    for _ in range(20):
        many.wait(minutes=15)
        answer = tick(looks=2)
        seen.append(answer["entitled"])
        status = progress(many.api)["status"]
        if status == "done":
            break
    assert numbers(many.api) == ("done", 7, 7, 14, 0)
    assert len(seen) > 2
    assert sum(seen) == 14
    assert len(entitlements_of(many.api)) == 14


def test_its_total_is_known_while_it_runs(many: Seller) -> None:
    deploy(many)
    tick(looks=4)
    status, total, done, _, _ = numbers(many.api)
    assert (status, total) == ("running", 7)
    assert 0 < done < 7


class Killed(BaseException):
    """The function is gone; nobody catches that."""


def test_a_process_that_is_killed_leaves_nobody_out_and_nothing_twice(
    many: Seller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every write in turn, before it and behind it."""
    deploy(many)
    real = Table.transact
    for survived in range(30):
        left = [survived // 2]

        def write(*args: Any, left: list[int] = left, after: bool = survived % 2 == 1, **named: Any) -> None:
            left[0] -= 1
            if left[0] < 0 and not after:
                raise Killed
            real(*args, **named)
            if left[0] < 0:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Table, "transact", write)
            try:
                tick()
            except Killed:
                continue
            break
    else:
        pytest.fail("it never ended")
    assert len(entitlements_of(many.api)) == len(set(entitlements_of(many.api))) == 14
    assert numbers(many.api)[:3] == ("done", 7, 7)
    assert many.api.get("/api/v2/grants").json["totalCount"] == 7


def before_the_first_save(patch: pytest.MonkeyPatch, act: Callable[[], Any]) -> list[int]:
    """Somebody else is a little faster; returns what counts the tries."""
    tries: list[int] = []
    real = DynamoSubscriptions.save

    def save(*args: Any, **named: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            act()
        real(*args, **named)

    patch.setattr(DynamoSubscriptions, "save", save)
    return tries


def test_a_cancellation_that_comes_between_ends_what_is_made(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(shop)
    of = f"{SUBSCRIPTIONS}/{shop.api.get(SUBSCRIPTIONS, {'customerId': shop.ids['acme']}).json['items'][0]['id']}"
    tries = before_the_first_save(monkeypatch, lambda: shop.api.post(f"{of}/cancel", {"timing": "next_billing_cycle"}))
    assert tick()["failed"] == 0
    assert len(tries) > 2, "decided again"
    (_, acme) = shop.api.get("/api/v2/customers/acme/entitlements").json["items"]
    assert acme["activeTo"] == "2026-12-05T12:07:20Z"


def test_a_cancellation_that_is_overtaken_ends_what_was_made(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(shop)
    of = f"{SUBSCRIPTIONS}/{shop.api.get(SUBSCRIPTIONS, {'customerId': shop.ids['acme']}).json['items'][0]['id']}"
    before_the_first_save(monkeypatch, tick)
    assert shop.api.post(f"{of}/cancel", {"timing": "immediate"}).status == 200
    every = shop.api.get("/api/v2/entitlements").json["items"]
    ends = [each.get("activeTo") for each in every if each["customerKey"] == "acme"]
    assert ends == [shop.now(), shop.now()]
    assert shop.left() == (None, None, False)


def test_two_calls_at_the_same_moment_count_each_customer_once(shop: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(shop)
    real = DynamoEntitlementBackfills.save
    others: list[Any] = []

    def save(*args: Any, **named: Any) -> Any:
        if not others and len(args) > 4:
            others.append(None)
            others[0] = tick()
        return real(*args, **named)

    monkeypatch.setattr(DynamoEntitlementBackfills, "save", save)
    answer = tick()
    assert answer["customers"] + others[0]["customers"] == 2
    assert numbers(shop.api)[:3] == ("done", 2, 2)
    assert entitlements_of(shop.api) == ALL
