"""The authorizer on DynamoDB Local: only the exact token of a living key opens, and it says whose it is."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.handlers import http_authorize, wiring
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client


def authorize(header: str | None) -> dict[str, Any]:
    headers = {} if header is None else {"authorization": header}
    return http_authorize.handler({"version": "2.0", "type": "REQUEST", "headers": headers}, None)


def make_key(api: Client, **wish: Any) -> dict[str, Any]:
    response = api.acting_as("admin operator").post("/api/v1/api-keys", {"name": "k", "scopes": ["read"]} | wish)
    assert response.status == 201, response.text
    made: dict[str, Any] = response.json
    return made


def test_a_good_token_opens_with_its_tenant_and_scopes(api: Client) -> None:
    made = make_key(api, scopes=["read", "ingest"], tenant="acme")
    assert authorize(f"Bearer {made['token']}") == {
        "isAuthorized": True,
        "context": {"tenant": "acme", "scopes": "ingest read", "key_id": made["id"]},
    }
    assert authorize(f"bearer  {made['token']} ")["isAuthorized"] is True


def test_anything_but_the_exact_token_is_refused(api: Client) -> None:
    token = make_key(api)["token"]
    wrong = [
        None,
        "",
        "Bearer",
        "Bearer ",
        token,
        f"Basic {token}",
        f"Bearer {token[:-1]}",
        f"Bearer {token}0",
        f"Bearer {token[:-1]}{'0' if token[-1] != '0' else '1'}",
        f"Bearer {token.upper()}",
        f"Bearer tb_01ARZ3NDEKTSV4RRFFQ69G5FAV_{'a' * 64}",
        "Bearer tb__",
        "Bearer Ünïcode\x00",
        "Bearer " + "x" * 100_000,
    ]
    assert [authorize(header) for header in wrong] == [{"isAuthorized": False}] * len(wrong)


def test_a_revoked_key_no_longer_opens(api: Client) -> None:
    made = make_key(api)
    assert api.delete(f"/api/v1/api-keys/{made['id']}").status == 204
    assert authorize(f"Bearer {made['token']}") == {"isAuthorized": False}


def test_a_key_opens_until_it_expires(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(hours=1)

    made = make_key(api, expiresAt=(datetime.now(UTC) + timedelta(minutes=30)).isoformat())
    assert authorize(f"Bearer {made['token']}")["isAuthorized"] is True
    monkeypatch.setattr(wiring, "clock", Later)
    assert authorize(f"Bearer {made['token']}") == {"isAuthorized": False}


def test_the_database_never_holds_a_token_or_its_secret(api: Client, dynamodb: DynamoDb) -> None:
    secret = make_key(api)["token"].rpartition("_")[2]
    table = Table(dynamodb.client, dynamodb.billing_table)
    stored = [*table.query("api_key"), *table.query("default#api_key")]
    assert len(stored) == 2
    assert secret not in str(stored)


def test_the_authorizer_loads_none_of_the_heavy_libraries() -> None:
    heavy = ("pydantic", "aws_lambda_powertools", "stripe", "msgspec", "isodate", "httpx")
    script = (
        "import sys\n"
        "from functions.handlers import http_authorize, wiring\n"
        "import functions.adapters.dynamo.api_key_store, functions.adapters.clock\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
