"""Meters over HTTP: what is accepted, what is refused, and that the aggregator's set always says the same."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.domain.metering.meter import MeterSet
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client

TOKENS = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
CALLS = {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"}


@pytest.fixture
def meter_set(dynamodb: DynamoDb) -> Any:
    def read(tenant: str = "default") -> MeterSet:
        item = Table(dynamodb.client, dynamodb.usage_table).get(f"M#{tenant}", "set")
        assert item is not None
        found = MeterSet.decode(item["body"])
        assert found.version == item["version"]
        return found

    return read


def test_a_created_meter_is_answered_and_counts_at_once(api: Client, meter_set: Any) -> None:
    response = api.post("/api/v1/meters", TOKENS)
    assert response.status == 201
    meter = response.json
    assert {name: meter[name] for name in TOKENS} == TOKENS
    assert meter["name"] == "tokens" and meter["createdAt"] == meter["updatedAt"] and len(meter["id"]) == 26
    (counting,) = meter_set().meters
    assert (counting.id, counting.slug, counting.group_by, counting.since) == (
        meter["id"],
        "tokens",
        {"model": "$.model"},
        1,
    )
    assert api.get("/api/v1/meters/tokens").json == meter
    assert api.get(f"/api/v1/meters/{meter['id']}").json == meter


def test_meters_are_listed_as_a_bare_array_in_the_order_asked_for(api: Client) -> None:
    assert api.get("/api/v1/meters").json == []
    for wish in (TOKENS, CALLS):
        api.post("/api/v1/meters", wish)
    slugs = [meter["slug"] for meter in api.get("/api/v1/meters").json]
    assert slugs == ["calls", "tokens"]
    assert [m["slug"] for m in api.get("/api/v1/meters", "order=DESC&orderBy=name").json] == ["tokens", "calls"]
    assert [m["slug"] for m in api.get("/api/v1/meters", "page=2&pageSize=1").json] == ["tokens"]
    assert api.get("/api/v1/meters", "orderBy=size").status == 400


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"slug": "Not A Slug"}, "slug"),
    ({"slug": "x" * 65}, "slug"),
    ({"slug": None}, "slug"),
    ({"eventType": ""}, "eventType"),
    ({"aggregation": "AVG"}, "aggregation"),
    ({"aggregation": "UNIQUE_COUNT"}, "aggregation"),
    ({"aggregation": 1}, "aggregation"),
    ({"aggregation": []}, "aggregation"),
    ({"valueProperty": None}, "$"),
    ({"valueProperty": "tokens"}, "valueProperty"),
    ({"valueProperty": "$..tokens"}, "valueProperty"),
    ({"aggregation": "COUNT"}, "$"),
    ({"groupBy": {"model": "$.tokens"}}, "$"),
    ({"groupBy": {"1model": "$.model"}}, "groupBy"),
    ({"groupBy": {"mo-del": "$.model"}}, "groupBy"),
    ({"groupBy": {"subject": "$.model"}}, "groupBy"),
    ({"groupBy": {"customer_id": "$.model"}}, "groupBy"),
    ({"groupBy": {"model": "model"}}, "groupBy.model"),
    ({"groupBy": {f"d{n}": f"$.d{n}" for n in range(11)}}, "groupBy"),
    ({"groupBy": [1]}, "groupBy"),
    ({"eventFrom": "2026-01-01T00:00:00Z"}, "eventFrom"),
    ({"name": "x" * 257}, "name"),
    ({"metadata": {"a": 1}}, "metadata.a"),
    ({"unknown": 1}, "unknown"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_a_wrong_meter_is_refused_by_field(api: Client, change: dict[str, Any], field: str) -> None:
    response = api.post("/api/v1/meters", TOKENS | change)
    assert response.status == 400, response.text
    assert field in response.fields


def test_an_unsupported_aggregation_is_told_which_are_supported(api: Client) -> None:
    assert "SUM, COUNT" in api.post("/api/v1/meters", TOKENS | {"aggregation": "LATEST"}).json["detail"]


def test_a_slug_is_unique_within_its_tenant_only(api: Client) -> None:
    assert api.post("/api/v1/meters", TOKENS).status == 201
    again = api.post("/api/v1/meters", TOKENS)
    assert (again.status, again.fields) == (409, ["slug"])
    assert api.acting_as("admin", "acme").post("/api/v1/meters", TOKENS).status == 201


def test_meters_created_at_once_all_count_and_only_one_gets_a_slug(api: Client, meter_set: Any) -> None:
    wishes = [CALLS | {"slug": f"calls_{n // 2}"} for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda wish: api.post("/api/v1/meters", wish).status, wishes))
    assert set(statuses) <= {201, 409, 503}
    created = statuses.count(201)
    assert created == len(meter_set().meters) == len(api.get("/api/v1/meters").json)
    assert len({meter.slug for meter in meter_set().meters}) == created


def test_an_update_replaces_what_can_change(api: Client, meter_set: Any) -> None:
    meter = api.post("/api/v1/meters", TOKENS | {"name": "Tokens", "metadata": {"a": "b"}}).json
    wish = {"name": "All tokens", "groupBy": {"model": "$.model", "team": "$.team"}}
    updated = api.put("/api/v1/meters/tokens", wish)
    assert updated.status == 200
    assert (updated.json["name"], updated.json["groupBy"]) == ("All tokens", wish["groupBy"])
    assert "metadata" not in updated.json and updated.json["id"] == meter["id"]
    assert meter_set().version == 2
    assert meter_set().meters[0].group_by == wish["groupBy"]
    assert api.put("/api/v1/meters/tokens", {"slug": "other"}).status == 400
    assert api.put("/api/v1/meters/tokens", {"groupBy": {"value": "$.tokens"}}).status == 400
    assert api.put("/api/v1/meters/nothing", {"name": "a"}).status == 404


def test_a_deleted_meter_stops_counting_and_frees_its_slug(api: Client, meter_set: Any) -> None:
    first = api.post("/api/v1/meters", TOKENS).json
    assert api.delete("/api/v1/meters/tokens").status == 204
    assert meter_set().meters == ()
    assert api.get("/api/v1/meters/tokens").status == 404
    assert api.get("/api/v1/meters").json == []
    (deleted,) = api.get("/api/v1/meters", "includeDeleted=true").json
    assert (deleted["id"], "deletedAt" in deleted) == (first["id"], True)
    assert api.delete("/api/v1/meters/tokens").status == 404
    again = api.post("/api/v1/meters", TOKENS)
    assert again.status == 201
    assert meter_set().meters[0].since == 3


def test_a_meter_that_a_feature_uses_can_neither_go_nor_drop_its_dimension(api: Client) -> None:
    api.post("/api/v1/meters", TOKENS)
    feature = {"key": "gpt", "name": "GPT", "meterSlug": "tokens", "meterGroupByFilters": {"model": "gpt-4"}}
    assert api.post("/api/v1/features", feature).status == 201
    assert api.delete("/api/v1/meters/tokens").status == 409
    dropped = api.put("/api/v1/meters/tokens", {"name": "Tokens"})
    assert (dropped.status, dropped.fields) == (409, ["groupBy.model"])
    kept = {"groupBy": {"model": "$.model", "team": "$.team"}}
    assert api.put("/api/v1/meters/tokens", kept).status == 200
    assert api.delete("/api/v1/features/gpt").status == 204
    assert api.put("/api/v1/meters/tokens", {"name": "Tokens"}).status == 200
    assert api.delete("/api/v1/meters/tokens").status == 204


def test_a_tenant_never_sees_anothers_meters(api: Client) -> None:
    meter = api.post("/api/v1/meters", TOKENS).json
    stranger = api.acting_as("admin", "acme")
    assert stranger.get(f"/api/v1/meters/{meter['id']}").status == 404
    assert stranger.get("/api/v1/meters").json == []
    assert stranger.delete("/api/v1/meters/tokens").status == 404


def test_too_many_meters_of_one_type_are_refused(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.create_meter.MAX_METERS_PER_TYPE", 2)
    monkeypatch.setattr("functions.application.create_meter.MAX_METERS", 3)
    statuses = [api.post("/api/v1/meters", CALLS | {"slug": f"m{n}"}).status for n in range(3)]
    others = [api.post("/api/v1/meters", CALLS | {"slug": f"o{n}", "eventType": "other"}).status for n in range(2)]
    assert (statuses, others) == ([201, 201, 409], [201, 409])


def test_definitions_that_do_not_fit_are_refused(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.create_meter.MAX_SET_BYTES", 200)
    assert api.post("/api/v1/meters", CALLS).status == 201
    assert api.post("/api/v1/meters", TOKENS).status == 409


@pytest.mark.parametrize("path", ["a'b", "%00", "x" * 2000, "ünï", "..", "%ff", "a%2Fb"])
def test_a_strange_id_is_not_found(api: Client, path: str) -> None:
    for call in (api.get, api.delete):
        assert call(f"/api/v1/meters/{path}").status == 404
