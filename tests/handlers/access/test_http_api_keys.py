"""API keys over HTTP: the token once, lists without it, and nobody reaches into another tenant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.handlers.gateway import Client

BODY = {"name": "collector", "scopes": ["ingest"]}


def test_a_key_is_answered_with_its_token_once(api: Client) -> None:
    made = api.post("/api/v1/api-keys", BODY)
    assert made.status == 201
    body = made.json
    assert body["token"].startswith(f"tb_{body['id']}_")
    assert (body["name"], body["scopes"], body["tenant"]) == ("collector", ["ingest"], "default")
    listed = api.get("/api/v1/api-keys")
    token = body.pop("token")
    assert listed.json == {"items": [body], "page": 1, "pageSize": 100, "totalCount": 1}
    assert token.rpartition("_")[2] not in listed.text


def test_the_expiry_is_kept_and_must_be_ahead(api: Client) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    made = api.post("/api/v1/api-keys", BODY | {"expiresAt": ahead.isoformat()})
    assert datetime.fromisoformat(made.json["expiresAt"]) == ahead
    past = api.post("/api/v1/api-keys", BODY | {"expiresAt": "2020-01-01T00:00:00Z"})
    assert (past.status, past.fields) == (400, ["expiresAt"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"scopes": []}, "scopes"),
    ({"scopes": ["root"]}, "scopes"),
    ({"scopes": "admin"}, "scopes"),
    ({"expiresAt": "tomorrow"}, "expiresAt"),
    ({"expiresAt": "2030-01-01T00:00:00"}, "expiresAt"),
    ({"tenant": "Not#A tenant"}, "tenant"),
    ({"tenant": ""}, "tenant"),
    ({"secret": "mine"}, "secret"),
]


@pytest.mark.parametrize(("change", "field"), WRONG)
def test_a_wrong_key_is_refused_by_field(api: Client, change: dict[str, Any], field: str) -> None:
    response = api.acting_as("admin operator").post("/api/v1/api-keys", BODY | change)
    assert response.status == 400, response.text
    assert field in response.fields


def test_only_the_operator_makes_keys_of_other_tenants(api: Client) -> None:
    operator = api.acting_as("admin operator")
    made = operator.post("/api/v1/api-keys", BODY | {"tenant": "acme"})
    assert (made.status, made.json["tenant"]) == (201, "acme")
    assert api.post("/api/v1/api-keys", BODY | {"tenant": "acme"}).status == 403
    acme = api.acting_as("admin", "acme")
    assert acme.post("/api/v1/api-keys", BODY | {"tenant": "default"}).status == 403
    assert acme.post("/api/v1/api-keys", BODY | {"tenant": "acme"}).status == 201
    assert acme.get("/api/v1/api-keys").json["totalCount"] == 2
    assert operator.get("/api/v1/api-keys", "tenant=acme").json["totalCount"] == 2
    assert api.get("/api/v1/api-keys", "tenant=acme").status == 403
    assert api.get("/api/v1/api-keys").json["totalCount"] == 0


def test_a_key_is_revoked_once_and_only_by_its_tenant(api: Client) -> None:
    key_id = api.post("/api/v1/api-keys", BODY).json["id"]
    assert api.acting_as("admin", "acme").delete(f"/api/v1/api-keys/{key_id}").status == 404
    assert api.delete(f"/api/v1/api-keys/{key_id}").status == 204
    assert api.delete(f"/api/v1/api-keys/{key_id}").status == 404
    assert api.get("/api/v1/api-keys").json["items"] == []


@pytest.mark.parametrize("scope", ["read", "ingest", "read ingest", ""])
def test_keys_are_for_admins(api: Client, scope: str) -> None:
    caller = api.acting_as(scope)
    answers = [
        caller.post("/api/v1/api-keys", BODY),
        caller.get("/api/v1/api-keys"),
        caller.delete("/api/v1/api-keys/x"),
    ]
    assert [answer.status for answer in answers] == [403, 403, 403]


def test_who_lacks_a_scope_is_told_whose_key_has_it(api: Client) -> None:
    audits = api.acting_as("admin").get("/api/v1/audit/metering")
    assert (audits.status, "make admin-key" in audits.json["detail"]) == (403, True)
    keys = api.acting_as("read").get("/api/v1/api-keys")
    assert (keys.status, "with a key that has 'admin'" in keys.json["detail"]) == (403, True)


OPERATOR = {"name": "ops", "scopes": ["admin", "operator"]}


def test_nobody_makes_a_key_that_may_do_more_than_their_own(api: Client) -> None:
    assert api.post("/api/v1/api-keys", OPERATOR).status == 403
    assert api.acting_as("admin", "acme").post("/api/v1/api-keys", OPERATOR).status == 403
    assert api.acting_as("operator").post("/api/v1/api-keys", BODY).status == 403
    assert api.acting_as("read operator").post("/api/v1/api-keys", BODY).status == 403

    made = api.acting_as("admin operator").post("/api/v1/api-keys", OPERATOR)

    assert (made.status, made.json["scopes"]) == (201, ["admin", "operator"])
    assert api.get("/api/v1/api-keys").json["items"][0]["scopes"] == ["admin", "operator"]


def test_nobody_revokes_a_key_that_may_do_more_than_their_own(api: Client) -> None:
    operator = api.acting_as("admin operator")
    key_id = operator.post("/api/v1/api-keys", OPERATOR).json["id"]

    assert api.delete(f"/api/v1/api-keys/{key_id}").status == 403
    assert operator.delete(f"/api/v1/api-keys/{key_id}").status == 204


@pytest.mark.parametrize("where", [{"tenant": "acme"}, {"tenant": "acme", "scopes": ["operator"]}])
def test_an_operators_key_belongs_to_the_default_tenant(api: Client, where: dict[str, Any]) -> None:
    answer = api.acting_as("admin operator").post("/api/v1/api-keys", OPERATOR | where)

    assert (answer.status, answer.fields) == (400, ["scopes"])


def test_a_stored_default_admin_is_no_operator(api: Client) -> None:
    """Keys of a time without operators are read for ever; only the deployment's own became one."""
    assert api.post("/api/v1/api-keys", {"name": "old", "scopes": ["admin"]}).json["scopes"] == ["admin"]
    assert api.get("/api/v1/audit/metering").status == 403
