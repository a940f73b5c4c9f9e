from datetime import timedelta
from typing import Any

import pytest

from functions.application.billing.backtest_plan import MOST_TIME
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.catalog.plan import Plan
from functions.domain.errors import NotFound
from functions.domain.metering.cells.aggregation import Aggregation
from tests.application.billing.world import ACME, GLOBEX, FakeCustomers, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client

APRIL = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
MARCH = {"from": "2026-03-01T00:00:00Z", "to": APRIL["from"]}


@pytest.fixture
def trial(world: World) -> Plan:
    """Two customers on a plan since March; the draft of a plan with a trial, no fee and a higher price."""
    world.clock.time = at("2026-04-10")
    world.plan(phase(flat("10"), unit("0.01")))
    world.usage.per_day["globex-app"] = world.usage.per_day["acme-app"] * 10
    for customer_id in (ACME, GLOBEX):
        world.subscribe(customer_id, "2026-03-01")
    world.clock.time = at("2026-05-01")
    return world.draft_plan(
        phase(flat("1", key="setup", cadence=None), key="trial", duration="P1M"), phase(unit("0.015")), key="next"
    )


def backtest(client: Client, plan: str, *customers: str, **more: Any) -> Any:
    return client.post(f"/api/v1/plans/{plan}/backtest", {"customers": customers, "periods": [APRIL]} | more)


def test_a_draft_is_rated_for_real_usage_beside_what_is_sold_now(client: Client, world: World, trial: Plan) -> None:
    found = backtest(client, trial.id, ACME, GLOBEX).json

    assert (found["currency"], found["failed"]) == ("USD", [])
    # 3,000 tokens at 0.01 and a fee of 10 become 0.015 and none; the other customer used ten times as much.
    assert [(each["oldAmount"], each["newAmount"], each["difference"]) for each in found["customers"]] == [
        ("40.00", "45.00", "5.00"),
        ("310.00", "450.00", "140.00"),
    ]
    totals = found["totals"]
    assert (totals["oldAmount"], totals["newAmount"], totals["difference"]) == ("350.00", "495.00", "145.00")
    assert (totals["compared"], totals["increased"], totals["decreased"], totals["failed"]) == (2, 2, 0, 0)
    assert [(each["key"], each["difference"]) for each in totals["rateCards"]] == [
        ("fee", "-20.00"),
        ("tokens", "165.00"),
    ]
    (period,) = found["customers"][0]["periods"]
    assert period["period"] == APRIL
    assert [(line["key"], line["amount"]) for line in period["old"]] == [("fee", "10.00"), ("tokens", "30.00")]
    (line,) = period["new"]
    assert (line["quantity"], line["charges"][0]["unitAmount"], "subscriptionId" in line) == ("3000", "0.015", False)


def test_rating_the_plan_they_are_on_changes_nothing(client: Client, world: World, trial: Plan) -> None:
    found = backtest(client, "pro", ACME, periods=[APRIL, MARCH]).json

    assert found["totals"]["difference"] == "0.00"
    assert [each["period"] for each in found["customers"][0]["periods"]] == [MARCH, APRIL]


def test_both_sides_measure_the_same_usage_once(client: Client, world: World, trial: Plan) -> None:
    backtest(client, trial.id, ACME)
    assert len(world.usage.asked) == 1


def test_seats_by_prorated_tiers_are_tried_out_for_the_levels_there_were(
    client: Client, world: World, trial: Plan
) -> None:
    world.features.aggregation = Aggregation.TIME_WEIGHTED_SUM
    tiers = [{"upToAmount": "30", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "5"}}]
    price = {"type": "tiered", "mode": "graduated", "prorated": True, "tiers": tiers}
    seats = world.draft_plan(phase(unit() | {"price": price}), key="seats")

    (customer,) = backtest(client, seats.id, ACME).json["customers"]
    half = {"from": "2026-04-16T00:00:00Z", "to": APRIL["to"]}
    (of_half,) = backtest(client, seats.id, ACME, periods=[half]).json["customers"]

    # A hundred all the month: thirty at 10.00 and seventy at 5.00; half of it is half of a period.
    assert (customer["newAmount"], of_half["newAmount"]) == ("650.00", "325.00")


def test_the_plan_can_be_tried_from_its_first_phase(client: Client, world: World, trial: Plan) -> None:
    found = backtest(client, trial.id, ACME, periods=[MARCH, APRIL], startingPhase="trial").json
    amounts = [each["newAmount"] for each in found["customers"][0]["periods"]]
    assert amounts == ["1.00", "45.00"]


def test_nothing_is_written(client: Client, world: World, trial: Plan) -> None:
    before = [world.subscriptions.of_customer("default", each) for each in (ACME, GLOBEX)]
    backtest(client, trial.id, ACME, GLOBEX)
    assert [world.subscriptions.of_customer("default", each) for each in (ACME, GLOBEX)] == before
    assert world.all_invoices() == []


def test_who_cannot_be_rated_is_listed_with_the_reason_and_left_out(client: Client, world: World, trial: Plan) -> None:
    assert isinstance(world.customers, FakeCustomers)
    world.customers.customers[ACME] = BilledCustomer(id=ACME, key="acme", name="Acme", subject_keys=("acme-app",))
    found = backtest(client, trial.id, "nobody", ACME, "acme").json

    assert [(each["customer"], each["code"]) for each in found["failed"]] == [
        ("nobody", "customer_not_found"),
        ("acme", "duplicate"),
    ]
    assert (found["totals"]["compared"], found["totals"]["newAmount"]) == (1, "45.00")


def test_a_meter_that_is_gone_fails_its_customer_alone(client: Client, world: World, trial: Plan) -> None:
    def gone_once() -> None:
        world.usage.before = lambda: None
        raise NotFound("There is no meter 'tokens_total'.", code="meter_not_found")

    world.usage.before = gone_once
    found = backtest(client, trial.id, ACME, GLOBEX).json
    assert found["failed"] == [
        {"customer": ACME, "code": "meter_not_found", "message": "There is no meter 'tokens_total'."}
    ]
    assert [each["customerId"] for each in found["customers"]] == [GLOBEX]


def test_a_customer_in_another_currency_is_not_compared(client: Client, world: World, trial: Plan) -> None:
    euros = world.draft_plan(phase(unit("1")), key="euros", currency="EUR")
    (failure,) = backtest(client, euros.id, ACME).json["failed"]
    assert (failure["code"], "EUR" in failure["message"]) == ("currency_mismatch", True)


def test_what_there_is_no_time_for_is_named_to_be_asked_again(client: Client, world: World, trial: Plan) -> None:
    def takes_long() -> None:
        world.clock.time += MOST_TIME + timedelta(seconds=1)

    world.usage.before = takes_long
    found = backtest(client, trial.id, ACME, GLOBEX).json
    assert [each["customerId"] for each in found["customers"]] == [ACME]
    assert [(each["customer"], each["code"]) for each in found["failed"]] == [(GLOBEX, "no_time_left")]


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        ({"periods": [APRIL | {"to": "2026-05-01T00:00:01Z"}]}, "periods[0].to", "past usage"),
        ({"periods": [APRIL, MARCH | {"to": "2026-04-01T00:00:01Z"}]}, "periods[0].from", "end of periods[1]"),
        ({"periods": [APRIL | {"to": APRIL["from"]}]}, "periods[0].to", "after from"),
        ({"periods": []}, "periods", "empty"),
        ({"customers": []}, "customers", "empty"),
        ({"customers": [f"c{n}" for n in range(101)]}, "customers", "100"),
        ({"startingPhase": "end"}, "startingPhase", "trial, main"),
    ],
)
def test_a_wrong_question_is_refused_by_its_field(
    client: Client, world: World, trial: Plan, wrong: dict[str, Any], field: str, says: str
) -> None:
    answer = backtest(client, trial.id, ACME, **wrong)
    assert (answer.status, answer.fields) == (400, [field])
    assert says in answer.json["extensions"]["validationErrors"][0]["message"]


def test_too_many_customers_times_periods_say_how_many_are_possible(client: Client, world: World, trial: Plan) -> None:
    days = [{"from": f"2026-04-{n:02d}T00:00:00Z", "to": f"2026-04-{n + 1:02d}T00:00:00Z"} for n in range(1, 13)]
    answer = backtest(client, trial.id, *[f"c{n}" for n in range(17)], periods=days)
    assert answer.status == 400
    assert "send at most 16 customers" in answer.json["detail"]


def test_customers_times_days_are_bounded(client: Client, world: World, trial: Plan) -> None:
    years = {"from": "2016-05-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    assert backtest(client, trial.id, ACME, periods=[years]).status == 200
    refused = backtest(client, trial.id, *[f"c{n}" for n in range(3)], periods=[years])
    assert (refused.status, refused.fields) == (400, ["periods"])
    assert "of 3 customers are 10956 days together, at most 7500" in refused.json["detail"]
    assert backtest(client, trial.id, *[f"c{n}" for n in range(100)], periods=[APRIL, MARCH]).status == 200


def test_a_customer_that_takes_long_is_left_between_its_periods(client: Client, world: World, trial: Plan) -> None:
    def takes_long() -> None:
        world.clock.time += MOST_TIME + timedelta(seconds=1)

    world.usage.before = takes_long
    (failure,) = backtest(client, trial.id, ACME, periods=[MARCH, APRIL]).json["failed"]
    assert (failure["customer"], failure["code"]) == (ACME, "no_time_left")


def test_a_plan_that_is_not_there_is_a_404(client: Client, world: World, trial: Plan) -> None:
    assert backtest(client, "nothing", ACME).status == 404
    client.delete(f"/api/v1/plans/{trial.id}")
    assert backtest(client, trial.id, ACME).status == 404
