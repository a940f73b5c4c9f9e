"""Every attack on the API gets a clear answer below 500, and stays with its tenant."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.handlers.gateway import Client, payload

PATHS = ["meters", "customers", "features", "plans", "subscriptions", "api-keys", "billing/invoices/invoice"]
# What a model might choke on, put where a text, a number, a list or an object belongs.
HOSTILE: list[Any] = [
    10**400,
    -(10**400),
    "1" * 400,
    "NaN",
    "Infinity",
    1e308,
    -1,
    True,
    None,
    "",
    "\x00\x01\x1f\x7f",
    "\u202e\u2028",
    "🚀" * 300,
    "x" * 100_000,
    "../../etc/passwd",
    "'; DROP TABLE meters; --",
    "{{7*7}}${7*7}",
    [],
    [[[[]]]],
    ["x"] * 5_000,
    {},
    {"": ""},
    {"$ne": None},
    {"__proto__": {"admin": True}},
    {f"k{n}": n for n in range(2_000)},
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    10**17,
]
VALID: dict[str, dict[str, Any]] = {
    "meters": {
        "slug": "s",
        "eventType": "t",
        "aggregation": "SUM",
        "valueProperty": "$.v",
        "groupBy": {"g": "$.g"},
        "name": "n",
        "metadata": {"m": "v"},
    },
    "customers": {
        "name": "n",
        "key": "k",
        "usageAttribution": {"subjectKeys": ["s"]},
        "primaryEmail": "a@b.c",
        "currency": "USD",
        "billingAddress": {"country": "US", "line1": "l"},
        "metadata": {"m": "v"},
        "description": "d",
    },
    "features": {
        "key": "f",
        "name": "n",
        "meterSlug": "s",
        "meterGroupByFilters": {"g": "v"},
        "unitCost": {"type": "manual", "amount": "1"},
    },
    "api-keys": {"name": "n", "scopes": ["read"], "expiresAt": "2100-01-01T00:00:00Z", "tenant": "t"},
}


def is_clear(status: int, body: str, content_type: str | None) -> bool:
    if status < 400:
        return True
    return status < 500 and content_type == "application/problem+json" and bool(json.loads(body)["detail"])


@pytest.mark.parametrize("path", VALID)
def test_no_hostile_value_in_any_field_breaks_a_request(api: Client, path: str) -> None:
    for field in VALID[path]:
        for value in HOSTILE:
            response = api.post(f"/api/v1/{path}", VALID[path] | {field: value})
            assert is_clear(response.status, response.text, response.content_type), (field, value, response.text)
            if response.status == 201:
                created = response.json
                name = created.get("slug") or created["id"]
                tenant = {"tenant": created.get("tenant", "default")}
                assert api.delete(f"/api/v1/{path}/{name}", params=tenant).status == 204


def test_no_body_at_all_breaks_a_request(api: Client) -> None:
    bodies = ["", "null", "0", '"x"', "[]", "[{}]", "{}", "{", "\x00", "NaN", "[" * 50_000, "1" * 5_000, '{"a":1e400}']
    for path in PATHS:
        for body in bodies:
            response = api.post(f"/api/v1/{path}", body)
            assert response.status == 400, (path, body[:20], response.text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(sorted(VALID)), fields=st.data())
def test_random_json_gets_a_clear_answer(api: Client, path: str, fields: st.DataObject) -> None:
    chosen = fields.draw(st.sets(st.sampled_from(sorted(VALID[path])), min_size=1))
    body = VALID[path] | {field: fields.draw(json_values) for field in chosen}
    response = api.post(f"/api/v1/{path}", json.dumps(body))
    assert is_clear(response.status, response.text, response.content_type), response.text


QUERIES = [
    "page=" + "9" * 400,
    "pageSize=-1",
    "order=%00",
    "orderBy[]=id",
    "key=%F0%9F%9A%80%00",
    "subject=" + "x" * 100_000,
    "includeDeleted=" + "1" * 400,
    "tenant=default%23meter",
    "tenant=../x",
    "%ff=%ff",
    "=&=&&&",
    "a" * 50_000,
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:20])
def test_no_query_string_breaks_a_list(api: Client, query: str) -> None:
    for path in ("meters", "customers", "features", "api-keys", "rejects"):
        response = api.get(f"/api/v1/{path}", query)
        assert is_clear(response.status, response.text, response.content_type), (path, response.text)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "\x00", "a" * 9999]
)
def test_another_content_type_is_415(api: Client, kind: str) -> None:
    for path in PATHS:
        assert api.post(f"/api/v1/{path}", "{}", headers={"content-type": kind}).status == 415


@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "HEAD", "TRACE", "PUT", "DELETE"])
def test_a_method_a_list_does_not_know_is_404(api: Client, method: str) -> None:
    assert api.call(method, "/api/v1/meters").status == 404


def test_a_tenant_in_the_body_or_path_opens_no_door(api: Client) -> None:
    api.post("/api/v1/meters", VALID["meters"])
    stranger = api.acting_as("admin", "acme")
    for path in ("/api/v1/meters/s", "/api/v1/meters/default%23meter", "/api/v1/customers/default#customer"):
        assert stranger.get(path).status == 404
    assert stranger.get("/api/v1/meters", "tenant=default").status == 403
    assert stranger.get("/api/v1/meters", "tenant=default&tenant=acme").fields == ["tenant"]


def test_headers_and_fields_a_gateway_never_sends_do_not_break_it(api: Client) -> None:
    event = payload("GET", "/api/v1/meters")
    for change in ({"headers": None}, {"rawQueryString": None}, {"body": None}, {"isBase64Encoded": True}):
        assert api.handler(event | change, None)["statusCode"] == 200
