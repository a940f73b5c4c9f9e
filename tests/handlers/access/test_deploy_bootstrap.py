"""The deployment's bootstrap on DynamoDB Local: once for ever, and refusing what would break the ledger."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.adapters.dynamo.table import Table
from functions.adapters.memory.ledger import MemoryStream
from functions.application.ports.access import RefusesToDeploy
from functions.domain.access.api_key import ApiKey, hash_secret
from functions.domain.metering.values.lanes import Lanes
from functions.handlers.access import deploy_bootstrap, http_authorize
from functions.handlers.metering import http_ingest
from functions.handlers.wiring import access, base, metering
from functions.names import LEDGER_FORMAT
from tests.conftest import DynamoDb
from tests.handlers.conftest import forget_clients

UNSET = "Zq8sXn2k"  # what the secret holds before the first deployment: random, no token


class MemoryVault:
    def __init__(self) -> None:
        self.secret = UNSET

    def read(self) -> str:
        return self.secret

    def write(self, secret: str) -> None:
        self.secret = secret


@pytest.fixture
def vault(dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryVault]:
    forget_clients()
    vault = MemoryVault()
    monkeypatch.setattr(metering, "configured_lanes", lambda: Lanes(8, b"ledger key"))
    monkeypatch.setattr(access, "admin_vault", lambda: vault)
    yield vault
    forget_clients()


def deploy(kind: str = "Create", **more: Any) -> dict[str, Any]:
    event = {
        "RequestType": kind,
        "ResponseURL": "...",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Bootstrap",
        "ResourceProperties": {"lanes": "8"},
    }
    return deploy_bootstrap.handler(event | more, None)


def opens(token: str) -> bool:
    return bool(http_authorize.handler({"headers": {"authorization": f"Bearer {token}"}}, None)["isAuthorized"])


def test_the_first_deployment_makes_an_admin_key_that_opens(vault: MemoryVault) -> None:
    assert deploy() == {"PhysicalResourceId": "tollbooth-bootstrap"}
    answer = http_authorize.handler({"headers": {"authorization": f"Bearer {vault.secret}"}}, None)
    assert answer["context"] == {"tenant": "default", "scopes": "admin operator", "key_id": vault.secret.split("_")[1]}


def test_later_deployments_keep_key_and_genesis(vault: MemoryVault, dynamodb: DynamoDb) -> None:
    deploy()
    first = vault.secret
    genesis = Table(dynamodb.client, dynamodb.usage_table).get("genesis", "genesis")
    assert genesis is not None
    assert genesis["lanes"] == 8
    for kind in ("Update", "Create"):
        deploy(kind)
    assert vault.secret == first
    assert opens(first)
    assert Table(dynamodb.client, dynamodb.usage_table).get("genesis", "genesis") == genesis


def test_a_deployment_that_finds_everything_changes_nothing(vault: MemoryVault, dynamodb: DynamoDb) -> None:
    """It is called whenever code or settings change."""

    def stored() -> list[Any]:
        tables = (dynamodb.usage_table, dynamodb.billing_table)
        return [vault.secret, *(dynamodb.client.scan(TableName=name)["Items"] for name in tables)]

    deploy()
    first = stored()
    for _ in range(3):
        deploy("Update")
        assert stored() == first


def test_counters_of_another_format_stop_the_deployment(vault: MemoryVault, dynamodb: DynamoDb) -> None:
    deploy()
    table = Table(dynamodb.client, dynamodb.usage_table)
    genesis = table.get("genesis", "genesis")
    assert genesis is not None
    assert genesis.pop("format") == LEDGER_FORMAT
    table.put(genesis)
    with pytest.raises(RefusesToDeploy, match="format 1"):
        deploy("Update")


def test_a_deployment_that_died_after_the_secret_goes_on_with_its_token(vault: MemoryVault) -> None:
    vault.secret = f"tb_01ARZ3NDEKTSV4RRFFQ69G5FAV_{'a' * 64}"
    deploy()
    assert opens(vault.secret)
    assert vault.secret == f"tb_01ARZ3NDEKTSV4RRFFQ69G5FAV_{'a' * 64}"


def test_a_revoked_admin_key_stays_revoked(vault: MemoryVault) -> None:
    deploy()
    key = access.api_keys().find(vault.secret.split("_")[1])
    assert key is not None
    access.api_keys().revoke(key, base.clock().now())
    before = vault.secret
    deploy("Update")
    assert vault.secret == before
    assert not opens(before)


def first_key(vault: MemoryVault) -> ApiKey:
    key = access.api_keys().find(vault.secret.split("_")[1])
    assert key is not None
    return key


def of_a_time_without_operators(vault: MemoryVault) -> ApiKey:
    """As every deployment before them stored its first key."""
    key_id, secret = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a" * 64
    vault.secret = f"tb_{key_id}_{secret}"
    now = datetime(2026, 11, 23, tzinfo=UTC)
    access.api_keys().add(ApiKey(key_id, "default", "First admin key", ("admin",), hash_secret(secret), now))
    return first_key(vault)


def listed_keys() -> list[ApiKey]:
    entries = access.api_keys().listing("default").read_slice(after=None, descending=False, most=10).entries
    return [each.read() for each in entries]


def test_the_next_deployment_makes_the_first_key_the_operators(vault: MemoryVault) -> None:
    before = of_a_time_without_operators(vault)
    for _ in range(2):
        deploy("Update")
        assert first_key(vault) == replace(before, scopes=("admin", "operator"))
        assert [key.scopes for key in listed_keys()] == [("admin", "operator")]
    assert opens(vault.secret)


def test_a_revoked_first_key_does_not_become_the_operators(vault: MemoryVault) -> None:
    access.api_keys().revoke(of_a_time_without_operators(vault), base.clock().now())
    deploy("Update")
    assert first_key(vault).scopes == ("admin",)
    assert listed_keys() == []


def test_a_token_that_does_not_open_its_key_stops_the_deployment(vault: MemoryVault) -> None:
    deploy()
    vault.secret = vault.secret[:-4] + "0000"
    with pytest.raises(RefusesToDeploy, match="does not open"):
        deploy("Update")


@pytest.mark.parametrize(("lanes", "reason"), [(Lanes(16, b"ledger key"), "8 lanes"), (Lanes(8, b"other"), "key")])
def test_another_lane_count_or_key_stops_the_deployment(
    vault: MemoryVault, monkeypatch: pytest.MonkeyPatch, lanes: Lanes, reason: str
) -> None:
    deploy()
    monkeypatch.setattr(metering, "configured_lanes", lambda: lanes)
    with pytest.raises(RefusesToDeploy, match=reason):
        deploy("Update")


def sends_an_event() -> int:
    event = {"specversion": "1.0", "id": "1", "source": "s", "type": "call", "subject": "c1"}
    caller = {"authorizer": {"lambda": {"tenant": "acme", "scopes": "ingest", "key_id": "k"}}, "requestId": "r"}
    headers = {"content-type": "application/cloudevents+json"}
    request = {"headers": headers, "body": json.dumps(event), "requestContext": caller}
    return int(http_ingest.handler(request, None)["statusCode"])


def test_nothing_is_ingested_under_another_key_than_the_ledgers(
    vault: MemoryVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would give known events other names and their subjects another lane: all would count once more."""
    stream = MemoryStream()
    monkeypatch.setattr(metering, "event_stream", lambda: stream)
    deploy()
    monkeypatch.setattr(metering, "configured_lanes", lambda: Lanes(8, b"changed by hand"))
    metering.lanes.cache_clear()
    assert (sends_an_event(), stream.records) == (500, [])
    monkeypatch.setattr(metering, "configured_lanes", lambda: Lanes(8, b"ledger key"))
    assert (sends_an_event(), len(stream.records)) == (204, 1)
    metering.lanes.cache_clear()


def denied() -> ClientError:
    message = "not authorized to perform: arn:aws:secret"
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "GetSecretValue")


def test_a_role_that_is_not_yet_known_everywhere_is_waited_for(
    vault: MemoryVault, cloudformation: "Waiting", monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    url = f"http://127.0.0.1:{cloudformation.server_port}/answer"
    refusals = [denied(), denied()]

    def read() -> str:
        if refusals:
            raise refusals.pop()
        return UNSET

    monkeypatch.setattr(vault, "read", read)
    deploy(ResponseURL=url)
    assert waited == [1, 2]
    assert opens(vault.secret)
    refusals += [denied() for _ in range(20)]
    deploy("Update", ResponseURL=url)
    assert sum(waited) == 3 + 31
    succeeded, failed = cloudformation.answers
    assert succeeded["Status"] == "SUCCESS"
    assert (failed["Status"], failed["Reason"]) == (
        "FAILED",
        "ClientError (AccessDeniedException of GetSecretValue); see the function's log.",
    )


def test_deleting_the_resource_destroys_nothing(vault: MemoryVault) -> None:
    deploy()
    deploy("Delete")
    assert opens(vault.secret)


def test_nothing_secret_is_logged(vault: MemoryVault, capsys: pytest.CaptureFixture[str]) -> None:
    deploy()
    secret = vault.secret.rpartition("_")[2]
    vault.secret = vault.secret[:-4] + "0000"
    with pytest.raises(RefusesToDeploy):
        deploy("Update")
    logged = capsys.readouterr().out
    assert "does not open" in logged
    assert secret not in logged and secret[:-4] not in logged


class Waiting(HTTPServer):
    """CloudFormation's side: keeps what was put."""

    answers: list[dict[str, Any]]


@pytest.fixture
def cloudformation() -> Iterator[Waiting]:
    class Keep(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.answers.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = Waiting(("127.0.0.1", 0), Keep)
    server.answers = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_cloudformation_itself_gets_its_answer_put(
    vault: MemoryVault, cloudformation: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{cloudformation.server_port}/answer?signature=1"
    deploy(ResponseURL=url)
    monkeypatch.setattr(metering, "configured_lanes", lambda: Lanes(16, b"ledger key"))
    deploy("Update", ResponseURL=url)
    succeeded, failed = cloudformation.answers
    assert (succeeded["Status"], succeeded["PhysicalResourceId"]) == ("SUCCESS", "tollbooth-bootstrap")
    assert (succeeded["StackId"], succeeded["RequestId"], succeeded["LogicalResourceId"]) == (
        "stack",
        "request",
        "Bootstrap",
    )
    assert failed["Status"] == "FAILED"
    assert "lanes = 8" in failed["Reason"]
    assert vault.secret not in json.dumps(cloudformation.answers)
