from typing import Any

import pytest
from openmeter._generated.models import Subscription, SubscriptionExpanded, SubscriptionPaginatedResponse

from tests.application.billing.world import ACME, GLOBEX, FakeCustomers, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

SUBSCRIPTIONS = "/api/v1/subscriptions"
OF_ACME = f"/api/v1/customers/{ACME}/subscriptions"


@pytest.fixture(autouse=True)
def published(world: World) -> None:
    world.plan(phase(unit(), key="trial", duration="P1M"), phase(flat(cadence=None, key="setup"), flat(), unit()))


def create(client: Client, **changed: Any) -> Response:
    return client.post(SUBSCRIPTIONS, {"plan": {"key": "pro"}, "customerId": ACME} | changed)


def test_a_subscription_is_created_and_read_by_the_genuine_package(client: Client) -> None:
    created = create(client, timing="2026-04-15T10:00:00Z", billingAnchor="2026-01-01T00:00:00Z", name="Acme")
    found = client.get(f"{SUBSCRIPTIONS}/{created.json['id']}")

    assert (created.status, created.json["status"], created.json["name"]) == (201, "active", "Acme")
    assert created.json["activeFrom"] == "2026-04-15T10:00:00Z"
    assert created.json["billingAnchor"] == "2026-04-01T00:00:00Z"
    assert problems(Subscription, created.json) == []
    assert problems(SubscriptionExpanded, found.json) == []
    assert [phase["key"] for phase in found.json["phases"]] == ["trial", "main"]
    assert found.json["phases"][1]["items"][0]["billingCadence"] is None
    assert found.json["alignment"]["currentAlignedBillingPeriod"] == {
        "from": "2026-05-01T00:00:00Z",
        "to": "2026-06-01T00:00:00Z",
    }


def test_a_second_one_conflicts_with_openmeters_code(client: Client) -> None:
    create(client)
    answer = create(client)

    assert answer.status == 409
    codes = [error["code"] for error in answer.json["extensions"]["validationErrors"]]
    assert codes == ["only_single_subscription_allowed_per_customer_at_a_time"]


def give_key(world: World) -> None:
    assert isinstance(world.customers, FakeCustomers)
    world.customers.customers[ACME] = world.customers.customers[ACME].model_copy(update={"key": "acme"})


def test_a_customer_can_be_named_by_key(client: Client, world: World) -> None:
    give_key(world)
    assert create(client, customerId=None, customerKey="acme").json["customerId"] == ACME


def test_a_subscription_is_cancelled_now_later_or_at_a_boundary(client: Client, world: World) -> None:
    of = f"{SUBSCRIPTIONS}/{create(client, timing='2026-05-01T00:00:00Z').json['id']}"
    world.clock.time = at("2026-05-10")

    later = client.post(f"{of}/cancel", {"timing": "next_billing_cycle"})
    assert (later.json["status"], later.json["activeTo"]) == ("canceled", "2026-06-01T00:00:00Z")
    assert client.post(f"{of}/cancel", {"timing": "2026-05-20T00:00:00Z"}).status == 400
    now = client.post(f"{of}/cancel")
    assert (now.json["status"], now.json["activeTo"]) == ("inactive", "2026-05-10T00:00:00Z")
    assert problems(Subscription, now.json) == []
    assert client.post(f"{of}/cancel").status == 409
    phases = client.get(of).json["phases"]
    assert [(each["activeFrom"][:10], each["activeTo"][:10]) for each in phases] == [
        ("2026-05-01", "2026-05-10"),
        ("2026-06-01", "2026-06-01"),
    ]


def test_the_status_can_be_asked_for_another_time(client: Client) -> None:
    of = f"{SUBSCRIPTIONS}/{create(client).json['id']}"

    assert client.get(of, {"at": "2026-04-01T00:00:00Z"}).json["status"] == "scheduled"


def test_a_customers_subscriptions_are_listed(client: Client, world: World) -> None:
    first = create(client, timing="2026-04-15T00:00:00Z").json["id"]
    client.post(f"{SUBSCRIPTIONS}/{first}/cancel")
    second = create(client, timing="2026-06-01T00:00:00Z").json["id"]

    page = client.get(OF_ACME)
    assert [each["id"] for each in page.json["items"]] == [first, second]
    assert problems(SubscriptionPaginatedResponse, page.json) == []
    assert [each["id"] for each in client.get(OF_ACME, {"status": "scheduled"}).json["items"]] == [second]
    assert [each["id"] for each in client.get(OF_ACME, {"order": "DESC"}).json["items"]] == [second, first]
    assert [each["id"] for each in client.get(OF_ACME, {"orderBy": "activeTo"}).json["items"]] == [first, second]
    assert client.get(OF_ACME, {"status": "gone"}).status == 400
    assert client.get("/api/v1/customers/nobody/subscriptions").status == 404


def test_subscriptions_are_listed_by_plan_version_status_customer_and_phase(client: Client, world: World) -> None:
    first = create(client, timing="2026-04-15T00:00:00Z").json["id"]
    other = create(client, customerId=GLOBEX, timing="2026-03-31T00:00:00Z", startingPhase="main").json["id"]
    world.plan(phase(unit("0.7")))
    third = create(client, customerId=GLOBEX, timing="2026-06-01T00:00:00Z")
    assert third.status == 409, "the same plan twice"
    client.post(f"{SUBSCRIPTIONS}/{other}/cancel", {"timing": "next_billing_cycle"})

    give_key(world)

    def listed(**query: str) -> list[str]:
        page = client.get(SUBSCRIPTIONS, query)
        assert problems(SubscriptionPaginatedResponse, page.json) == []
        return [each["id"] for each in page.json["items"]]

    assert listed() == [first, other]
    assert listed(planKey="pro", planVersion="1") == [first, other]
    assert listed(planVersion="2") == listed(planKey="gold") == []
    assert listed(status="canceled") == [other]
    assert listed(customerId=ACME) == listed(customerId="acme") == [first]
    assert listed(phase="trial") == [first]
    assert listed(phase="main", customerId=GLOBEX) == [other]
    assert listed(order="DESC") == [other, first]
    assert listed(orderBy="activeFrom") == [other, first]
    by_cursor = client.get(SUBSCRIPTIONS, {"limit": "1"}).json
    assert [each["id"] for each in by_cursor["items"]] == [first]
    following = client.get(SUBSCRIPTIONS, {"limit": "1", "cursor": by_cursor["nextCursor"]}).json
    assert [each["id"] for each in following["items"]] == [other]
    for query in ({"status": "gone"}, {"planVersion": "x"}, {"plan": "pro"}):
        assert client.get(SUBSCRIPTIONS, query).status == 400
    assert "'nobody'" in client.get(SUBSCRIPTIONS, {"customerId": "nobody"}).json["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"customerId": None}, 400, "customerId or customerKey"),
        ({"customerId": "01JNJBJDYNJBJDYNJBJDYNJBJD"}, 404, "no customer"),
        ({"plan": {"key": "gold"}}, 404, "no plan 'gold'"),
        ({"plan": {"key": "pro", "version": 0}}, 400, "version"),
        ({"timing": "2020-01-01T00:00:00Z"}, 400, "45 days"),
        ({"timing": "next_billing_cycle"}, 400, "next_billing_cycle"),
        ({"timing": "whenever"}, 400, "timing"),
        ({"startingPhase": "gold"}, 400, "has trial, main"),
        ({"customPlan": {"name": "x"}}, 400, "customPlan.billingCadence"),
        ({"plan": None}, 400, "either a plan by its key or send a customPlan"),
        ({"settlementMode": "credit_only"}, 400, "no prepaid credits"),
        ({"surprise": 1}, 400, "surprise"),
    ],
)
def test_nonsense_is_refused_in_words(client: Client, body: dict[str, Any], status: int, words: str) -> None:
    answer = create(client, **body)

    assert (answer.status, words in answer.text) == (status, True)


def test_what_does_not_exist_is_not_found(client: Client) -> None:
    assert client.get(f"{SUBSCRIPTIONS}/01JNJBJDYNJBJDYNJBJDYNJBJD").status == 404
    assert client.post(f"{SUBSCRIPTIONS}/01JNJBJDYNJBJDYNJBJDYNJBJD/cancel").status == 404


@pytest.mark.parametrize("cadence", ["P100Y", "P36525D", "P600M18000D", "PT1H"])
@pytest.mark.parametrize("anchor", ["1970-01-01T00:00:00Z", "2199-12-31T23:59:59Z"])
def test_every_plan_that_is_published_can_be_subscribed_to(
    client: Client, world: World, cadence: str, anchor: str
) -> None:
    cards = (flat(cadence=cadence), flat(key="end", cadence=cadence, term="in_arrears"), unit(cadence=cadence))
    phases = (phase(*cards, key="a", duration="P99Y"), phase(*cards, key="b", duration="P1Y"), phase(*cards))
    world.plan(*phases, key="long", billingCadence=cadence)

    created = create(client, plan={"key": "long"}, billingAnchor=anchor)

    assert created.status == 201
    assert client.get(f"{SUBSCRIPTIONS}/{created.json['id']}").status == 200


def test_a_plan_whose_features_are_too_long_for_a_subscription_is_refused(client: Client, world: World) -> None:
    tokens, keys = world.features.features["tokens"], [f"card{n}" for n in range(100)]
    world.features.features |= {
        key: tokens.model_copy(update={"key": key, "filters": {"model": ("x" * 4_000,)}}) for key in keys
    }
    world.plan(phase(*(unit(key=key) for key in keys)), key="wide")

    answer = create(client, plan={"key": "wide"})

    assert answer.status == 400
    assert "too large to subscribe" in answer.json["detail"]
