"""Customers over HTTP: names are unique while they are used, and a full replacement moves them in one step."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from functions.application.ports.subscriptions import Tenure, Tenures
from functions.handlers.wiring import subscriptions
from tests.domain.builders import at
from tests.handlers.gateway import Client

ACME = {
    "name": "Acme, Inc.",
    "key": "acme",
    "usageAttribution": {"subjectKeys": ["acme-eu", "acme-us"]},
    "primaryEmail": "billing@acme.example",
    "currency": "EUR",
    "billingAddress": {"country": "DE", "city": "Köln", "postalCode": "50667", "line1": "Domkloster 4"},
    "metadata": {"tier": "gold"},
    "description": "Our first customer",
}


def test_a_customer_is_answered_as_asked_and_found_by_id_and_key(api: Client) -> None:
    created = api.post("/api/v1/customers", ACME)
    assert created.status == 201, created.text
    customer = created.json
    assert {name: customer[name] for name in ACME} == ACME
    assert len(customer["id"]) == 26 and customer["createdAt"] == customer["updatedAt"]
    assert api.get(f"/api/v1/customers/{customer['id']}").json == customer
    assert api.get("/api/v1/customers/acme").json == customer


@pytest.mark.parametrize("key", ["with space", "ünïcödé 🚀", "a/b", "x" * 256, "🚀" * 256, "50%", "a#b", '"', "\x01"])
def test_any_text_can_be_a_customer_key(api: Client, key: str) -> None:
    customer = api.post("/api/v1/customers", {"name": "n", "key": key}).json
    assert customer["key"] == key
    again = api.post("/api/v1/customers", {"name": "n", "key": key})
    assert (again.status, again.fields) == (409, ["key"])


@pytest.mark.parametrize(
    "key", ["with space", "ünïcödé", "a@b.c", "50%", "o\u2019neil", '"', "a#b", "?", "🚀", "\u00a0"]
)
def test_a_key_in_a_path_may_be_encoded_or_not(api: Client, key: str) -> None:
    customer = api.post("/api/v1/customers", {"name": "n", "key": key}).json
    for sent in (key, quote(key, safe="")):
        assert api.get(f"/api/v1/customers/{sent}").json == customer
        assert api.get(f"/api/v1/customers/{sent}/attribution").json["totalCount"] == 1
        assert api.get(f"/api/v1/customers/{sent}/subscriptions").status == 200


def test_a_subject_belongs_to_one_customer_and_a_key_is_a_subject_too(api: Client) -> None:
    api.post("/api/v1/customers", ACME)

    def status(**body: Any) -> tuple[int, list[str]]:
        response = api.post("/api/v1/customers", {"name": "n"} | body)
        return response.status, response.fields

    assert status(usageAttribution={"subjectKeys": ["acme-eu"]}) == (409, ["usageAttribution.subjectKeys"])
    assert status(usageAttribution={"subjectKeys": ["acme"]}) == (409, ["usageAttribution.subjectKeys"])
    assert status(key="acme-us") == (409, ["usageAttribution.subjectKeys"])
    assert status(key="acme-asia", usageAttribution={"subjectKeys": ["acme-asia", "x", "x"]}) == (201, [])
    assert api.get("/api/v1/customers").json["totalCount"] == 2


def test_nothing_of_a_refused_customer_stays(api: Client) -> None:
    api.post("/api/v1/customers", {"name": "n", "key": "taken"})
    refused = {"name": "m", "key": "free", "usageAttribution": {"subjectKeys": ["taken"]}}
    assert api.post("/api/v1/customers", refused).status == 409
    assert api.post("/api/v1/customers", {"name": "m", "key": "free"}).status == 201


def test_a_replacement_frees_and_takes_names(api: Client) -> None:
    customer = api.post("/api/v1/customers", ACME).json
    replaced = api.put("/api/v1/customers/acme", {"name": "Acme", "key": "acme-2"})
    assert replaced.status == 200
    assert replaced.json["id"] == customer["id"]
    assert not {"primaryEmail", "metadata", "usageAttribution"} & set(replaced.json)
    assert api.get("/api/v1/customers/acme").status == 404
    assert api.get("/api/v1/customers/acme-2").json == replaced.json
    assert api.post("/api/v1/customers", ACME).status == 201
    assert api.put("/api/v1/customers/acme-2", {"name": "Acme", "key": "acme"}).status == 409
    assert api.put("/api/v1/customers/acme-2", {"name": "Same", "key": "acme-2"}).json["name"] == "Same"
    assert api.put("/api/v1/customers/nobody", {"name": "n"}).status == 404


def test_a_deleted_customer_is_kept_but_frees_its_names(api: Client) -> None:
    customer = api.post("/api/v1/customers", ACME).json
    assert api.delete("/api/v1/customers/acme").status == 204
    assert api.get("/api/v1/customers/acme").status == 404
    assert "deletedAt" in api.get(f"/api/v1/customers/{customer['id']}").json
    assert api.get("/api/v1/customers").json["items"] == []
    assert api.get("/api/v1/customers", "includeDeleted=true").json["totalCount"] == 1
    assert api.delete(f"/api/v1/customers/{customer['id']}").status == 404
    assert api.put(f"/api/v1/customers/{customer['id']}", {"name": "n"}).status == 404
    assert api.post("/api/v1/customers", ACME).status == 201


def test_a_customer_with_a_running_subscription_stays(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Subscribed:
        def tenures(self, tenant: str, customer_id: str) -> Tenures:
            over = Tenure("01ARZ3NDEKTSV4RRFFQ69G5FAA", at("2020-01-01"), at("2020-02-01"))
            running = Tenure("01ARZ3NDEKTSV4RRFFQ69G5FAV", at("2026-01-01"), None)
            coming = Tenure("01ARZ3NDEKTSV4RRFFQ69G5FAB", at("2190-01-01"), None)
            return Tenures((over, coming, running), 1)

    api.post("/api/v1/customers", ACME)
    monkeypatch.setattr(subscriptions, "subscriptions", Subscribed)
    assert api.delete("/api/v1/customers/acme").status == 409
    assert api.get("/api/v1/customers/acme").json["currentSubscriptionId"] == "01ARZ3NDEKTSV4RRFFQ69G5FAV"


FILTERS = [
    ("key=CM", ["acme"]),
    ("name=inc", ["acme"]),
    ("primaryEmail=ACME.example", ["acme"]),
    ("subject=us", ["acme"]),
    ("name=e", ["acme", "beta"]),
    ("name=e&key=beta", ["beta"]),
    ("subject=zzz", []),
    ("order=DESC", ["beta", "acme"]),
    ("orderBy=name&order=DESC", ["beta", "acme"]),
    ("orderBy=createdAt", ["acme", "beta"]),
    ("page=2&pageSize=1", ["beta"]),
    ("page=1000000&pageSize=1000", []),
]


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_customers_are_filtered_ordered_and_paged(api: Client, query: str, expected: list[str]) -> None:
    api.post("/api/v1/customers", ACME)
    api.post("/api/v1/customers", {"name": "Beta", "key": "beta"})
    listed = api.get("/api/v1/customers", query)
    assert [customer["key"] for customer in listed.json["items"]] == expected


def test_a_filter_that_is_not_supported_is_refused_rather_than_ignored(api: Client) -> None:
    assert api.get("/api/v1/customers", "planKey=pro").fields == ["planKey"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "name"),
    ({"name": None}, "name"),
    ({"key": ""}, "key"),
    ({"key": "x" * 257}, "key"),
    ({"key": 5}, "key"),
    ({"usageAttribution": {}}, "usageAttribution.subjectKeys"),
    ({"usageAttribution": {"subjectKeys": [""]}}, "usageAttribution.subjectKeys[0]"),
    ({"usageAttribution": {"subjectKeys": [f"s{n}" for n in range(91)]}}, "usageAttribution.subjectKeys"),
    ({"primaryEmail": "nobody"}, "primaryEmail"),
    ({"currency": "eur"}, "currency"),
    ({"currency": "XXX"}, "currency"),
    ({"billingAddress": {"country": "Germany"}}, "billingAddress.country"),
    ({"billingAddress": {"planet": "Earth"}}, "billingAddress.planet"),
    ({"metadata": {"k": "x" * 501}}, "metadata"),
    ({"id": "mine"}, "id"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[f"{field}-{n}" for n, (_, field) in enumerate(WRONG)])
def test_a_wrong_customer_is_refused_by_field(api: Client, change: dict[str, Any], field: str) -> None:
    response = api.post("/api/v1/customers", ACME | change)
    assert response.status == 400, response.text
    assert field in response.fields


def test_the_most_subjects_fit_and_can_all_be_exchanged_in_two_steps(api: Client) -> None:
    many = {"name": "n", "key": "k", "usageAttribution": {"subjectKeys": [f"a{n}" for n in range(90)]}}
    others = many | {"usageAttribution": {"subjectKeys": [f"b{n}" for n in range(90)]}}
    assert api.post("/api/v1/customers", many).status == 201
    assert api.put("/api/v1/customers/k", others).status == 400
    assert api.put("/api/v1/customers/k", {"name": "n", "key": "k"}).status == 200
    assert api.put("/api/v1/customers/k", others).status == 200
    assert api.post("/api/v1/customers", {"name": "m", "key": "a5"}).status == 201


def test_of_those_who_want_a_key_at_once_one_gets_it(api: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        bodies = [{"name": f"n{n}", "key": "same"} for n in range(8)]
        statuses = sorted(pool.map(lambda body: api.post("/api/v1/customers", body).status, bodies))
    assert statuses == [201] + [409] * 7


def test_a_tenant_never_sees_anothers_customers(api: Client) -> None:
    customer = api.post("/api/v1/customers", ACME).json
    stranger = api.acting_as("admin", "other")
    assert stranger.get(f"/api/v1/customers/{customer['id']}").status == 404
    assert stranger.get("/api/v1/customers/acme").status == 404
    assert stranger.put("/api/v1/customers/acme", {"name": "mine"}).status == 404
    assert stranger.delete("/api/v1/customers/acme").status == 404
    assert stranger.post("/api/v1/customers", ACME).status == 201
    assert api.acting_as("read operator").get("/api/v1/customers", "tenant=other").json["totalCount"] == 1
