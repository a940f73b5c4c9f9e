"""Every answer carries every field that the genuine package does not call optional, and the package reads it."""

from collections.abc import Callable
from typing import Any

import pytest
from openmeter._generated import models

from tests.compat.conftest import Compat
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}
CALLS = {"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"}
FEATURE = {"key": "gpt", "name": "GPT", "meterSlug": "tokens", "meterGroupByFilters": {"model": "gpt-4"}}
COSTED = {"key": "bare", "name": "Bare", "unitCost": {"type": "manual", "amount": "0.01"}}
CUSTOMER = {
    "name": "Acme",
    "key": "acme",
    "usageAttribution": {"subjectKeys": ["acme-eu"]},
    "primaryEmail": "a@b.example",
    "currency": "USD",
    "billingAddress": {"country": "US"},
}

Ask = Callable[[Client], Response]


def created(api: Client) -> None:
    for path, body in (("meters", METER), ("meters", CALLS), ("features", FEATURE), ("customers", CUSTOMER)):
        assert api.post(f"/api/v1/{path}", body).status == 201


FULL_METER = METER | {
    "slug": "full",
    "name": "Tokens",
    "description": "All of them",
    "metadata": {"team": "a"},
    "aggregation": "PERCENTILE",
    "percentile": "99.9",
    "eventFilter": {"$.region": {"$eq": "eu"}},
}

# One row per kind of answer; plans, subscriptions and invoices have theirs beside their own tests.
ANSWERS: list[tuple[str, type[Any], Ask]] = [
    ("created meter", models.Meter, lambda api: api.post("/api/v1/meters", METER | {"slug": "other"})),
    ("full meter", models.Meter, lambda api: api.post("/api/v1/meters", FULL_METER)),
    ("meter", models.Meter, lambda api: api.get("/api/v1/meters/calls")),
    ("updated meter", models.Meter, lambda api: api.put("/api/v1/meters/calls", {"name": "Calls"})),
    ("usage", models.MeterQueryResult, lambda api: api.get("/api/v1/meters/calls/query")),
    ("usage by body", models.MeterQueryResult, lambda api: api.post("/api/v1/meters/tokens/query", {})),
    ("created feature", models.Feature, lambda api: api.post("/api/v1/features", COSTED)),
    ("feature", models.Feature, lambda api: api.get("/api/v1/features/gpt")),
    ("features", models.FeaturePaginatedResponse, lambda api: api.get("/api/v1/features", "page=1")),
    ("created customer", models.Customer, lambda api: api.post("/api/v1/customers", {"name": "Bare"})),
    ("customer", models.Customer, lambda api: api.get("/api/v1/customers/acme")),
    ("replaced customer", models.Customer, lambda api: api.put("/api/v1/customers/acme", CUSTOMER)),
    ("customers", models.CustomerPaginatedResponse, lambda api: api.get("/api/v1/customers")),
]


def test_a_meter_shows_everything_that_was_said_of_it(compat: Compat) -> None:
    # All of `MeterCreate` but eventFrom, which needs a backfill; the package's own model has nothing else to write.
    said = {each._rest_name for each in models.MeterCreate({})._attr_to_rest_field.values()} - {"eventFrom"}
    assert said <= FULL_METER.keys()
    shown = compat.api.post("/api/v1/meters", FULL_METER).json
    assert {name: shown[name] for name in FULL_METER} == FULL_METER


REFUSALS: list[tuple[int, type[Any], Ask]] = [
    (400, models.BadRequestProblemResponse, lambda api: api.post("/api/v1/meters", {"slug": 1})),
    (400, models.BadRequestProblemResponse, lambda api: api.post("/api/v1/customers", "{")),
    (403, models.ForbiddenProblemResponse, lambda api: api.acting_as("ingest").get("/api/v1/meters")),
    (404, models.NotFoundProblemResponse, lambda api: api.get("/api/v1/meters/nothing")),
    (404, models.NotFoundProblemResponse, lambda api: api.get("/nowhere")),
    (409, models.ConflictProblemResponse, lambda api: api.post("/api/v1/meters", METER)),
    (409, models.ConflictProblemResponse, lambda api: api.delete("/api/v1/meters/tokens")),
]


@pytest.mark.parametrize(("name", "model", "ask"), ANSWERS, ids=[name for name, _, _ in ANSWERS])
def test_an_answer_has_every_field_its_model_needs(compat: Compat, name: str, model: type[Any], ask: Ask) -> None:
    created(compat.api)
    answer = ask(compat.api)
    assert answer.status in (200, 201), answer.text
    assert problems(model, answer.json) == []
    for item in answer.json.get("items", []):
        assert item


def test_a_listed_event_has_every_field(compat: Compat) -> None:
    created(compat.api)
    sent = {"specversion": "1.0", "id": "1", "source": "s", "type": "prompt", "data": {"tokens": 1}}
    compat.metering.count([sent | {"subject": "acme"}, sent | {"id": "2", "subject": "stranger", "traceid": "x"}])
    items = compat.api.get("/api/v1/events").json
    assert [problems(models.IngestedEvent, item) for item in items] == [[], []]
    assert {name for item in items for name in item} == {
        *("event", "customerId", "validationError", "ingestedAt", "storedAt")
    }
    page = compat.api.get("/api/v2/events", "limit=1").json
    assert [problems(models.IngestedEvent, item) for item in page["items"]] == [[]]
    assert page["nextCursor"]


@pytest.mark.parametrize(("path", "model"), [("meters", models.Meter), ("features", models.Feature)])
def test_each_item_of_a_bare_list_has_every_field(compat: Compat, path: str, model: type[Any]) -> None:
    created(compat.api)
    listed = compat.api.get(f"/api/v1/{path}").json
    assert listed
    assert [problems(model, item) for item in listed] == [[]] * len(listed)


@pytest.mark.parametrize(("status", "model", "ask"), REFUSALS)
def test_a_refusal_has_every_field_its_model_needs(compat: Compat, status: int, model: type[Any], ask: Ask) -> None:
    created(compat.api)
    answer = ask(compat.api)
    assert answer.status == status, answer.text
    assert problems(model, answer.json) == []
    for found in answer.json.get("extensions", {}).get("validationErrors", []):
        assert problems(models.ErrorExtension, found) == []


def test_the_check_itself_finds_a_missing_field() -> None:
    assert problems(models.Meter, {"id": "x"}) == [
        "$.createdAt is missing",
        "$.updatedAt is missing",
        "$.slug is missing",
        "$.aggregation is missing",
        "$.eventType is missing",
    ]
