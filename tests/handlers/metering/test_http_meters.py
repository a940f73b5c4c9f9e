"""Meters over HTTP: what is accepted, what is refused, and that the aggregator's set always says the same."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from functions.adapters.dynamo.table import Table
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import MeterSet
from tests.conftest import DynamoDb
from tests.domain.builders import draft, phase, unit
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
    for body in (TOKENS, CALLS):
        api.post("/api/v1/meters", body)
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
    ({"aggregation": "MEDIAN"}, "aggregation"),
    ({"aggregation": "sum"}, "aggregation"),
    ({"aggregation": 1}, "aggregation"),
    ({"aggregation": []}, "aggregation"),
    ({"valueProperty": None}, "valueProperty"),
    ({"aggregation": "UNIQUE_COUNT", "valueProperty": None}, "valueProperty"),
    ({"valueProperty": "tokens"}, "valueProperty"),
    ({"valueProperty": "$..[tokens"}, "valueProperty"),
    ({"valueProperty": "$.a[?match(@.b, '(a*)*b')]"}, "valueProperty"),
    ({"valueProperty": "$." + "a" * 255}, "valueProperty"),
    ({"aggregation": "COUNT"}, "valueProperty"),
    ({"groupBy": {"model": "$.tokens"}}, "valueProperty"),
    ({"groupBy": {"model": "$['tokens']"}}, "valueProperty"),
    ({"percentile": "95"}, "percentile"),
    ({"aggregation": "PERCENTILE", "percentile": "0"}, "percentile"),
    ({"aggregation": "PERCENTILE", "percentile": 100}, "percentile"),
    ({"aggregation": "PERCENTILE", "percentile": "99.9999999"}, "percentile"),
    ({"aggregation": "PERCENTILE", "percentile": "high"}, "percentile"),
    ({"eventFilter": {"region": {"$eq": "eu"}}}, "eventFilter.region"),
    ({"eventFilter": {"$.region": {"$eq": 1}}}, "eventFilter.$.region.$eq"),
    ({"eventFilter": {"$.region": {"$or": [{"$is": "eu"}]}}}, "eventFilter.$.region.$or[0].$is"),
    ({"eventFilter": {"$.region": {}}}, "eventFilter.$.region"),
    ({"eventFilter": {f"$.d{n}": {"$eq": "a"} for n in range(11)}}, "eventFilter"),
    ({"eventFilter": {f"$.d{n}": {"$eq": "a" * 500} for n in range(9)}}, "eventFilter"),
    ({"groupBy": {"1model": "$.model"}}, "groupBy"),
    ({"groupBy": {"mo-del": "$.model"}}, "groupBy"),
    ({"groupBy": {"subject": "$.model"}}, "groupBy"),
    ({"groupBy": {"customer_id": "$.model"}}, "groupBy"),
    ({"groupBy": {"model": "model"}}, "groupBy.model"),
    ({"groupBy": {f"d{n}": f"$.d{n}" for n in range(11)}}, "groupBy"),
    ({"groupBy": [1]}, "groupBy"),
    ({"eventFrom": "2021-01-01T00:00:00Z"}, "eventFrom"),
    ({"eventFrom": "2026-01-01T00:00:00"}, "eventFrom"),
    ({"name": "x" * 257}, "name"),
    ({"metadata": {"a": 1}}, "metadata.a"),
    ({"unknown": 1}, "unknown"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_a_wrong_meter_is_refused_by_field(api: Client, change: dict[str, Any], field: str) -> None:
    response = api.post("/api/v1/meters", TOKENS | change)
    assert response.status == 400, response.text
    assert field in response.fields


def test_a_value_property_left_out_is_named(api: Client) -> None:
    response = api.post("/api/v1/meters", CALLS | {"aggregation": "SUM"})
    assert (response.status, list(response.fields)) == (400, ["valueProperty"])
    assert response.json["detail"] == "The body is not valid: valueProperty is required with SUM, such as $.tokens."


def test_an_unknown_aggregation_is_told_which_there_are(api: Client) -> None:
    told = api.post("/api/v1/meters", TOKENS | {"aggregation": "MEDIAN"}).json["detail"]
    assert all(each in told for each in Aggregation)


@pytest.mark.parametrize("aggregation", [each for each in Aggregation if each is not Aggregation.COUNT])
def test_every_aggregation_can_be_chosen(api: Client, meter_set: Any, aggregation: str) -> None:
    response = api.post("/api/v1/meters", TOKENS | {"aggregation": aggregation})
    assert (response.status, response.json["aggregation"]) == (201, aggregation)
    assert meter_set().meters[0].aggregation == aggregation


@pytest.mark.parametrize(("asked", "kept"), [(None, "95"), ("99.9", "99.9"), (50, "50"), (99.99, "99.99")])
def test_a_percentile_is_kept_exactly(api: Client, meter_set: Any, asked: Any, kept: str) -> None:
    body = TOKENS | {"aggregation": "PERCENTILE"} | ({} if asked is None else {"percentile": asked})
    response = api.post("/api/v1/meters", body)
    assert (response.status, response.json["percentile"]) == (201, kept)
    assert meter_set().meters[0].percentile == Decimal(kept)
    assert "percentile" not in api.post("/api/v1/meters", CALLS).json


def test_an_event_filter_is_answered_as_it_was_given_and_reaches_the_aggregator(api: Client, meter_set: Any) -> None:
    event_filter = {"$.status": {"$in": ["200", "201"]}, "$.region": {"$or": [{"$eq": "eu"}, {"$like": "us-%"}]}}
    response = api.post("/api/v1/meters", CALLS | {"eventFilter": event_filter})
    assert (response.status, response.json["eventFilter"]) == (201, event_filter)
    assert meter_set().meters[0].event_filter == event_filter
    kept = api.put("/api/v1/meters/calls", {"name": "Calls"})
    assert (kept.status, kept.json["eventFilter"]) == (200, event_filter)
    assert api.put("/api/v1/meters/calls", {"eventFilter": {}}).fields == ["eventFilter"]


@pytest.mark.parametrize("path", ["$.usage[0].tokens", "$.items[?@.kind == 'gpu'].n", "$..tokens", "$.items[-1:].n"])
def test_a_value_may_be_at_any_json_path(api: Client, path: str) -> None:
    response = api.post("/api/v1/meters", TOKENS | {"valueProperty": path})
    assert (response.status, response.json["valueProperty"]) == (201, path)


def test_a_slug_is_unique_within_its_tenant_only(api: Client) -> None:
    assert api.post("/api/v1/meters", TOKENS).status == 201
    again = api.post("/api/v1/meters", TOKENS)
    assert (again.status, again.fields) == (409, ["slug"])
    assert api.acting_as("admin", "acme").post("/api/v1/meters", TOKENS).status == 201


def test_meters_created_at_once_all_count_and_only_one_gets_a_slug(api: Client, meter_set: Any) -> None:
    bodies = [CALLS | {"slug": f"calls_{n // 2}"} for n in range(8)]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda body: api.post("/api/v1/meters", body).status, bodies))
    assert set(statuses) <= {201, 409, 503}
    created = statuses.count(201)
    assert created == len(meter_set().meters) == len(api.get("/api/v1/meters").json)
    assert len({meter.slug for meter in meter_set().meters}) == created


def test_an_update_replaces_what_can_change(api: Client, meter_set: Any) -> None:
    meter = api.post("/api/v1/meters", TOKENS | {"name": "Tokens", "metadata": {"a": "b"}}).json
    body = {"name": "All tokens", "groupBy": {"model": "$.model", "team": "$.team"}}
    updated = api.put("/api/v1/meters/tokens", body)
    assert updated.status == 200
    assert (updated.json["name"], updated.json["groupBy"]) == ("All tokens", body["groupBy"])
    assert "metadata" not in updated.json and updated.json["id"] == meter["id"]
    assert meter_set().version == 2
    assert meter_set().meters[0].group_by == body["groupBy"]
    assert api.put("/api/v1/meters/tokens", {"slug": "other"}).status == 400
    assert api.put("/api/v1/meters/tokens", {"groupBy": {"value": "$.tokens"}}).status == 400
    assert api.put("/api/v1/meters/nothing", {"name": "a"}).status == 404


def test_dimensions_of_before_an_update_are_remembered(api: Client, meter_set: Any) -> None:
    api.post("/api/v1/meters", TOKENS)
    for group_by in ({"model": "$.model", "team": "$.team"}, {"model": "$.name", "team": "$.team"}, {}, {}):
        shown = api.put("/api/v1/meters/tokens", {"groupBy": group_by})
        assert shown.status == 200 and "former" not in shown.json
    (meter,) = meter_set().meters
    assert [(each.until, each.group_by) for each in meter.former] == [
        (2, {"model": "$.model"}),
        (3, {"model": "$.model", "team": "$.team"}),
        (4, {"model": "$.name", "team": "$.team"}),
    ]


def test_dimensions_cannot_change_for_ever(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.metering.meters.change_meter.MAX_GROUP_BY_CHANGES", 1)
    api.post("/api/v1/meters", TOKENS)
    assert api.put("/api/v1/meters/tokens", {}).status == 200
    again = api.put("/api/v1/meters/tokens", {"groupBy": {"team": "$.team"}})
    assert (again.status, again.fields) == (409, ["groupBy"])
    assert api.put("/api/v1/meters/tokens", {"name": "Tokens"}).status == 200


def test_a_dimension_that_a_price_for_sale_needs_is_not_dropped(api: Client) -> None:
    api.post("/api/v1/meters", TOKENS)
    feature = {"key": "tokens", "name": "Tokens", "meterSlug": "tokens"}
    assert api.post("/api/v1/features", feature).status == 201
    matrix = {"type": "matrix", "dimensions": ["model"], "rows": [], "defaultAmount": "1"}
    plan = api.post("/api/v1/plans", draft(phase(unit() | {"price": matrix})))
    assert plan.status == 201, plan.text
    of = f"/api/v1/plans/{plan.json['id']}"
    assert api.post(f"{of}/publish").status == 200

    dropped = api.put("/api/v1/meters/tokens", {"groupBy": {"team": "$.team"}})

    assert (dropped.status, dropped.fields) == (409, ["groupBy.model"])
    assert "pro version 1 has a price by model" in dropped.json["detail"]
    assert api.put("/api/v1/meters/tokens", {"groupBy": {"model": "$.model", "team": "$.team"}}).status == 200
    assert api.post(f"{of}/archive").status == 200
    assert api.put("/api/v1/meters/tokens", {"groupBy": {"team": "$.team"}}).status == 200


def test_a_dimension_that_a_cost_is_looked_up_by_is_not_dropped(api: Client) -> None:
    api.post("/api/v1/meters", TOKENS)
    cost = {"type": "llm", "modelProperty": "model", "provider": "openai", "tokenType": "input"}
    made = api.post("/api/v1/features", {"key": "t", "name": "T", "meterSlug": "tokens", "unitCost": cost})
    assert made.status == 201, made.text

    dropped = api.put("/api/v1/meters/tokens", {"groupBy": {}})

    assert (dropped.status, dropped.fields) == (409, ["groupBy.model"])


def test_an_update_may_not_make_the_value_a_dimension(api: Client) -> None:
    api.post("/api/v1/meters", TOKENS)
    refused = api.put("/api/v1/meters/tokens", {"groupBy": {"model": "$.model", "value": "$['tokens']"}})
    assert (refused.status, refused.fields) == (400, ["groupBy.value"])
    assert api.put("/api/v1/meters/tokens", {"aggregation": "MAX"}).fields == ["aggregation"]


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
    assert api.post("/api/v1/features", feature | {"key": "any", "meterGroupByFilters": {}}).status == 201
    refused = api.delete("/api/v1/meters/tokens")
    assert refused.status == 409 and "'gpt'" in refused.json["detail"] and "'any'" in refused.json["detail"]
    assert api.delete("/api/v1/features/any").status == 204
    dropped = api.put("/api/v1/meters/tokens", {"name": "Tokens"})
    assert (dropped.status, dropped.fields) == (409, ["groupBy.model"])
    assert "'gpt'" in dropped.json["detail"]
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
    monkeypatch.setattr("functions.application.metering.meters.create_meter.MAX_METERS_PER_TYPE", 2)
    monkeypatch.setattr("functions.application.metering.meters.create_meter.MAX_METERS", 3)
    statuses = [api.post("/api/v1/meters", CALLS | {"slug": f"m{n}"}).status for n in range(3)]
    others = [api.post("/api/v1/meters", CALLS | {"slug": f"o{n}", "eventType": "other"}).status for n in range(2)]
    assert (statuses, others) == ([201, 201, 409], [201, 409])


def test_definitions_that_do_not_fit_are_refused(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.metering.meters.create_meter.MAX_SET_BYTES", 200)
    assert api.post("/api/v1/meters", CALLS).status == 201
    assert api.post("/api/v1/meters", TOKENS).status == 409


@pytest.mark.parametrize("path", ["a'b", "%00", "x" * 2000, "ünï", "..", "%ff", "a%2Fb"])
def test_a_strange_id_is_not_found(api: Client, path: str) -> None:
    for call in (api.get, api.delete):
        assert call(f"/api/v1/meters/{path}").status == 404


def test_a_meter_made_again_says_that_it_does_not_count_what_happened_before(api: Client) -> None:
    assert "notices" not in api.post("/api/v1/meters", TOKENS).json
    assert "notices" not in api.post("/api/v1/meters", CALLS).json, "a meter that counts is no former one"
    for slug in ("tokens", "calls"):
        assert api.delete(f"/api/v1/meters/{slug}").status == 204
    again = api.post("/api/v1/meters", TOKENS)
    assert again.status == 201
    (notice,) = again.json["notices"]
    assert notice["code"] == "history_not_counted"
    assert "meter 'tokens'" in notice["message"] and "eventFrom" in notice["message"]
    assert "notices" not in api.get("/api/v1/meters/tokens").json
    of_type = api.post("/api/v1/meters", CALLS | {"slug": "prompts"}).json["notices"]
    assert "'prompt'" in of_type[0]["message"]
    assert "notices" not in api.post("/api/v1/meters", CALLS | {"slug": "others", "eventType": "other"}).json
