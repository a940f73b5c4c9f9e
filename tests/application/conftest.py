from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from tests.application.billing.world import World


@pytest.fixture
def world(dynamodb: Any) -> World:
    return World(Table(dynamodb.client, dynamodb.billing_table))
