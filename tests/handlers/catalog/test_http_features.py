"""Features over HTTP: what they may measure, and that a key belongs to one active feature."""

from typing import Any

import pytest

from functions.handlers.wiring import catalog
from tests.handlers.gateway import Client

METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
TOKENS = {"key": "gpt_tokens", "name": "GPT tokens", "meterSlug": "tokens", "meterGroupByFilters": {"model": "gpt-4"}}
SUPPORT = {"key": "support", "name": "Support", "metadata": {"team": "a"}}


@pytest.fixture(autouse=True)
def meter(api: Client) -> None:
    assert api.post("/api/v1/meters", METER).status == 201


def test_a_feature_is_answered_as_asked_and_found_by_id_and_key(api: Client) -> None:
    created = api.post("/api/v1/features", TOKENS)
    assert created.status == 201, created.text
    feature = created.json
    assert {name: feature[name] for name in TOKENS} == TOKENS
    assert feature["advancedMeterGroupByFilters"] == {"model": {"$eq": "gpt-4"}}
    assert "meterId" not in feature and len(feature["id"]) == 26
    assert api.get(f"/api/v1/features/{feature['id']}").json == feature
    assert api.get("/api/v1/features/gpt_tokens").json == feature


def test_advanced_filters_and_a_unit_cost_are_kept(api: Client) -> None:
    body = {
        "key": "both",
        "name": "Both",
        "meterSlug": "tokens",
        "advancedMeterGroupByFilters": {"model": {"$in": ["gpt-4", "gpt-5"]}},
        "unitCost": {"type": "manual", "amount": "0.0000025"},
    }
    feature = api.post("/api/v1/features", body)
    assert feature.status == 201, feature.text
    assert {name: feature.json[name] for name in body} == body


ADVANCED = [{"$like": "gpt-%"}, {"$nin": ["a", "b"]}, {"$and": [{"$ne": "a"}, {"$or": [{"$gt": "b"}, {"$eq": "x"}]}]}]


@pytest.mark.parametrize("condition", ADVANCED)
def test_every_condition_of_the_api_can_be_a_filter(api: Client, condition: dict[str, Any]) -> None:
    body = {"key": "part", "name": "Part", "meterSlug": "tokens"}
    made = api.post("/api/v1/features", body | {"advancedMeterGroupByFilters": {"model": condition}})
    assert made.status == 201, made.text
    assert made.json["advancedMeterGroupByFilters"] == {"model": condition}


def test_a_unit_cost_is_looked_up_by_dimensions(api: Client) -> None:
    cost = {"type": "llm", "provider": "openai", "modelProperty": "model", "tokenType": "input"}
    made = api.post("/api/v1/features", {"key": "cost", "name": "Cost", "meterSlug": "tokens", "unitCost": cost})
    assert (made.status, made.json["unitCost"]) == (201, cost)


def test_a_unit_says_what_the_meter_counts(api: Client) -> None:
    body = {"key": "seats", "name": "Seats", "meterSlug": "tokens", "unit": "seats"}
    made = api.post("/api/v1/features", body)
    assert (made.status, made.json["unit"]) == (201, "seats")
    assert api.get("/api/v1/features/seats").json["unit"] == "seats"
    assert catalog.features().metered("default", ["seats"])["seats"].unit == "seats"
    for wrong in ("", "x" * 65, "a\nb", 5):
        refused = api.post("/api/v1/features", body | {"key": "other", "unit": wrong})
        assert (refused.status, refused.fields) == (400, ["unit"]), refused.text
    without_meter = api.post("/api/v1/features", {"key": "other", "name": "Other", "unit": "seats"})
    assert (without_meter.status, "needs a meterSlug" in without_meter.text) == (400, True)


def test_a_feature_that_is_for_sale_is_not_archived(api: Client) -> None:
    api.post("/api/v1/features", SUPPORT)
    card = {"type": "flat_fee", "key": "support", "name": "Support", "featureKey": "support", "billingCadence": "P1M"}
    cards = [card | {"price": {"type": "flat", "amount": "9"}}]
    plan = {
        "key": "pro",
        "name": "Pro",
        "billingCadence": "P1M",
        "phases": [{"key": "p", "name": "P", "rateCards": cards}],
    }
    plan_id = api.post("/api/v1/plans", plan).json["id"]
    addon = {"key": "more", "name": "More", "currency": "USD", "instanceType": "single", "rateCards": cards}
    addon_id = api.post("/api/v1/addons", addon).json["id"]
    assert api.post(f"/api/v1/plans/{plan_id}/publish").status == 200
    assert api.post(f"/api/v1/addons/{addon_id}/publish").status == 200

    refused = api.delete("/api/v1/features/support")
    assert refused.status == 409
    assert "pro version 1, more version 1" in refused.json["detail"]
    api.post(f"/api/v1/addons/{addon_id}/archive")
    api.post(f"/api/v1/plans/{plan_id}/archive")
    assert api.delete("/api/v1/features/support").status == 204


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"key": "Not A Key"}, "key"),
    ({"key": None}, "key"),
    ({"name": ""}, "name"),
    ({"meterSlug": "nothing"}, "meterSlug"),
    ({"meterSlug": None}, "$"),
    ({"meterGroupByFilters": {"team": "a"}}, "meterGroupByFilters.team"),
    ({"meterGroupByFilters": {"model": 4}}, "meterGroupByFilters.model"),
    ({"advancedMeterGroupByFilters": {"model": {"$eq": "a"}}}, "$"),
    ({"meterGroupByFilters": None, "advancedMeterGroupByFilters": {"model": {}}}, "advancedMeterGroupByFilters.model"),
    (
        {"meterGroupByFilters": None, "advancedMeterGroupByFilters": {"model": {"$looks": "a"}}},
        "advancedMeterGroupByFilters.model.$looks",
    ),
    (
        {"meterGroupByFilters": None, "advancedMeterGroupByFilters": {"team": {"$ne": "a"}}},
        "advancedMeterGroupByFilters.team",
    ),
    ({"unitCost": {"type": "manual", "amount": 0.5}}, ""),
    ({"unitCost": {"type": "manual", "amount": "NaN"}}, "unitCost.amount"),
    ({"unitCost": {"type": "free"}}, "unitCost"),
    ({"unitCost": {"type": "llm", "model": "gpt-4", "modelProperty": "model"}}, "unitCost"),
    ({"unitCost": {"type": "llm", "modelProperty": "engine"}}, "unitCost"),
    ({"archivedAt": "2026-01-01T00:00:00Z"}, "archivedAt"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_a_wrong_feature_is_refused_by_field(api: Client, change: dict[str, Any], field: str) -> None:
    response = api.post("/api/v1/features", TOKENS | change)
    if not field:  # a number is exact here, so it is as good as a text
        assert response.json["unitCost"]["amount"] == "0.5"
        return
    assert response.status == 400, response.text
    assert field in response.fields


def test_a_key_belongs_to_one_active_feature(api: Client) -> None:
    first = api.post("/api/v1/features", TOKENS).json
    again = api.post("/api/v1/features", TOKENS)
    assert (again.status, again.fields) == (409, ["key"])
    assert api.delete("/api/v1/features/gpt_tokens").status == 204
    assert api.get("/api/v1/features/gpt_tokens").status == 404
    assert "archivedAt" in api.get(f"/api/v1/features/{first['id']}").json
    assert api.delete(f"/api/v1/features/{first['id']}").status == 404
    second = api.post("/api/v1/features", TOKENS)
    assert second.status == 201
    assert api.get("/api/v1/features/gpt_tokens").json["id"] == second.json["id"] != first["id"]


def test_features_are_listed_bare_or_in_pages(api: Client) -> None:
    api.post("/api/v1/features", TOKENS)
    api.post("/api/v1/features", SUPPORT)

    def keys(query: str = "") -> list[str]:
        body = api.get("/api/v1/features", query).json
        return [feature["key"] for feature in (body["items"] if isinstance(body, dict) else body)]

    assert isinstance(api.get("/api/v1/features").json, list)
    assert keys() == ["gpt_tokens", "support"]
    assert keys("orderBy=name&order=DESC") == ["support", "gpt_tokens"]
    assert keys("meterSlug=tokens") == ["gpt_tokens"]
    assert keys("limit=1&offset=1") == ["support"]
    page = api.get("/api/v1/features", "page=2&pageSize=1").json
    assert (page["totalCount"], page["page"], keys("page=2&pageSize=1")) == (2, 2, ["support"])
    api.delete("/api/v1/features/support")
    assert keys() == ["gpt_tokens"]
    assert keys("includeArchived=true") == ["gpt_tokens", "support"]
    assert api.get("/api/v1/features", "includeArchived=maybe").status == 400


def test_a_feature_of_a_deleted_meter_cannot_be_made(api: Client) -> None:
    assert api.delete("/api/v1/meters/tokens").status == 204
    assert api.post("/api/v1/features", TOKENS).status == 400


def test_a_tenant_never_sees_anothers_features(api: Client) -> None:
    feature = api.post("/api/v1/features", SUPPORT).json
    stranger = api.acting_as("admin", "other")
    assert stranger.get(f"/api/v1/features/{feature['id']}").status == 404
    assert stranger.get("/api/v1/features/support").status == 404
    assert stranger.delete("/api/v1/features/support").status == 404
    assert stranger.post("/api/v1/features", TOKENS).status == 400
    assert stranger.get("/api/v1/features").json == []
