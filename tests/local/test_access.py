"""Who may do what over HTTP: the gateway authenticates, the handlers check scopes, IAM bounds the functions."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local import emulator
from infra.local.state import LocalStack
from tests.local.tenant import EVENT, Tenant, calls

UNKNOWN_KEY = "tb_01ARZ3NDEKTSV4RRFFQ69G5FAV_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
PATHS = [("GET", "/api/v1/meters"), ("POST", "/api/v1/events"), ("GET", "/api/v1/api-keys"), ("GET", "/nowhere")]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_without_a_key_the_answer_is_401_and_says_how_to_send_one(tenant: Tenant, method: str, path: str) -> None:
    with tenant.client(None) as client:
        answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "X-Api-Key" in answer.json()["detail"]


def test_a_key_comes_in_either_header_and_in_both_only_if_it_is_the_same(tenant: Tenant) -> None:
    other = tenant.key_with("read")
    with tenant.client(None) as client:

        def status(**headers: str) -> int:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.get("/api/v1/meters", headers=sent).status_code

        assert status(X_Api_Key=tenant.key) == 200
        assert status(x_api_key=tenant.key, authorization=f"BEARER {tenant.key}") == 200
        assert status(X_Api_Key=other, Authorization=f"Bearer {tenant.key}") == 403
        assert status(X_Api_Key=UNKNOWN_KEY) == 403
        event = json.dumps(calls(1)[0]).encode()
        sent = {"X-Api-Key": tenant.key, "Content-Type": EVENT}
        assert client.post("/api/v1/events", content=event, headers=sent).status_code == 204


def test_anybody_learns_whether_it_is_well_and_nothing_else(tenant: Tenant) -> None:
    with tenant.client(None) as client:
        answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=5"
    health = answer.json()
    assert set(health) <= {"status", "version", "countedAge", "lastCountedAt", "resendsKnownSince"}
    assert health["status"] == "ok"


@pytest.mark.parametrize("key", [UNKNOWN_KEY, "nonsense", "tb_", "tb__", "Ünïcode", "x" * 5_000, UNKNOWN_KEY + "x"])
def test_a_bad_key_is_forbidden(tenant: Tenant, key: str) -> None:
    for method, path in PATHS:
        answer = tenant.http.request(method, path, headers=[(b"Authorization", f"Bearer {key}".encode())])
        assert answer.status_code == 403, f"{method} {path}"


def test_the_right_id_with_a_wrong_secret_is_forbidden(tenant: Tenant) -> None:
    wrong = tenant.key[:-4] + ("aaaa" if not tenant.key.endswith("aaaa") else "bbbb")
    with tenant.client(wrong) as client:
        assert client.get("/api/v1/meters").status_code == 403


def test_each_scope_opens_its_own_doors_only(tenant: Tenant) -> None:
    tenant.count_meter()
    event = json.dumps(calls(1)[0]).encode()
    meter = {"slug": "more", "eventType": "call", "aggregation": "COUNT"}
    allowed = {"ingest": (204, 403, 403), "read": (403, 200, 403), "admin": (204, 200, 201)}
    for scope, expected in allowed.items():
        with tenant.client(tenant.key_with(scope)) as client:
            seen = (
                client.post("/api/v1/events", content=event, headers={"Content-Type": EVENT}).status_code,
                client.get("/api/v1/meters/calls/query").status_code,
                client.post("/api/v1/meters", json=meter).status_code,
            )
        assert seen == expected, scope


def test_a_missing_scope_is_told_as_a_problem(tenant: Tenant) -> None:
    with tenant.client(tenant.key_with("ingest")) as client:
        answer = client.get("/api/v1/meters")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "read" in answer.json()["detail"]


def test_only_an_operator_makes_keys_of_other_tenants(tenant: Tenant) -> None:
    body = {"name": "intruder", "scopes": ["admin"], "tenant": "somebody-else"}
    assert tenant.http.post("/api/v1/api-keys", json=body).status_code == 403
    assert tenant.http.post("/api/v1/api-keys", json={"name": "more", "scopes": ["operator"]}).status_code == 403


def test_a_key_is_revoked_once(tenant: Tenant) -> None:
    made = tenant.made("/api/v1/api-keys", {"name": "short-lived", "scopes": ["read"]})
    assert tenant.http.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
    assert tenant.http.delete(f"/api/v1/api-keys/{made['id']}").status_code == 404


def test_a_token_is_shown_once_and_never_listed(tenant: Tenant) -> None:
    made = tenant.made("/api/v1/api-keys", {"name": "once", "scopes": ["read"]})
    secret = made["token"].rpartition("_")[2]
    listed = tenant.http.get("/api/v1/api-keys").text
    assert made["id"] in listed
    assert secret not in listed


def test_a_function_without_its_grant_is_refused_by_iam(tenant: Tenant) -> None:
    event = json.dumps(calls(1)[0]).encode()

    def status() -> int:
        return tenant.http.post("/api/v1/events", content=event, headers={"Content-Type": EVENT}).status_code

    assert status() == 204
    with without_grant(tenant.stack, "HttpIngestFunctionName", "kinesis:PutRecords"):
        assert status() >= 500
    time.sleep(0.5)
    assert status() == 204


@contextmanager
def without_grant(stack: LocalStack, output: str, action: str) -> Iterator[None]:
    """Take one action out of a deployed function's role, and put it back."""
    port = stack.ports[emulator.NAME]
    iam = emulator.client("iam", port)
    function = emulator.client("lambda", port).get_function_configuration(FunctionName=stack.outputs[output])
    role = function["Role"].rpartition("/")[2]
    changed: list[tuple[str, str]] = []
    try:
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            before = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            after = {**before, "Statement": [_without(each, action) for each in before["Statement"]]}
            if after != before:
                changed.append((name, json.dumps(before)))
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(after))
        assert changed, f"{role} has no grant of {action}"
        yield
    finally:
        for name, document in changed:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)


def _without(statement: dict[str, Any], action: str) -> dict[str, Any]:
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    left = [each for each in actions if each != action]
    return statement if left == actions else {**statement, "Action": left or ["none:Nothing"]}
