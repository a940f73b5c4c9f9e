"""The HTTP API as deployed, on DynamoDB Local; only the usage behind meter queries is in memory."""

from collections.abc import Iterator

import pytest

from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.metering import http_health
from functions.handlers.wiring import base, metering
from tests.conftest import DynamoDb
from tests.grants import watching
from tests.handlers.gateway import Client

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
