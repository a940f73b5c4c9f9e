"""Two customers who subscribed when there were no entitlements, and the schedule that entitles them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from functions.application.subscriptions import write_subscriptions
from functions.handlers.subscriptions import schedule_entitle
from tests.conftest import DynamoDb
from tests.domain.builders import phase
from tests.handlers.entitlements.shop import open_shop
from tests.handlers.entitlements.test_subscribed import SSO, Seller, tokens
from tests.handlers.gateway import Client

PATH = "/api/v1/entitlements/backfill"
NOTHING = {"customers": 0, "entitled": 0, "failed": 0, "done": True}


@contextmanager
def older_version() -> Iterator[None]:
    """One that writes subscriptions and no entitlements."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_subscriptions, "entitled_by", lambda *_: [])
        yield


@dataclass
class Time:
    """Of a function that has time for so many looks at its clock."""

    looks: int = 1_000_000

    def get_remaining_time_in_millis(self) -> int:
        self.looks -= 1
        return 600_000 if self.looks >= 0 else 0


def tick(looks: int = 1_000_000) -> dict[str, Any]:
    return schedule_entitle.handler({}, Time(looks))


def deploy(shop: Seller) -> None:
    """The first tick only notes that the version is there."""
    assert tick() == NOTHING | {"done": False}
    shop.wait(minutes=15)


def progress(client: Client, **params: Any) -> Any:
    found = client.get(PATH, params)
    assert found.status == 200, found.text
    return found.json


def numbers(client: Client) -> tuple[str, Any, int, int, int]:
    shown = progress(client)
    return shown["status"], shown.get("total"), shown["done"], shown["entitled"], shown["failed"]


def entitlements_of(client: Client) -> list[tuple[str, str]]:
    listed = client.get("/api/v2/entitlements", {"limit": 1_000}).json["items"]
    return sorted((each["customerKey"], each["featureKey"]) for each in listed)


ALL = [("acme", "sso"), ("acme", "tokens"), ("globex", "sso"), ("globex", "tokens")]


def subscribed(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Seller:
    """Both to a plan with two templates."""
    opened = open_shop(api, dynamodb, monkeypatch)
    seller = Seller(opened.api, opened.metering, opened.clock, opened.sent, opened.ids)
    seller.sell(phase(tokens(), SSO))
    with older_version():
        for key in ("acme", "globex"):
            seller.subscribe(customerKey=key)
    return seller
