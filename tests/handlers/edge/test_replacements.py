"""What GET gave is what PUT takes: every PUT of the document, with everything its GET shows."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.handlers.wiring import base
from tests.domain.builders import flat, phase, unit
from tests.domain.catalog.test_addon import addon_draft
from tests.domain.catalog.test_pricing import GRADUATED, VOLUME
from tests.handlers.conformity import document
from tests.handlers.gateway import Client, Response

Json = dict[str, Any]

METER = {
    "slug": "tokens",
    "name": "Tokens",
    "description": "d",
    "metadata": {"id": "not the id", "updatedAt": "never"},
    "eventType": "prompt",
    "aggregation": "PERCENTILE",
    "valueProperty": "$.tokens",
    "percentile": "99.9",
    "groupBy": {"model": "$.model"},
    "eventFilter": {"$.model": {"$in": ["small", "large"]}},
}
LIMIT = {"type": "metered", "isSoftLimit": True, "issueAfterReset": 10.5, "usagePeriod": "P1D", "metadata": {"a": "b"}}
FEES = [
    flat("20") | {"metadata": {"x": "y"}},
    flat("5", key="once", cadence=None) | {"discounts": {"percentage": {"percentage": 33.333333}}},
]
# One card of the feature for each phase.
USAGE = [
    unit("0.000000250000000001") | {"entitlementTemplate": LIMIT, "discounts": {"usage": {"quantity": "10.5"}}},
    unit() | {"price": GRADUATED},
    unit() | {"price": VOLUME, "description": "d"},
    unit() | {"price": {"type": "package", "amount": "1", "quantityPerPackage": "0.5"}},
    unit() | {"price": {"type": "dynamic", "multiplier": "1.20"}},
    unit() | {"price": None, "entitlementTemplate": {"type": "static", "config": '{"a": [1]}'}},
]


def made(answer: Response) -> Json:
    assert answer.status == 201, answer.text
    found: Json = answer.json
    return found


def a_meter(api: Client) -> str:
    made(api.post("/api/v1/meters", METER))
    return "/api/v1/meters/tokens"


def a_customer(api: Client) -> str:
    body = {
        "name": "Acme",
        "key": "acme",
        "description": "d",
        "metadata": {"a": "b"},
        "usageAttribution": {"subjectKeys": ["acme-eu", "acme-us"]},
        "primaryEmail": "billing@acme.example",
        "currency": "EUR",
        "billingAddress": {"country": "DE", "city": "Köln", "line1": "Domkloster 4"},
    }
    made(api.post("/api/v1/customers", body))
    published = a_plan(api)
    assert api.post(f"{published}/publish").status == 200
    subscription = {"customerKey": "acme", "plan": {"key": "pro"}}
    made(api.post("/api/v1/subscriptions", subscription))
    assert "currentSubscriptionId" in api.get("/api/v1/customers/acme").json
    return "/api/v1/customers/acme"


def a_plan(api: Client) -> str:
    made(api.post("/api/v1/meters", METER | {"aggregation": "SUM", "percentile": None, "slug": "sum"}))
    made(api.post("/api/v1/features", {"key": "tokens", "name": "Tokens", "meterSlug": "sum"}))
    said = {"description": "d", "metadata": {"c": "d"}}
    phases = [phase(card, key=f"phase_{n}", duration="P1M") | said for n, card in enumerate(USAGE)]
    body = {
        "key": "pro",
        "name": "Pro",
        "description": "d",
        "metadata": {"a": "b"},
        "currency": "EUR",
        "billingCadence": "P1M",
        "alignment": {"billablesMustAlign": True},
        "proRatingConfig": {"enabled": False, "mode": "prorate_prices"},
        "phases": [*phases, phase(*FEES)],
    }
    return f"/api/v1/plans/{made(api.post('/api/v1/plans', body))['id']}"


def an_addon(api: Client) -> str:
    body = addon_draft(flat("5"), description="d", metadata={"a": "b"}, instanceType="multiple", currency="EUR")
    return f"/api/v1/addons/{made(api.post('/api/v1/addons', body))['id']}"


def a_plan_addon(api: Client) -> str:
    plan, addon = a_plan(api), an_addon(api)
    assert api.post(f"{addon}/publish").status == 200
    terms = {"addonId": addon.rpartition("/")[2], "fromPlanPhase": "main", "maxQuantity": 5, "metadata": {"a": "b"}}
    made(api.post(f"{plan}/addons", terms))
    return f"{plan}/addons/more"


MAKERS: dict[str, Callable[[Client], str]] = {
    "/api/v1/addons/{addon_id}": an_addon,
    "/api/v1/customers/{id_or_key}": a_customer,
    "/api/v1/meters/{id_or_slug}": a_meter,
    "/api/v1/plans/{plan_id}": a_plan,
    "/api/v1/plans/{plan_id}/addons/{addon_id}": a_plan_addon,
}
# Settings are there without being made; `test_http_billing_settings.py` has their own.
SETTINGS = "/api/v1/billing/settings"
# One that answers 201 makes another record.
PUTS = {
    path
    for path, methods in document()["paths"].items()
    if "put" in methods and "201" not in methods["put"]["responses"]
}
EVERY_PUT = sorted(PUTS - {SETTINGS})


def test_every_put_is_tested_here() -> None:
    assert sorted(MAKERS) == EVERY_PUT
    assert SETTINGS in PUTS


@pytest.fixture(params=EVERY_PUT)
def path(request: pytest.FixtureRequest, api: Client) -> str:
    return MAKERS[request.param](api)


class Later:
    def __init__(self) -> None:
        self.seconds = 5

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)


def without_update(shown: Json) -> Json:
    return {name: value for name, value in shown.items() if name != "updatedAt"}


def read_only(path: str, shown: Json) -> list[str]:
    """What the body of the PUT does not know but the GET shows."""
    template = next(
        each for each in EVERY_PUT if len(each.split("/")) == len(path.split("/")) and each[:12] == path[:12]
    )
    schema = document()["paths"][template]["put"]["requestBody"]["content"]["application/json"]["schema"]
    body = document()["components"]["schemas"][schema["anyOf"][0]["$ref"].rpartition("/")[2]]
    return [name for name in shown if name not in body["properties"]]


def another(value: Any) -> Any:
    """Of the same kind, but not the same."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value[:2] == "20" and value.endswith("Z"):
            return "2020-02-20T20:20:20Z"
        case list():
            return [*value, "more"]
        case dict():
            return {**value, "more": 1}
    return f"{value}x"


def test_what_was_read_is_taken_back_and_changes_nothing(api: Client, path: str, monkeypatch: Any) -> None:
    clock = Later()
    monkeypatch.setattr(base, "clock", lambda: clock)
    for write in (str, as_others_write_it):
        clock.seconds += 5
        shown = api.get(path)
        again = api.put(path, write(shown.text))
        assert again.status == 200, again.text
        assert without_update(again.json) == without_update(shown.json)
        assert again.json["updatedAt"] > shown.json["updatedAt"]
        assert api.get(path).json == again.json


def as_others_write_it(text: str) -> str:
    """With milliseconds, an offset, and null for what is absent."""
    return json.dumps(json.loads(re.sub(r'(:\d\d)Z"', r'\1.000+00:00"', text)) | {"deletedAt": None})


def test_what_cannot_be_changed_and_differs_is_refused_by_name(api: Client, path: str) -> None:
    shown = json.loads(api.get(path).text)
    fixed = read_only(path, shown)
    assert {"createdAt", "updatedAt"} <= set(fixed)
    for name in fixed:
        for value in (another(shown[name]), None):
            answer = api.put(path, shown | {name: value})
            assert (answer.status, answer.fields) == (400, [name]), answer.text
            assert "read_only" in answer.text
    both = api.put(path, shown | {"createdAt": "2020-02-20T20:20:20Z", "updatedAt": "x"})
    assert sorted(both.fields) == ["createdAt", "updatedAt"]
    gone = api.put(path, shown | {"deletedAt": "2020-02-20T20:20:20Z"})
    assert (gone.status, gone.fields) == (400, ["deletedAt"])
    assert json.loads(api.get(path).text) == shown, "nothing was written"


def test_what_nobody_knows_is_unknown_still(api: Client, path: str) -> None:
    shown = json.loads(api.get(path).text)
    answer = api.put(path, shown | {"surprise": 1})
    assert (answer.status, answer.fields) == (400, ["surprise"])
    changed = api.put(path, shown | {"metadata": {"new": "one"}})
    assert (changed.status, changed.json["metadata"]) == (200, {"new": "one"})


def test_who_read_before_another_changed_it_is_told(api: Client, path: str, monkeypatch: Any) -> None:
    before, clock = api.get(path).text, Later()
    monkeypatch.setattr(base, "clock", lambda: clock)
    assert api.put(path, before).status == 200
    late = api.put(path, before)
    assert (late.status, late.fields) == (400, ["updatedAt"])


@pytest.mark.parametrize("template", EVERY_PUT)
def test_a_whole_answer_for_what_does_not_exist_is_not_found(api: Client, template: str) -> None:
    nowhere = template.replace("{", "").replace("}", "")
    body = {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "createdAt": "2026-01-01T00:00:00Z", "deletedAt": None}
    assert api.put(nowhere, body).status in {400, 404}


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "[1]"])
def test_a_body_that_is_no_object_is_refused_as_before(api: Client, body: str) -> None:
    a_meter(api)
    assert api.put("/api/v1/meters/tokens", body).status == 400
