from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.handlers import http_api
from tests.application.billing.world import World
from tests.handlers.gateway import Client
from tests.wired import ADDRESSES


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
