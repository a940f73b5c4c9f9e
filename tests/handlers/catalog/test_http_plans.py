from typing import Any

import pytest
from openmeter._generated.models import Plan

from tests.application.billing.world import World
from tests.domain.builders import at, draft, flat, phase, unit
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

PLANS = "/api/v1/plans"


def create(client: Client, *phases: dict[str, Any], **changed: Any) -> Response:
    return client.post(PLANS, draft(*phases, **changed))


def test_a_plan_is_created_published_and_read_by_the_genuine_package(client: Client) -> None:
    created = create(client, phase(flat(cadence=None), unit() | {"price": None}), description="d", metadata={"a": "b"})
    published = client.post(f"{PLANS}/{created.json['id']}/publish")
    by_key = client.get(f"{PLANS}/pro")

    assert (created.status, created.json["status"], created.json["version"]) == (201, "draft", 1)
    assert (published.status, published.json["status"]) == (200, "active")
    assert by_key.json == published.json
    for answer in (created, published, by_key):
        assert problems(Plan, answer.json) == []


def test_a_key_in_place_of_an_id_and_a_draft_asked_for_by_key_are_told_the_id(client: Client) -> None:
    draft_id = create(client, phase(flat())).json["id"]
    by_key, published = client.get(f"{PLANS}/pro"), client.post(f"{PLANS}/pro/publish")

    for answer, words in ((by_key, "publish its draft"), (published, "it is a key")):
        assert (answer.status, words in answer.json["detail"]) == (404, True)
        assert draft_id in answer.json["detail"]


def test_the_wire_keeps_prices_as_they_were_sent(client: Client) -> None:
    answer = create(client, phase(unit("0.0000025"), flat("10", term="in_arrears"))).json

    assert [card["price"] for card in answer["phases"][0]["rateCards"]] == [
        {"type": "unit", "amount": "0.0000025"},
        {"type": "flat", "amount": "10", "paymentTerm": "in_arrears"},
    ]


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"type": "tiered", "mode": "graduated", "tiers": []}, "must not be empty"),
        ({"type": "package", "amount": "1", "quantityPerPackage": "0"}, "quantityPerPackage must be more than 0"),
        ({"type": "bundle"}, "'flat', 'unit', 'tiered', 'dynamic', 'package'"),
        ({"type": "unit", "amount": "1", "minimumAmount": "10", "maximumAmount": "5"}, "at least the minimumAmount 10"),
    ],
)
def test_prices_that_cannot_be_charged_are_refused_with_what_would_be_right(
    client: Client, price: dict[str, str], words: str
) -> None:
    answer = create(client, phase(unit() | {"price": price}))

    assert answer.status == 400
    assert words in answer.json["detail"]
    assert "price" in answer.fields[0]


def test_parts_that_do_not_fit_are_named_by_their_path(client: Client) -> None:
    answer = create(client, phase(key="a"), phase(flat(cadence="P1W"), key="b"))

    assert (answer.status, answer.fields) == (400, ["phases[0].duration", "phases[1].rateCards[0].billingCadence"])


def test_a_second_draft_and_a_change_to_a_published_plan_conflict(client: Client) -> None:
    plan_id = create(client).json["id"]
    assert create(client).status == 409
    client.post(f"{PLANS}/{plan_id}/publish")
    update = {name: value for name, value in draft().items() if name not in ("key", "currency")}

    assert client.put(f"{PLANS}/{plan_id}", update).status == 409
    assert client.delete(f"{PLANS}/{plan_id}").status == 409
    assert client.post(f"{PLANS}/{plan_id}/archive").json["status"] == "archived"
    assert client.post(f"{PLANS}/{plan_id}/archive").status == 409


def test_a_draft_is_replaced_and_deleted(client: Client) -> None:
    plan_id = create(client).json["id"]
    update = {"name": "Next", "billingCadence": "P1M", "phases": [phase(flat("7"))]}

    assert client.put(f"{PLANS}/{plan_id}", update).json["name"] == "Next"
    assert client.delete(f"{PLANS}/{plan_id}").status == 204
    assert client.delete(f"{PLANS}/{plan_id}").status == 404
    assert client.get(PLANS).json["totalCount"] == 0
    assert client.get(PLANS, {"includeDeleted": "true"}).json["totalCount"] == 1


def test_lists_are_filtered_sorted_and_paged(client: Client, world: World) -> None:
    for key in ("alpha", "beta", "gamma"):
        world.clock.time = at("2026-05-01")
        plan_id = create(client, key=key).json["id"]
        if key != "beta":
            client.post(f"{PLANS}/{plan_id}/publish")
    create(client, key="gamma")

    def keys(**params: str) -> list[str]:
        return [f"{each['key']}{each['version']}" for each in client.get(PLANS, params).json["items"]]

    assert keys(orderBy="key") == ["alpha1", "beta1", "gamma1", "gamma2"]
    assert keys(orderBy="key", order="DESC", pageSize="2") == ["gamma2", "gamma1"]
    assert keys(status="draft", orderBy="key") == ["beta1", "gamma2"]
    assert keys(key="gamma", status="active") == ["gamma1"]
    assert keys(currency="EUR") == []
    assert keys(**{"keyVersion[gamma]": "2"}) == ["gamma2"]
    assert client.get(PLANS, {"status": "nope"}).status == 400
    page = client.get(PLANS).json
    assert [problem for item in page["items"] for problem in problems(Plan, item)] == []
    assert (page["page"], page["pageSize"], page["totalCount"]) == (1, 100, 4)


def test_the_latest_version_of_a_key_can_be_asked_for(client: Client) -> None:
    first = create(client).json["id"]
    client.post(f"{PLANS}/{first}/publish")
    second = create(client).json["id"]

    assert client.get(f"{PLANS}/pro").json["id"] == first
    assert client.get(f"{PLANS}/pro", {"includeLatest": "true"}).json["id"] == second
    assert client.get(f"{PLANS}/nothing").status == 404


def test_reading_needs_read_and_changing_needs_admin(client: Client) -> None:
    reader = client.acting_as("read")

    assert reader.get(PLANS).status == 200
    assert create(reader).status == 403
    assert client.acting_as("ingest").get(PLANS).status == 403


def test_tenants_do_not_see_each_other(client: Client) -> None:
    create(client)

    assert client.acting_as("admin", "other").get(f"{PLANS}/pro").status == 404


def test_the_check_against_the_genuine_package_notices_what_is_missing_at_any_depth(client: Client) -> None:
    answer = create(client).json
    del answer["version"], answer["phases"][0]["rateCards"][0]["billingCadence"]

    assert problems(Plan, answer) == [
        "$.version is missing",
        "$.phases[0].rateCards[0].billingCadence is missing",
    ]
