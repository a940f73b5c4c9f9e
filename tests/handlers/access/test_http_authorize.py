"""The authorizer on DynamoDB Local: only the exact token of a living key opens, and it says whose it is."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.application.access import remember_keys
from functions.handlers.access import http_authorize
from functions.handlers.wiring import access, base
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client


def authorize(header: str | None = None, api_key: str | None = None) -> dict[str, Any]:
    sent = {"authorization": header, "x-api-key": api_key}
    headers = {name: value for name, value in sent.items() if value is not None}
    return http_authorize.handler({"version": "2.0", "type": "REQUEST", "headers": headers}, None)


def make_key(api: Client, **body: Any) -> dict[str, Any]:
    response = api.acting_as("admin operator").post("/api/v1/api-keys", {"name": "k", "scopes": ["read"]} | body)
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
    assert authorize(api_key=made["token"]) == authorize(f"BEARER {made['token']}")
    assert authorize(api_key=f"\t{made['token']} ")["isAuthorized"] is True


def test_without_a_key_there_is_nobody_to_name() -> None:
    for nothing in (authorize(), authorize(""), authorize(" ", "\t"), authorize(api_key="")):
        assert nothing == {"isAuthorized": True, "context": {}}


def test_two_headers_must_hold_the_same_key(api: Client) -> None:
    token, other = make_key(api)["token"], make_key(api)["token"]
    assert authorize(f"Bearer {token}", token)["isAuthorized"] is True
    assert authorize(f"Bearer {token}", "")["isAuthorized"] is True
    for header, api_key in [
        (f"Bearer {token}", other),
        (f"Bearer {other}", token),
        (f"Bearer {token}", "x"),
        (f"Basic {token}", token),
        (token, token),
        ("Bearer", token),
        (f"Bearer {token}", f"Bearer {token}"),
    ]:
        assert authorize(header, api_key) == {"isAuthorized": False}, (header, api_key)


# Python's own strip() takes them for blanks, HTTP does not.
UNICODE_BLANKS = [
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u0085",
    "\u2028",
    "\x1f",
    "\x0b",
    "\x0c",
    "\n",
    "\r",
    "\u200b",
    "\ufeff",
]


@pytest.mark.parametrize("blank", UNICODE_BLANKS, ids=ascii)
def test_only_the_exact_ascii_token_is_taken(api: Client, blank: str) -> None:
    token = make_key(api)["token"]
    for said in (f"{blank}{token}", f"{token}{blank}", f"{token[:10]}{blank}{token[10:]}"):
        assert authorize(f"Bearer {said}") == {"isAuthorized": False}
        assert authorize(api_key=said) == {"isAuthorized": False}
    assert authorize(f"Bearer{blank}{token}") == {"isAuthorized": False}
    assert authorize(f"{blank}Bearer {token}") == {"isAuthorized": False}


class Lookups:
    """How often the store is asked, and when it is."""

    def __init__(self, api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.time = 0, datetime.now(UTC)
        self._find = access.api_keys().find
        monkeypatch.setattr(access, "api_keys", lambda: self)
        monkeypatch.setattr(base, "clock", lambda: self)

    def find(self, key_id: str) -> Any:
        self.count += 1
        return self._find(key_id)

    def now(self) -> datetime:
        return self.time


def unknown(number: int) -> str:
    return f"Bearer tb_{number:026d}_{'a' * 64}"


def test_a_key_is_looked_up_once_a_minute_with_any_secrets(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_key(api)
    lookups = Lookups(api, monkeypatch)
    for _ in range(3):
        assert authorize(f"Bearer {made['token']}")["isAuthorized"] is True
        assert authorize(f"Bearer {made['token'][:-1]}x")["isAuthorized"] is False
        assert authorize(api_key=made["token"])["isAuthorized"] is True
    assert lookups.count == 1
    lookups.time += timedelta(seconds=60)
    authorize(f"Bearer {made['token']}")
    assert lookups.count == 2


def test_a_revoked_key_works_for_a_minute_at_most_where_it_was_used(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_key(api)
    with monkeypatch.context() as patch:
        lookups = Lookups(api, patch)
        assert authorize(f"Bearer {made['token']}")["isAuthorized"] is True
    assert api.delete(f"/api/v1/api-keys/{made['id']}").status == 204
    monkeypatch.setattr(base, "clock", lambda: lookups)
    lookups.time += timedelta(seconds=61)
    assert authorize(f"Bearer {made['token']}") == {"isAuthorized": False}


def test_a_key_that_expires_meanwhile_is_refused_although_it_is_remembered(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_key(api, expiresAt=(datetime.now(UTC) + timedelta(seconds=30)).isoformat())
    lookups = Lookups(api, monkeypatch)
    assert authorize(f"Bearer {made['token']}")["isAuthorized"] is True
    lookups.time += timedelta(seconds=31)
    assert authorize(f"Bearer {made['token']}") == {"isAuthorized": False}
    assert lookups.count == 1


def test_a_flood_of_made_up_keys_drives_out_no_real_one_and_fills_no_memory(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remember_keys, "MAX_UNKNOWN", 20)
    made = make_key(api)
    lookups = Lookups(api, monkeypatch)
    authorize(f"Bearer {made['token']}")
    for number in range(100):
        assert authorize(unknown(number)) == {"isAuthorized": False}
    assert lookups.count == 101
    assert authorize(f"Bearer {made['token']}")["isAuthorized"] is True
    assert authorize(unknown(99)) == {"isAuthorized": False}
    assert lookups.count == 101, "both are remembered"
    remembered = http_authorize.remembered()
    assert (len(remembered._known), len(remembered._unknown)) == (1, 20)
    lookups.time += timedelta(seconds=5)
    authorize(unknown(99))
    assert lookups.count == 102, "a key that did not exist may exist by now"


def test_the_keys_used_least_are_forgotten_first(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember_keys, "MAX_KNOWN", 2)
    first, second, third = (f"Bearer {make_key(api)['token']}" for _ in range(3))
    lookups = Lookups(api, monkeypatch)
    for header in (first, second, first, third, first):
        assert authorize(header)["isAuthorized"] is True
    assert lookups.count == 3
    authorize(second)
    assert lookups.count == 4


def test_no_token_is_remembered(api: Client) -> None:
    made = make_key(api)
    authorize(f"Bearer {made['token']}")
    assert made["token"].rpartition("_")[2] not in repr(vars(http_authorize.remembered()))


def test_anything_but_the_exact_token_is_refused(api: Client) -> None:
    token = make_key(api)["token"]
    wrong = [
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
    monkeypatch.setattr(base, "clock", Later)
    assert authorize(f"Bearer {made['token']}") == {"isAuthorized": False}


def test_the_database_never_holds_a_token_or_its_secret(api: Client, dynamodb: DynamoDb) -> None:
    secret = make_key(api)["token"].rpartition("_")[2]
    table = Table(dynamodb.client, dynamodb.billing_table)
    stored = [*table.query("api_key"), *table.query("default#api_key")]
    assert len(stored) == 2
    assert secret not in str(stored)


def test_the_authorizer_loads_none_of_the_heavy_libraries() -> None:
    heavy = ("pydantic", "aws_lambda_powertools", "stripe", "msgspec", "isodate", "httpx", "jwt")
    script = (
        "import sys\n"
        "import functions.handlers.access.http_authorize, functions.handlers.wiring.access\n"
        "import functions.adapters.dynamo.access.api_key_store, functions.adapters.clock\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
