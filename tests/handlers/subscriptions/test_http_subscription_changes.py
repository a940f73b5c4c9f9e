import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openmeter._generated import models

from functions.application.subscriptions.cancel_subscription import MAX_DELETED_AT_ONCE
from tests.application.billing.world import ACME, World
from tests.domain.builders import at, draft, flat, phase, unit
from tests.handlers.gateway import Client, Response
from tests.handlers.genuine import problems

SUBSCRIPTIONS = "/api/v1/subscriptions"
OWN = {"name": "Own", "currency": "USD", "billingCadence": "P1M", "phases": [phase(flat())]}


@pytest.fixture(autouse=True)
def published(world: World) -> None:
    world.plan(phase(flat(), unit(), key="ramp", duration="P3M"), phase(flat("20"), unit(), key="rest"))
    world.plan(phase(flat("50", key="seat"), unit("0.1")), key="team")


def create(client: Client, **changed: Any) -> str:
    body = {"plan": {"key": "pro"}, "customerId": ACME, "timing": "2026-05-01T00:00:00Z"}
    made = client.post(SUBSCRIPTIONS, body | changed)
    assert made.status == 201, made.text
    return f"{SUBSCRIPTIONS}/{made.json['id']}"


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def edit(client: Client, of: str, *operations: dict[str, Any], **timing: str) -> Response:
    return client.call("PATCH", of, {"customizations": list(operations)} | timing)


ADD_SEAT = {"op": "add_item", "phaseKey": "ramp", "rateCard": flat("7", key="seat")}


def test_a_subscription_is_edited_and_shows_its_timelines(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")

    answer = edit(client, of, ADD_SEAT, {"op": "remove_item", "phaseKey": "ramp", "itemKey": "fee"}, timing="immediate")
    assert answer.status == 200, answer.text
    assert problems(models.Subscription, answer.json) == []
    found = client.get(of).json
    assert problems(models.SubscriptionExpanded, found) == []
    ramp = found["phases"][0]
    assert [item["key"] for item in ramp["items"]] == ["tokens", "seat"]
    assert [each["activeTo"] for each in ramp["itemTimelines"]["fee"]] == ["2026-05-10T00:00:00Z"]
    before = client.get(of, {"at": "2026-05-09T00:00:00Z"}).json["phases"][0]
    assert [item["key"] for item in before["items"]] == ["fee", "tokens"]


def test_an_edit_of_the_next_cycle_is_scheduled_and_unscheduled(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")

    assert edit(client, of, ADD_SEAT, timing="next_billing_cycle").status == 200
    timeline = client.get(of).json["phases"][0]["itemTimelines"]["seat"]
    assert [each["activeFrom"] for each in timeline] == ["2026-06-01T00:00:00Z"]
    assert edit(client, of, {"op": "unschedule_edit"}).status == 200
    assert "seat" not in client.get(of).json["phases"][0]["itemTimelines"]


@pytest.mark.parametrize(
    ("operation", "timing", "status", "field"),
    [
        (ADD_SEAT | {"phaseKey": "nope"}, "immediate", 404, "customizations[0]"),
        ({"op": "explode"}, "immediate", 400, "customizations[0]"),
        (ADD_SEAT, "2026-06-01T00:00:00Z", 400, "timing"),
        (ADD_SEAT | {"rateCard": unit(key="gone")}, "immediate", 400, "customizations[0].rateCard.featureKey"),
        (
            ADD_SEAT | {"rateCard": flat(cadence="P1W")},
            "immediate",
            400,
            "customizations[0].rateCard.billingCadence",
        ),
        ({"op": "remove_phase", "phaseKey": "ramp", "shift": "next"}, "immediate", 409, "customizations[0]"),
    ],
)
def test_a_wrong_edit_names_its_field(
    client: Client, operation: dict[str, Any], timing: str, status: int, field: str
) -> None:
    answer = edit(client, create(client), operation, timing=timing)

    assert (answer.status, answer.fields[0]) == (status, field), answer.text


def test_a_change_ends_one_and_begins_the_next_with_the_same_anchor(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10T12:00:00")

    answer = client.post(f"{of}/change", {"timing": "immediate", "plan": {"key": "team"}})

    assert answer.status == 200, answer.text
    assert problems(models.SubscriptionChangeResponseBody, answer.json) == []
    current, following = answer.json["current"], answer.json["next"]
    assert (current["status"], current["activeTo"]) == ("inactive", "2026-05-10T12:00:00Z")
    assert (following["status"], following["activeFrom"]) == ("active", "2026-05-10T12:00:00Z")
    assert following["billingAnchor"] == "2026-05-01T00:00:00Z"
    stored = world.subscriptions.get("default", following["id"])
    assert stored is not None
    tokens = next(item for item in stored.phases[0].items if item.key == "tokens")
    assert tokens.counts_from == at("2026-05-01")


def test_a_change_at_the_next_cycle_is_taken_back_by_restoring(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")
    changed = client.post(f"{of}/change", {"timing": "next_billing_cycle", "plan": {"key": "team"}}).json
    assert (changed["current"]["status"], changed["next"]["status"]) == ("canceled", "scheduled")
    following = f"{SUBSCRIPTIONS}/{changed['next']['id']}"

    assert client.post(f"{of}/unschedule-cancelation").status == 409
    restored = client.post(f"{of}/restore")
    assert (restored.status, restored.json["status"], "activeTo" in restored.json) == (200, "active", False)
    assert client.get(following).status == 404


@pytest.mark.parametrize("timing", ["immediate", "next_billing_cycle", "2026-07-01T00:00:00Z"])
def test_a_customer_who_cancels_before_a_scheduled_change_has_no_plan_after(
    client: Client, world: World, timing: str
) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")
    changed = client.post(f"{of}/change", {"timing": "next_billing_cycle", "plan": {"key": "team"}}).json
    cancelled = client.post(f"{of}/cancel", {"timing": timing})
    assert (cancelled.status, "activeTo" in cancelled.json) == (200, True)
    assert client.get(f"{SUBSCRIPTIONS}/{changed['next']['id']}").status == 404


def test_a_change_to_a_plan_of_fees_is_not_doubled_by_taking_the_cancellation_back(
    client: Client, world: World
) -> None:
    own = {name: value for name, value in draft(phase(flat("3"))).items() if name != "key"}
    of = create(client, plan=None, customPlan=own)
    world.clock.time = at("2026-05-10")
    client.post(f"{of}/change", {"timing": "next_billing_cycle", "customPlan": own})
    refused = client.post(f"{of}/unschedule-cancelation")
    assert (refused.status, "restore it" in refused.json["detail"]) == (409, True), refused.text
    assert client.post(f"{of}/restore").status == 200


def test_a_subscription_that_begins_by_chance_when_another_ends_stays(client: Client, world: World) -> None:
    own = {name: value for name, value in draft(phase(flat("3"))).items() if name != "key"}
    of = create(client, plan=None, customPlan=own)
    world.clock.time = at("2026-05-10")
    other = create(client, plan=None, customPlan=own, timing="2026-06-01T00:00:00Z")
    for timing in ("next_billing_cycle", "immediate"):
        assert client.post(f"{of}/cancel", {"timing": timing}).status == 200
    assert client.get(other).json["status"] == "scheduled"


def test_more_that_would_have_to_go_than_one_transaction_holds_are_a_conflict(client: Client) -> None:
    of = create(client)
    assert client.post(f"{of}/cancel", {"timing": "next_billing_cycle"}).status == 200
    own = {name: value for name, value in draft(phase(flat("3"))).items() if name != "key"}
    later = (datetime.now(UTC) + timedelta(days=60)).strftime("%Y-%m-%dT00:00:00Z")
    for _ in range(MAX_DELETED_AT_ONCE + 1):
        create(client, plan=None, customPlan=own, timing=later)

    answer = client.post(f"{of}/restore")

    assert (answer.status, f"delete all but {MAX_DELETED_AT_ONCE}" in answer.text) == (409, True), answer.text


def test_a_change_to_a_plan_of_its_own(client: Client) -> None:
    of = create(client)
    custom = {name: value for name, value in draft(phase(flat("3"), unit("0.2"))).items() if name != "key"}

    answer = client.post(f"{of}/change", {"timing": "immediate", "customPlan": custom})

    assert answer.status == 200, answer.text
    assert "plan" not in answer.json["next"]
    assert answer.json["next"]["name"] == "Pro"
    assert client.post(f"{SUBSCRIPTIONS}/{answer.json['next']['id']}/migrate").status == 409


def test_a_subscription_migrates_to_the_newer_version_in_the_phase_it_is_in(client: Client, world: World) -> None:
    of = create(client, timing="2026-03-20T00:00:00Z")
    assert client.post(f"{of}/migrate").status == 409
    world.clock.time = at("2026-07-01")
    world.plan(phase(flat(), unit(), key="ramp", duration="P3M"), phase(flat("30"), unit(), key="rest"))

    answer = client.post(f"{of}/migrate", {"timing": "immediate"})

    assert answer.status == 200, answer.text
    assert answer.json["next"]["plan"]["version"] == 2
    assert [each["key"] for each in answer.json["next"]["phases"]] == ["rest"]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_migration_at_the_end_of_a_phase_goes_on_with_the_next_one(
    client: Client, world: World, cancelled: bool
) -> None:
    trial = (phase(unit(), key="trial", duration="P1M"), phase(flat("30"), unit(), key="paid"))
    world.plan(*trial, key="saas")
    of = create(client, plan={"key": "saas"})
    world.plan(*trial, key="saas")
    world.clock.time = at("2026-05-20")
    if cancelled:
        assert client.post(f"{of}/cancel", {"timing": "next_billing_cycle"}).status == 200

    answer = client.post(f"{of}/migrate", {"timing": "next_billing_cycle"})

    assert answer.status == 200, answer.text
    assert [each["key"] for each in answer.json["next"]["phases"]] == ["paid"]


def test_what_an_ended_subscription_has_sold_is_not_sold_again(client: Client, world: World) -> None:
    world.clock.time = at("2026-05-20")
    of = create(client)
    assert client.post(f"{of}/cancel", {"timing": "immediate"}).status == 200
    world.clock.time = at("2026-05-21")
    body = {"plan": {"key": "pro"}, "customerId": ACME}

    overlapping = client.post(SUBSCRIPTIONS, body | {"timing": "2026-05-19T23:59:59Z"})
    following = client.post(SUBSCRIPTIONS, body | {"timing": "2026-05-20T00:00:00Z"})

    assert overlapping.status == 409
    assert overlapping.json["detail"] == (
        f"Subscription {id_of(of)} (pro version 1, from 2026-05-01T00:00:00Z to 2026-05-20T00:00:00Z) and the one "
        f"asked for would both sell plan 'pro', feature 'tokens' to customer {ACME} from 2026-05-19T23:59:59Z to "
        "2026-05-20T00:00:00Z; it has ended and cannot be changed any more: start at 2026-05-20T00:00:00Z or later."
    )
    assert following.status == 201, following.text


def test_of_several_that_ended_the_last_one_is_named(client: Client, world: World) -> None:
    for start, end in (("2026-05-01", "2026-05-03"), ("2026-05-04", "2026-05-06")):
        world.clock.time = at(start)
        of = create(client, timing="immediate")
        world.clock.time = at(end)
        assert client.post(f"{of}/cancel", {"timing": "immediate"}).status == 200
    world.clock.time = at("2026-05-10")
    body = {"plan": {"key": "pro"}, "customerId": ACME}

    refused = client.post(SUBSCRIPTIONS, body | {"timing": "2026-05-02T00:00:00Z"})

    assert refused.status == 409
    assert f"Subscription {id_of(of)} (" in refused.json["detail"]
    assert refused.json["detail"].endswith("start at 2026-05-06T00:00:00Z or later.")
    assert client.post(SUBSCRIPTIONS, body | {"timing": "2026-05-06T00:00:00Z"}).status == 201


def test_one_that_runs_is_in_the_way_of_the_past_until_it_ends(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")
    body = {"plan": {"key": "team"}, "customerId": ACME, "timing": "2026-05-05T00:00:00Z"}

    running = client.post(SUBSCRIPTIONS, body)
    assert client.post(f"{of}/cancel", {"timing": "next_billing_cycle"}).status == 200
    cancelled = client.post(SUBSCRIPTIONS, body)
    ahead = client.post(SUBSCRIPTIONS, body | {"timing": "2026-05-20T00:00:00Z"})

    assert running.json["detail"] == (
        f"Subscription {id_of(of)} (pro version 1, from 2026-05-01T00:00:00Z on) and the one asked for would both "
        f"sell feature 'tokens' to customer {ACME} from 2026-05-05T00:00:00Z on; what it sold until now cannot be "
        f"undone: cancel {id_of(of)} first, and start when it ends or later."
    )
    assert cancelled.json["detail"].endswith(
        "what it sold until now cannot be undone: start when it ends, at 2026-06-01T00:00:00Z or later."
    )
    assert ahead.json["detail"].endswith(
        f"cancel or change {id_of(of)} first, or start at 2026-06-01T00:00:00Z or later."
    )
    assert client.post(SUBSCRIPTIONS, body | {"timing": "2026-06-01T00:00:00Z"}).status == 201


def test_one_that_is_to_come_is_in_the_way_too(client: Client, world: World) -> None:
    of = create(client, timing="2026-06-01T00:00:00Z")
    body = {"plan": {"key": "team"}, "customerId": ACME, "timing": "2026-04-20T00:00:00Z"}

    refused = client.post(SUBSCRIPTIONS, body)

    assert "would both sell feature 'tokens'" in refused.json["detail"]
    assert refused.json["detail"].endswith(f"from 2026-06-01T00:00:00Z on; cancel or change {id_of(of)} first.")


def test_an_edit_that_takes_anothers_place_names_both(client: Client, world: World) -> None:
    plain = client.post(SUBSCRIPTIONS, {"customPlan": OWN, "customerId": ACME})
    assert plain.status == 201, plain.text
    of = create(client)
    card = {"op": "add_item", "phaseKey": "main", "rateCard": unit()}

    refused = edit(client, f"{SUBSCRIPTIONS}/{plain.json['id']}", card)

    assert refused.status == 409
    assert refused.json["detail"].startswith(f"Subscription {id_of(of)} (pro version 1, ")
    assert f"and subscription {plain.json['id']} as asked for would both sell feature 'tokens'" in refused.text
    assert refused.json["detail"].endswith(f"cancel or change {id_of(of)} first.")


def test_how_far_back_a_start_may_lie_is_said(client: Client, world: World) -> None:
    world.clock.time = at("2026-05-20T12:00:00")
    body = {"plan": {"key": "pro"}, "customerId": ACME}

    refused = client.post(SUBSCRIPTIONS, body | {"timing": "2026-01-01T00:00:00Z"})
    earliest = re.findall(r"now at (\S+) or later, not at 2026-01-01T00:00:00Z", refused.json["detail"])

    assert (refused.status, refused.fields, len(earliest)) == (400, ["timing"], 1)
    just_before = (datetime.fromisoformat(earliest[0]) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert client.post(SUBSCRIPTIONS, body | {"timing": just_before}).status == 400
    assert client.post(SUBSCRIPTIONS, body | {"timing": earliest[0]}).status == 201


def test_phases_beyond_the_calendar_are_refused_and_the_subscription_can_be_read(client: Client) -> None:
    of = create(client)
    late = {"op": "add_phase", "phase": {"key": "late", "name": "Late", "startAfter": "P100Y"}}
    later = {"op": "stretch_phase", "phaseKey": "rest", "extendBy": "P36525D"}

    answer = edit(client, of, late, later)

    assert (answer.status, "2199" in answer.text) == (400, True), answer.text
    assert client.get(of).status == 200


@pytest.mark.parametrize("timing", ["immediate", "next_billing_cycle"])
def test_who_changes_their_mind_does_not_get_both_plans(client: Client, world: World, timing: str) -> None:
    world.plan(phase(flat("70", key="desk")), key="office")
    of = create(client)
    world.clock.time = at("2026-05-10")
    cycle = {"timing": "next_billing_cycle"}
    assert client.post(f"{of}/change", {"plan": {"key": "team"}} | cycle).status == 200

    other = {"plan": {"key": "office"}, "timing": timing}
    refused = client.post(f"{of}/change", other)

    assert (refused.status, refused.json["extensions"]["validationErrors"][0]["code"]) == (409, "change_scheduled")
    assert client.post(f"{of}/restore").status == 200
    assert client.post(f"{of}/change", other).status == 200
    listed = client.get(f"/api/v1/customers/{ACME}/subscriptions").json["items"]
    assert [each["plan"]["key"] for each in listed] == ["pro", "office"]


def test_a_cancellation_sent_twice_in_a_second_says_the_same_twice(client: Client) -> None:
    of = create(client)

    answers = [client.post(f"{of}/cancel", {"timing": "next_billing_cycle"}) for _ in range(2)]

    assert [(each.status, each.json.get("activeTo")) for each in answers] == [(200, "2026-06-01T00:00:00Z")] * 2


def test_a_cancellation_is_unscheduled_and_a_scheduled_subscription_deleted(client: Client, world: World) -> None:
    of = create(client)
    world.clock.time = at("2026-05-10")
    client.post(f"{of}/cancel", {"timing": "next_billing_cycle"})
    coming = create(client, timing="2026-06-01T00:00:00Z")

    assert client.delete(of).status == 409
    assert client.delete(coming).status == 204
    assert client.get(coming).status == 404
    answer = client.post(f"{of}/unschedule-cancelation")
    assert (answer.status, answer.json["status"]) == (200, "active")
    assert client.post(f"{of}/unschedule-cancelation").status == 409
    assert client.get(f"/api/v1/customers/{ACME}/subscriptions").json["totalCount"] == 1


def test_several_subscriptions_run_side_by_side_unless_they_sell_the_same(client: Client, world: World) -> None:
    create(client)
    world.plan(phase(flat("5", key="support")), key="support")
    create(client, plan={"key": "support"})

    same_feature = client.post(SUBSCRIPTIONS, {"plan": {"key": "team"}, "customerId": ACME})
    same_plan = client.post(SUBSCRIPTIONS, {"plan": {"key": "support"}, "customerId": ACME})
    for answer, words in ((same_feature, "feature 'tokens'"), (same_plan, "plan 'support'")):
        codes = [error["code"] for error in answer.json["extensions"]["validationErrors"]]
        assert (answer.status, codes) == (409, ["only_single_subscription_allowed_per_customer_at_a_time"])
        assert words in answer.json["detail"]


def test_a_subscription_begins_with_the_next_cycle_of_its_anchor(client: Client) -> None:
    answer = client.post(
        SUBSCRIPTIONS,
        {
            "plan": {"key": "pro"},
            "customerId": ACME,
            "timing": "next_billing_cycle",
            "billingAnchor": "2026-01-31T00:00:00Z",
        },
    )

    assert answer.json["activeFrom"] == "2026-05-31T00:00:00Z"


@pytest.mark.parametrize("verb", ["unschedule-cancelation", "restore", "migrate"])
def test_what_does_not_exist_cannot_change(client: Client, verb: str) -> None:
    assert client.post(f"{SUBSCRIPTIONS}/01JNJBJDYNJBJDYNJBJDYNJBJD/{verb}").status == 404
    assert client.acting_as("read").post(f"{SUBSCRIPTIONS}/01JNJBJDYNJBJDYNJBJDYNJBJD/{verb}").status == 403
