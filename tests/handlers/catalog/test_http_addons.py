from typing import Any

import pytest
from openmeter._generated import models

from tests.application.billing.world import ACME, World
from tests.domain.builders import at, draft, flat, phase, unit
from tests.domain.catalog.test_addon import addon_draft, free
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

ADDONS = "/api/v1/addons"
# The package wants to read when the next change takes effect, which is a question and has no answer.
TIMING = ["$.timing is missing"]


def published(client: Client, *cards: dict[str, Any], **changed: Any) -> str:
    made = client.post(ADDONS, addon_draft(*cards, **changed))
    assert made.status == 201, made.text
    addon_id: str = made.json["id"]
    assert client.post(f"{ADDONS}/{addon_id}/publish").status == 200
    return addon_id


def assign(client: Client, plan_id: str, addon_id: str, **terms: Any) -> Response:
    return client.post(f"/api/v1/plans/{plan_id}/addons", {"addonId": addon_id, "fromPlanPhase": "main"} | terms)


def subscribe(client: Client) -> str:
    body = {"plan": {"key": "pro"}, "customerId": ACME, "timing": "2026-05-01T00:00:00Z"}
    return f"/api/v1/subscriptions/{client.post('/api/v1/subscriptions', body).json['id']}"


def buy(client: Client, of: str, addon_id: str, quantity: int = 1, timing: str = "immediate") -> Response:
    body = {"name": "More", "quantity": quantity, "timing": timing, "addon": {"id": addon_id}}
    return client.post(f"{of}/addons", body)


def fees(world: World, as_of: str) -> list[tuple[str, int]]:
    return [(line.name, line.total_minor) for record in world.issue(as_of).invoices for line in record.invoice.lines]


def test_an_add_on_lives_its_life(client: Client) -> None:
    made = client.post(ADDONS, addon_draft(flat("5"), free({"type": "metered", "issueAfterReset": 10})))
    assert (made.status, made.json["status"], made.json["version"]) == (201, "draft", 1), made.text
    assert problems(models.Addon, made.json) == []
    of = f"{ADDONS}/{made.json['id']}"
    update = {name: value for name, value in addon_draft(flat("6")).items() if name not in ("key", "currency")}

    assert client.put(of, update).json["rateCards"][0]["price"]["amount"] == "6"
    assert client.post(f"{of}/publish").json["status"] == "active"
    assert client.put(of, update).status == 409
    second = client.post(ADDONS, addon_draft(flat("7"))).json
    assert client.get(f"{ADDONS}/more").json["version"] == 1
    assert client.get(f"{ADDONS}/more", {"includeLatest": "true"}).json["version"] == 2
    assert client.delete(f"{ADDONS}/{second['id']}").status == 204
    assert client.post(f"{of}/archive").json["status"] == "archived"
    page = client.get(ADDONS, {"status": "archived", "key": "more"})
    assert page.json["totalCount"] == 1
    assert [problems(models.Addon, each) for each in page.json["items"]] == [[]]


def test_add_ons_are_assigned_to_plans_and_come_along_to_the_next_version(client: Client, world: World) -> None:
    plan = world.plan()
    addon_id = published(client)

    made = assign(client, plan.id, addon_id)
    assert made.status == 201, made.text
    assert problems(models.PlanAddon, made.json) == []
    assert assign(client, plan.id, addon_id).status == 409
    of = f"/api/v1/plans/{plan.id}/addons/more"
    assert client.put(of, {"fromPlanPhase": "main", "metadata": {"a": "b"}}).json["metadata"] == {"a": "b"}
    following = client.post("/api/v1/plans/pro/next").json["id"]
    page = client.get(f"/api/v1/plans/{following}/addons")
    assert [each["addon"]["id"] for each in page.json["items"]] == [addon_id]
    assert problems(models.PlanAddonPaginatedResponse, page.json) == []
    assert client.delete(of).status == 204
    assert client.get(of).status == 404
    assert client.get(f"/api/v1/plans/{plan.id}/addons", {"includeDeleted": "true"}).json["totalCount"] == 1


def test_an_add_on_is_bought_changed_and_ended_and_its_fee_is_part_of_the_item(client: Client, world: World) -> None:
    plan = world.plan(phase(flat("31"), unit("0.01")))
    addon_id = published(client, flat("3.10"), instanceType="multiple")
    assign(client, plan.id, addon_id, maxQuantity=5)
    of = subscribe(client)
    world.pays_at_once = True
    assert fees(world, "2026-05-01") == [("Fee", 3100)]
    world.clock.time = at("2026-05-16")

    assert buy(client, of, addon_id, 6).status == 400
    made = buy(client, of, addon_id, 2)
    assert made.status == 201, made.text
    assert problems(models.SubscriptionAddon, made.json) == TIMING
    assert buy(client, of, addon_id).status == 409
    # Sixteen of 31 days: the fee of 31.00 becomes one of 37.20.
    assert fees(world, "2026-05-16") == [("Fee (unused time)", -1600), ("Fee", 1920)]

    mine = f"{of}/addons/{made.json['id']}"
    more = client.call("PATCH", mine, {"quantity": 5, "timing": "next_billing_cycle"})
    assert (more.status, more.json["quantity"]) == (200, 2)
    assert [each["quantity"] for each in more.json["timeline"]] == [2, 5]
    assert fees(world, "2026-06-01") == [("Fee", 4650), ("Tokens", 3100)]
    world.clock.time = at("2026-06-16")
    ended = client.call("PATCH", mine, {"quantity": 0, "timing": "immediate"}).json
    assert ended["activeTo"] == "2026-06-16T00:00:00Z"
    assert problems(models.SubscriptionAddon, client.get(mine).json) == TIMING
    assert fees(world, "2026-06-16") == [("Fee (unused time)", -2325), ("Fee", 1550)]
    timeline = client.get(of).json["phases"][0]["itemTimelines"]["fee"]
    assert [each["price"]["amount"] for each in timeline] == ["31", "37.20", "46.50", "31"]
    assert client.get(f"{of}/addons").json[0]["rateCards"][0]["affectedSubscriptionItemIds"] == [
        timeline[1]["id"],
        timeline[2]["id"],
    ]


def test_edits_and_add_ons_go_together_in_either_order(client: Client, world: World) -> None:
    plan = world.plan(phase(flat("10"), unit()))
    addon_id = published(client, flat("5"), flat("1", key="seat"))
    assign(client, plan.id, addon_id)
    of = subscribe(client)
    world.clock.time = at("2026-05-10")
    assert buy(client, of, addon_id).status == 201
    edit = {"op": "add_item", "phaseKey": "main", "rateCard": flat("20")}

    assert client.call("PATCH", of, {"customizations": [edit]}).status == 200

    phases = client.get(of).json["phases"]
    shown = {item["key"]: item["price"]["amount"] for item in phases[0]["items"]}
    assert shown == {"fee": "25", "tokens": "0.5", "seat": "1"}
    mine = client.get(f"{of}/addons").json[0]["id"]
    world.clock.time = at("2026-05-20")
    client.call("PATCH", f"{of}/addons/{mine}", {"quantity": 0})
    phases = client.get(of).json["phases"]
    assert {item["key"]: item["price"]["amount"] for item in phases[0]["items"]} == {"fee": "20", "tokens": "0.5"}
    assert buy(client, of, addon_id).status == 201


def test_an_add_on_of_a_later_phase_is_bought_when_it_has_come(client: Client, world: World) -> None:
    plan = world.plan(phase(flat(), key="trial", duration="P1M"), phase(flat(), key="main"))
    addon_id = published(client)
    assign(client, plan.id, addon_id)
    of = subscribe(client)

    assert buy(client, of, addon_id).status == 409
    assert buy(client, of, addon_id, timing="next_billing_cycle").status == 201
    assert buy(client, of, "nope").status == 404
    assert client.get(f"{of}/addons/nope").status == 404


@pytest.mark.parametrize(
    "card",
    [
        free({"type": "metered", "issueAfterReset": 999_999_999_999_999_999}),
        flat("9999999999.99", key="seat"),
    ],
    ids=["allowance", "fee"],
)
def test_more_of_an_add_on_than_anything_can_say_is_refused(client: Client, world: World, card: dict[str, Any]) -> None:
    plan = world.plan()
    addon_id = published(client, card, instanceType="multiple")
    assert assign(client, plan.id, addon_id).status == 201
    of = subscribe(client)

    answer = buy(client, of, addon_id, 1_000_000)

    assert (answer.status, answer.json["detail"].startswith("With so many add-ons")) == (400, True), answer.text
    assert client.get(of).status == 200
    assert buy(client, of, addon_id, 1).status == 201
    assert client.get(of).status == 200


def test_free_units_of_several_add_ons_can_be_read_again(client: Client, world: World) -> None:
    plan = world.plan(phase(flat()))
    most = {"discounts": {"usage": {"quantity": "999999999999999999"}}}
    first = published(client, unit() | most)
    second = published(client, free() | {"discounts": None}, key="other")
    for each in (first, second):
        assert assign(client, plan.id, each).status == 201
    of = subscribe(client)

    assert [buy(client, of, each).status for each in (first, second)] == [201, 201]
    assert client.get(of).status == 200


def test_add_ons_come_along_to_the_newer_version_that_sells_them(client: Client, world: World) -> None:
    world.pays_at_once = True
    plan = world.plan(phase(flat("31"), unit("0.01")))
    addon_id = published(client, flat("3.10"), flat("50", key="once", cadence=None), instanceType="multiple")
    assign(client, plan.id, addon_id, maxQuantity=5)
    of = subscribe(client)
    world.clock.time = at("2026-05-16")
    assert buy(client, of, addon_id, 2).status == 201
    assert ("Once", 10_000) in fees(world, "2026-05-16")
    newer = world.plan(phase(flat("31"), unit("0.01")))

    refused = client.post(f"{of}/migrate")
    assert (refused.status, refused.json["extensions"]["validationErrors"][0]["field"]) == (409, "dropAddons"), (
        refused.text
    )
    assert "'more'" in refused.json["detail"]
    assign(client, newer.id, addon_id)
    migrated = client.post(f"{of}/migrate").json["next"]

    (addon,) = client.get(f"/api/v1/subscriptions/{migrated['id']}/addons").json
    assert (addon["addon"]["key"], addon["quantity"]) == ("more", 2)
    assert [item["price"]["amount"] for item in migrated["phases"][0]["items"] if item["key"] == "fee"] == ["37.20"]
    assert not any(minor == 10_000 for _, minor in fees(world, "2026-06-01")), "what is owed once is not owed again"


def test_a_change_of_plan_takes_add_ons_along_or_names_those_that_would_be_lost(client: Client, world: World) -> None:
    world.pays_at_once = True
    plan = world.plan(phase(flat("31"), unit("0.01")))
    addon_id = published(client, flat("3.10"), instanceType="multiple")
    assign(client, plan.id, addon_id, maxQuantity=5)
    of = subscribe(client)
    world.clock.time = at("2026-05-16")
    assert buy(client, of, addon_id, 2).status == 201
    other = world.plan(phase(flat("62"), unit("0.01")), key="team")
    to_team = {"timing": "immediate", "plan": {"key": "team"}}
    own = {name: value for name, value in draft(phase(flat("3"))).items() if name != "key"}

    for body in (to_team, {"timing": "immediate", "customPlan": own}):
        refused = client.post(f"{of}/change", body)
        assert refused.status == 409, refused.text
        assert refused.json["extensions"]["validationErrors"][0]["field"] == "dropAddons"
    looked = client.post(f"{of}/change/preview", to_team | {"dropAddons": ["more"]}).json
    assert {"type": "addon", "key": "more"} in looked["lost"]
    assign(client, other.id, addon_id)
    changed = client.post(f"{of}/change", to_team).json["next"]
    (addon,) = client.get(f"/api/v1/subscriptions/{changed['id']}/addons").json
    assert (addon["addon"]["key"], addon["quantity"]) == ("more", 2)
    assert [item["price"]["amount"] for item in changed["phases"][0]["items"] if item["key"] == "fee"] == ["68.20"]


def test_an_add_on_that_is_not_sold_any_more_can_be_left_behind(client: Client, world: World) -> None:
    plan = world.plan(phase(flat("31")))
    addon_id = published(client, flat("3.10"), instanceType="multiple")
    assign(client, plan.id, addon_id)
    of = subscribe(client)
    world.clock.time = at("2026-05-16")
    buy(client, of, addon_id)
    world.plan(phase(flat("31")))

    looked = client.post(f"{of}/migrate/preview", {"dropAddons": ["more"]}).json
    assert looked["lost"] == [{"type": "addon", "key": "more"}]
    migrated = client.post(f"{of}/migrate", {"dropAddons": ["more"]}).json["next"]
    assert client.get(f"/api/v1/subscriptions/{migrated['id']}/addons").json == []
