"""The HTTP API as deployed, on DynamoDB Local; only the usage behind meter queries is in memory."""

from collections.abc import Iterator
from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.metering import http_health
from functions.handlers.wiring import base, metering
from tests.application.billing.world import World
from tests.conftest import DynamoDb
from tests.grants import watching
from tests.handlers.gateway import Client
from tests.wired import ADDRESSES

watching.watch()


def forget_clients() -> None:
    """What a warm function keeps, another test's database must not see."""
    base._database.cache_clear()
    base.billing_table.cache_clear()
    base.usage_table.cache_clear()
    metering.progress.cache_clear()
    http_authorize.remembered.cache_clear()
    http_health.forget()


@pytest.fixture
def api(dynamodb: DynamoDb) -> Iterator[Client]:
    forget_clients()
    yield Client(http_api.handler)
    forget_clients()


@pytest.fixture
def world(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """The composition root as deployed, but for the clock and what other rooms' tests cover."""
    table = Table(dynamodb.client, dynamodb.billing_table)
    world = World(table)
    stand_ins = {
        "billing_table": lambda: table,
        "invoice_documents": lambda: world.documents,
        "invoice_payments": lambda: world.payments,
        "clock": lambda: world.clock,
        "billed_customers": lambda: world.customers,
        "metered_features": lambda: world.features,
        "usage_meter": lambda: world.usage,
        "api_usage_meter": lambda: world.usage,
        "billing_runs": lambda: world.runs,
    }
    for name, factory in stand_ins.items():
        monkeypatch.setattr(ADDRESSES[name], name, factory)
    return world


@pytest.fixture
def client(world: World) -> Client:
    return Client(http_api.handler)
