from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.handlers.billing import http_backtest, http_billing, http_rating
from functions.handlers.catalog import http_plans
from functions.handlers.edge import http
from functions.handlers.subscriptions import http_subscriptions
from functions.handlers.wiring import base as wiring
from functions.handlers.wiring import billing as wiring_billing
from tests.application.billing.world import World
from tests.handlers.gateway import Client


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
        monkeypatch.setattr(wiring if hasattr(wiring, name) else wiring_billing, name, factory)
    return world


@pytest.fixture
def client(world: World) -> Client:
    routers = [http_plans.router, http_subscriptions.router, http_billing.router, http_rating.router]
    routers.append(http_backtest.router)
    return Client(http.resolver(routers))
