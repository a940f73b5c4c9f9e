"""What a gateway asks: the shapes of OpenMeter's third version, over HTTP, at both of its paths."""

from collections.abc import Callable
from typing import Any

import pytest

from functions.application.entitlements import query_access
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.subscriptions.meter_references import MeterReferences
from functions.domain.errors import Unavailable
from tests.conftest import DynamoDb
from tests.handlers.entitlements.asking import QUERY, add_customer, ask, codes, names, send
from tests.handlers.entitlements.shop import Shop, open_shop
from tests.handlers.gateway import Client

CONSUMER = "1f6a2c"
RESETS_AT = "2026-12-01T00:00:00Z"


@pytest.fixture
def shop(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return open_shop(api, dynamodb, monkeypatch)


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize("at", ["/v3/openmeter", "/api/v3/openmeter"])
def test_both_of_the_shapes_that_gateways_ask_for(shop: Shop, at: str) -> None:
    add_customer(shop.api, CONSUMER, CONSUMER)
    shop.entitle(issueAfterReset=100)
    shop.use(121)
    one = shop.api.get(f"{at}/customers/{shop.ids['acme']}/entitlement-access")
    assert (one.status, one.json) == (
        200,
        {"data": [{"feature_key": "tokens", "has_access": False, "type": "metered"}]},
    )
    shop.wait(seconds=7)
    answer = ask(shop.api, ["acme", f"consumer:{CONSUMER}", "nobody"], ["tokens", "sso", "tea"], f"{at}{QUERY[17:]}")
    acme, consumer = answer["data"]
    assert acme["features"] == {
        "tokens": {
            "has_access": False,
            "reason": {
                "code": "usage_limit_reached",
                "message": "All 100 of this usage period are used.",
                "attributes": {"usage": "121", "total_available": "100", "overage": "21", "resets_at": RESETS_AT},
            },
        },
        "sso": {
            "has_access": False,
            "reason": {
                "code": "feature_unavailable",
                "message": "The customer has no active entitlement to the feature.",
            },
        },
        "tea": {
            "has_access": False,
            "reason": {"code": "feature_not_found", "message": "There is no feature with this key."},
        },
    }
    assert acme["updated_at"] == consumer["updated_at"] == shop.now()
    assert codes(consumer) == {
        "tokens": "feature_unavailable",
        "sso": "feature_unavailable",
        "tea": "feature_not_found",
    }
    assert (acme["matched"], consumer["matched"]) == (["acme"], [f"consumer:{CONSUMER}"])
    assert answer["errors"] == [
        {"code": "customer_not_found", "message": "No customer has this key or subject.", "customer": "nobody"}
    ]
    first = f"{at}{QUERY[17:]}?page%5Bsize%5D=100"
    assert answer["meta"] == {"page": {"size": 100, "first": first, "previous": None, "next": None}}


def test_a_customer_is_shown_in_snake_case(shop: Shop) -> None:
    known = {
        "description": "A shop",
        "primaryEmail": "a@b.example",
        "currency": "EUR",
        "billingAddress": {"country": "DE", "postalCode": "10115", "phoneNumber": "1"},
        "metadata": {"tier": "gold", "kong.x": "no", "note": "no label: it has blanks"},
    }
    made = add_customer(shop.api, "fern", "fern-eu", **known)
    (found,) = ask(shop.api, ["fern"], ["sso"])["data"]
    assert found["customer"] == {
        "id": made,
        "key": "fern",
        "name": "fern",
        "description": "A shop",
        "labels": {"tier": "gold"},
        "primary_email": "a@b.example",
        "currency": "EUR",
        "billing_address": {"country": "DE", "postal_code": "10115", "phone_number": "1"},
        "usage_attribution": {"subject_keys": ["fern-eu"]},
        "created_at": shop.now(),
        "updated_at": shop.now(),
    }


def test_aliases_and_duplicates_of_a_customer_are_one_entry(shop: Shop) -> None:
    asked = ["acme-eu", "nobody", "acme", "globex", "consumer:acme-us", "acme", "nobody", "acme-eu"]
    answer = ask(shop.api, asked, ["sso", "sso"])
    assert names(answer) == ["acme", "globex"]
    assert [each["matched"] for each in answer["data"]] == [["acme-eu", "acme", "consumer:acme-us"], ["globex"]]
    assert [each["customer"] for each in answer["errors"]] == ["nobody"]


def test_a_consumer_is_looked_up_as_it_is_written_first(shop: Shop) -> None:
    add_customer(shop.api, "consumer:acme")
    answer = ask(shop.api, ["consumer:acme", "consumer:globex", "consumer:", "consumer:consumer:acme"], ["sso"])
    assert names(answer) == ["consumer:acme", "globex"]
    assert answer["data"][0]["matched"] == ["consumer:acme", "consumer:consumer:acme"]
    assert [each["customer"] for each in answer["errors"]] == ["consumer:"]


def test_a_customer_without_a_key_is_shown_with_a_subject(shop: Shop) -> None:
    add_customer(shop.api, None, "s-1", "s-2")
    assert names(ask(shop.api, ["s-2"], ["sso"])) == ["s-1"]


def test_equal_keys_of_two_tenants_never_mix(shop: Shop) -> None:
    other = shop.api.acting_as("admin", "other")
    theirs = add_customer(other, "acme", "acme")
    assert other.post("/api/v1/features", {"key": "sso", "name": "SSO"}).status == 201
    made = other.post("/api/v2/customers/acme/entitlements", {"type": "boolean", "featureKey": "sso"})
    assert made.status == 201, made.text
    shop.entitle(issueAfterReset=5)
    (ours,) = ask(shop.api, ["acme"])["data"]
    assert (ours["customer"]["id"], codes(ours)["sso"], codes(ours)["tokens"]) == (
        shop.ids["acme"],
        "feature_unavailable",
        None,
    )
    answer = ask(other, ["acme", "acme-eu", "globex"])
    (found,) = answer["data"]
    assert (found["customer"]["id"], codes(found)) == (theirs, {"sso": None})
    assert [each["customer"] for each in answer["errors"]] == ["acme-eu", "globex"]
    assert codes(ask(other, ["acme"], ["tokens"])["data"][0]) == {"tokens": "feature_not_found"}
    assert other.get(f"/v3/openmeter/customers/{shop.ids['acme']}/entitlement-access").status == 404


def test_a_yes_a_configuration_and_a_soft_limit_give_access(shop: Shop) -> None:
    static = {"type": "static", "featureKey": "sso", "config": '{"seats": 5}'}
    assert shop.api.post("/api/v2/customers/acme/entitlements", static).status == 201
    yes = {"type": "boolean", "featureKey": "seats"}
    assert shop.api.post("/api/v2/customers/acme/entitlements", yes).status == 201
    shop.entitle(isSoftLimit=True, issueAfterReset=0)
    shop.use(5)
    (found,) = ask(shop.api, ["acme"], ["sso", "seats", "tokens"], include_credits=True)["data"]
    assert found["features"] == {key: {"has_access": True} for key in ("sso", "seats", "tokens")}
    listed = shop.api.get("/v3/openmeter/customers/acme/entitlement-access").json["data"]
    assert {"feature_key": "sso", "has_access": True, "type": "static", "config": '{"seats": 5}'} in listed
    assert {each["feature_key"]: each["type"] for each in listed} == {
        "sso": "static",
        "seats": "boolean",
        "tokens": "metered",
    }


def test_without_features_all_that_are_not_archived_are_answered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    features = shop.api.get("/api/v1/features").json
    kept = {each["key"] for each in features}
    assert shop.api.post("/api/v1/features", {"key": "old", "name": "Old"}).status == 201
    assert shop.api.post("/api/v2/customers/acme/entitlements", {"type": "boolean", "featureKey": "old"}).status == 201
    assert shop.api.delete("/api/v1/features/old").status == 204
    acme, globex = ask(shop.api, ["acme", "globex"])["data"]
    assert acme["features"].keys() == globex["features"].keys() == kept
    acme, globex = ask(shop.api, ["acme", "globex"], ["old"])["data"]
    assert (codes(acme), codes(globex)) == ({"old": None}, {"old": "feature_not_found"})
    monkeypatch.setattr(query_access, "MAX_FEATURES", len(kept) - 1)
    refused = send(shop.api, ["acme"])
    assert (refused.status, refused.fields) == (400, ["feature"])


def test_more_features_than_are_looked_up_one_by_one(shop: Shop) -> None:
    shop.entitle(issueAfterReset=5)
    asked = [f"f{n}" for n in range(30)]
    acme, globex = ask(shop.api, ["acme", "globex"], [*asked, "tokens"])["data"]
    assert codes(acme) == {**dict.fromkeys(asked, "feature_not_found"), "tokens": None}
    assert codes(globex)["tokens"] == "feature_unavailable"


def test_a_customer_who_was_deleted_is_not_found(shop: Shop) -> None:
    assert shop.api.delete("/api/v1/customers/acme").status == 204
    answer = ask(shop.api, ["acme", "acme-eu", "globex"], ["tokens"])
    assert names(answer) == ["globex"]
    assert [each["customer"] for each in answer["errors"]] == ["acme", "acme-eu"]
    for known_as in ("acme", shop.ids["acme"], "nobody"):
        assert shop.api.get(f"/v3/openmeter/customers/{known_as}/entitlement-access").status == 404


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"customer": {"keys": []}}, "customer.keys", "invalid"),
    ({"customer": {"keys": [f"c{n}" for n in range(101)]}}, "customer.keys", "invalid"),
    ({"customer": {"keys": ["a"]}, "feature": {"keys": []}}, "feature.keys", "invalid"),
    ({"customer": {"keys": ["a"]}, "feature": {"keys": [f"f{n}" for n in range(101)]}}, "feature.keys", "invalid"),
    ({"customer": {"keys": [1]}}, "customer.keys[0]", "type"),
    ({"customer": {}}, "customer.keys", "required"),
    ({}, "customer", "required"),
    ({"customer": {"keys": ["a"]}, "includeCredits": True}, "includeCredits", "unknown_property"),
    ({"customer": {"keys": ["a"]}, "include_credits": "yes"}, "include_credits", "type"),
]


@pytest.mark.parametrize(("body", "field", "rule"), WRONG)
def test_a_wrong_question_is_refused_as_openmeter_refuses_it(
    api: Client, body: dict[str, Any], field: str, rule: str
) -> None:
    for path in (QUERY, QUERY.removeprefix("/api")):
        refused = api.post(path, body)
        assert (refused.status, refused.content_type, refused.fields) == (400, "application/problem+json", [field])
        (told,) = refused.json["invalid_parameters"]
        assert (told["field"], told["rule"], bool(told["reason"])) == (field, rule, True)
        assert {"status", "title", "detail", "instance"} <= refused.json.keys()


def test_a_refusal_of_no_field_names_the_whole_request(api: Client) -> None:
    refused = api.post(QUERY, "{")
    assert (refused.status, [each["field"] for each in refused.json["invalid_parameters"]]) == (400, ["$"])
    assert "invalid_parameters" not in api.post("/api/v1/features", "{").json
    assert "invalid_parameters" not in api.get("/v3/openmeter/customers/nobody/entitlement-access").json


def test_a_meter_that_is_gone_leaves_the_other_answers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that somebody let go who did not know of entitlements."""
    monkeypatch.setattr(MeterReferences, "require_none", lambda *_: None)
    for feature in ("peak", "tokens"):
        shop.entitle(featureKey=feature, issueAfterReset=1)
    assert shop.api.delete("/api/v1/features/peak").status == 204
    assert shop.api.delete("/api/v1/meters/peak").status == 204
    (found,) = ask(shop.api, ["acme"], ["peak", "tokens"])["data"]
    assert codes(found) == {"peak": "unknown", "tokens": None}


def test_what_takes_hours_leaves_the_other_answers_and_what_helps_soon_is_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.entitle(issueAfterReset=1)
    for code, status in (("backfill_not_done", 200), ("unavailable", 503)):
        waiting = Unavailable("Later.", retry_after_seconds=60, code=code)
        monkeypatch.setattr(UsageReader, "require_whole", raising(waiting))
        answer = send(shop.api, ["acme"], ["tokens"])
        assert answer.status == status
        if status == 200:
            assert codes(answer.json["data"][0]) == {"tokens": "unknown"}


def test_it_takes_the_scope_to_read(shop: Shop) -> None:
    assert send(shop.api.acting_as("read"), ["acme"], ["sso"]).status == 200
    assert send(shop.api.acting_as("ingest"), ["acme"], ["sso"]).status == 403
