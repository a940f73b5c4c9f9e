"""The genuine Python SDK against the real handlers on DynamoDB Local."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openmeter
import pytest
from corehttp.exceptions import HttpResponseError

from functions.handlers import http_api
from tests.compat.gateway_server import gateway
from tests.conftest import DynamoDb
from tests.handlers.conftest import forget_clients
from tests.handlers.gateway import Client
from tests.handlers.metering.world import Metering


@dataclass(frozen=True)
class Compat:
    """`sdk` speaks HTTP through the genuine package; `api` shows the same answers as they travel."""

    sdk: Any
    api: Client
    metering: Metering
    endpoint: str


def refusal(error: HttpResponseError) -> Any:
    """The problem in the answer that the package made an exception of."""
    assert error.response is not None
    return json.loads(error.response.text())


@pytest.fixture
def compat(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compat]:
    forget_clients()
    metering = Metering(dynamodb, monkeypatch)
    api = Client(http_api.handler)
    token = api.post("/api/v1/api-keys", {"name": "sdk", "scopes": ["admin"]}).json["token"]
    with gateway() as endpoint, openmeter.Client(endpoint=endpoint, token=token) as sdk:
        yield Compat(sdk, api, metering, endpoint)
    forget_clients()
