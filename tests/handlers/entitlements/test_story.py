"""Random customers, whose balances are known by another way of counting."""

import os

import pytest

from tests.conftest import DynamoDb
from tests.handlers.entitlements.shop import open_shop
from tests.handlers.entitlements.story import BalanceStory
from tests.handlers.gateway import Client

SEEDS = range(int(os.environ.get("TOLLBOOTH_BALANCE_SEEDS", "2")))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_balance_is_what_the_events_themselves_come_to(
    api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    BalanceStory(open_shop(api, dynamodb, monkeypatch), seed).play()
