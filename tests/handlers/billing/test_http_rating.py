from decimal import Decimal
from typing import Any

import pytest
from openmeter._generated.models import Invoice

from functions.domain.errors import NotFound
from functions.domain.metering.cells.aggregation import Aggregation
from functions.handlers.billing.explanation_json import HOW_MEASURED
from tests.application.billing.world import ACME, World
from tests.domain.builders import at, flat, phase, unit
from tests.domain.catalog.test_pricing import GRADUATED, MATRIX
from tests.handlers.gateway import Client
from tests.handlers.genuine import problems

SIMULATE = f"/api/v1/billing/customers/{ACME}/invoices/simulate"
PERIOD = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
LINE_ID = "01JNJBJDYNJBJDYNJBJDYNJBJD"


def line(of: dict[str, Any] | None, quantity: str = "10", **more: Any) -> dict[str, Any]:
    body = {"name": "Tokens", "period": PERIOD, "invoiceAt": PERIOD["to"], "quantity": quantity}
    return body | ({"rateCard": {"price": of}} if of else {}) | more


def simulated(client: Client, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post(SIMULATE, {"currency": "USD", "lines": list(lines)} | more)
    assert answer.status == 200, answer.json
    assert problems(Invoice, answer.json) == []
    return dict(answer.json)


def errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status == 400, answer.json
    return [(each["field"], each["message"]) for each in answer.json["extensions"]["validationErrors"]]


def test_given_quantities_are_priced_as_an_invoice_that_nobody_owes(client: Client, world: World) -> None:
    card = {
        "price": {"type": "unit", "amount": "0.5", "minimumAmount": "10"},
        "featureKey": "not_there",
        "discounts": {
            "percentage": {"percentage": 10, "correlationId": LINE_ID},
            "usage": {"quantity": "4"},
        },
    }
    metered = line(None, "10", rateCard=card, id=LINE_ID, metadata={"a": "b"})
    fee = line({"type": "flat", "amount": "7.005", "paymentTerm": "in_advance"}, "1", name="Fee")

    invoice = simulated(client, metered, fee)

    assert (invoice["number"], invoice["status"], invoice["statusDetails"]["extendedStatus"]) == (
        "INV-SIMULATED",
        "draft",
        "draft.created",
    )
    assert "issuedAt" not in invoice
    assert (invoice["totals"]["total"], invoice["totals"]["chargesTotal"], invoice["totals"]["discountsTotal"]) == (
        "17.01",
        "7.30",
        "0.30",
    )
    tokens, flat_fee = invoice["lines"]
    assert (tokens["id"], tokens["quantity"], tokens["meteredQuantity"], tokens["managedBy"]) == (
        LINE_ID,
        "6",
        "10",
        "manual",
    )
    assert [child["childUniqueReferenceId"] for child in tokens["children"]] == ["unit-price-usage", "min-spend"]
    assert tokens["rateCard"]["discounts"]["percentage"]["correlationId"] == LINE_ID
    assert tokens["discounts"]["usage"][0]["quantity"] == "4"
    assert (tokens["metadata"], tokens["featureKey"]) == ({"a": "b"}, "not_there")
    assert "subscription" not in tokens
    assert (flat_fee["totals"]["total"], flat_fee["quantity"]) == ("7.01", "1")
    assert world.all_invoices() == [] and world.usage.asked == []


def test_a_simulated_line_goes_on_in_the_tiers_where_the_quantity_before_it_ended(client: Client) -> None:
    first = simulated(client, line(GRADUATED, "7"))
    later = simulated(client, line(GRADUATED, "5", preLinePeriodQuantity="7"))
    whole = simulated(client, line(GRADUATED, "12"))

    sums = [Decimal(each["totals"]["total"]) for each in (first, later, whole)]
    assert sums[0] + sums[1] == sums[2]
    assert later["lines"][0]["preLinePeriodQuantity"] == "7"


@pytest.mark.parametrize(
    ("given", "total"),
    [
        # 7 units before came to 70 of the 100 that are the most.
        ({}, "30.00"),
        ({"previouslyBilledAmount": "0"}, "50.00"),
        ({"position": "middle"}, "30.00"),
    ],
)
def test_the_maximum_counts_what_earlier_lines_came_to(client: Client, given: dict[str, Any], total: str) -> None:
    price = {"type": "unit", "amount": "10", "maximumAmount": "100"}
    invoice = simulated(client, line(price, "5", preLinePeriodQuantity="7", **given))
    assert invoice["totals"]["total"] == total


@pytest.mark.parametrize("position", ["only", "first"])
def test_nothing_before_the_first_line_of_a_period_is_no_contradiction(client: Client, position: str) -> None:
    given = {"preLinePeriodQuantity": "0", "previouslyBilledAmount": "0", "position": position}
    assert simulated(client, line({"type": "unit", "amount": "10"}, "5", **given))["totals"]["total"] == "50.00"


def test_parts_are_priced_each_by_its_own_row(client: Client) -> None:
    parts = [
        {"groupBy": {"model": "large", "kind": "input"}, "quantity": "1000000"},
        {"groupBy": {"model": "none", "kind": "such"}, "quantity": "1000000"},
    ]
    invoice = simulated(client, line(MATRIX, "2000000", parts=parts))
    assert [child["totals"]["total"] for child in invoice["lines"][0]["children"]] == ["5.00", "20.00"]


SEATS: dict[str, Any] = {
    "type": "tiered",
    "mode": "graduated",
    "prorated": True,
    "tiers": [{"upToAmount": "3", "unitPrice": {"amount": "10"}}, {"unitPrice": {"amount": "5"}}],
}


def seats(of: dict[str, Any], *levels: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Of the levels one after the other, each with the value-hours it comes to."""
    quantity = sum((Decimal(hours) for _, hours in levels), Decimal(0))
    parts = [{"level": level, "quantity": hours} for level, hours in levels]
    june = {"from": "2026-06-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}
    return line(of, f"{quantity:f}", parts=parts, period=june) | more


def test_levels_are_priced_by_the_time_they_lasted(client: Client) -> None:
    """Five seats for June, a sixth for half of it; the average has no end where a seat comes a third of a day late."""
    price = SEATS | {"mode": "volume", "tiers": [SEATS["tiers"][0], {"unitPrice": {"amount": "8"}}]}
    invoice = simulated(
        client,
        seats(SEATS, ("5", "1800"), ("6", "2160")),
        seats(price, ("5", "1800"), ("6", "2160")),
        seats(price, ("6", "2160"), ("2", "720")),
        seats(SEATS, ("0", "0"), ("1", "0.333333333333333333")),
        seats(SEATS),
    )

    assert [
        [(each["quantity"], each["perUnitAmount"], each["totals"]["total"]) for each in line.get("children", [])]
        for line in invoice["lines"]
    ] == [
        [("3", "10", "30.00"), ("2.5", "5", "12.50")],
        [("5.5", "8", "44.00")],
        [("4", "10", "40.00")],
        [("0.000462963", "10", "0.00")],
        [],
    ]
    assert [line["meteredQuantity"] for line in invoice["lines"][:2]] == ["3960", "3960"]


def test_a_quantity_may_have_38_digits(client: Client) -> None:
    invoice = simulated(client, line({"type": "unit", "amount": "0.000000000000000001"}, "9" * 27))
    assert invoice["totals"]["total"] == "1000000000.00"
    refused = client.post(SIMULATE, {"currency": "USD", "lines": [line({"type": "unit", "amount": "1"}, "9" * 38)]})
    assert refused.status == 409
    assert "at most 9,999,999,999.99 USD" in refused.json["detail"]


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        (line(None), "lines[0].rateCard", "is required"),
        (line(GRADUATED, price=GRADUATED), "lines[0].price", "left out beside rateCard"),
        (line({"type": "unit", "amount": "-1"}), "lines[0].rateCard.price.amount", "0"),
        (line(GRADUATED, "-1"), "lines[0].quantity", "not below 0"),
        (line(GRADUATED, "1e9"), "lines[0].quantity", "decimal"),
        (line(GRADUATED, id="7"), "lines[0].id", "match"),
        (line(GRADUATED, period={"from": PERIOD["to"], "to": PERIOD["from"]}), "lines[0].period.to", "before from"),
        (line(MATRIX), "lines[0].parts", "model, kind"),
        (line(MATRIX, parts=[{"groupBy": {"model": "x"}, "quantity": "10"}]), "lines[0].parts[0]", "model, kind"),
        (line(MATRIX, preLinePeriodQuantity="1"), "lines[0].preLinePeriodQuantity", "left out"),
        (line(GRADUATED, parts=[{"quantity": "10"}]), "lines[0].parts", "left out"),
        (line(SEATS), "lines[0].parts", "level (with level), in order of time"),
        (line(SEATS, parts=[{"quantity": "10"}]), "lines[0].parts[0]", "must name level"),
        (line(MATRIX, parts=[{"level": "1", "quantity": "10"}]), "lines[0].parts[0]", "model, kind"),
        (seats(SEATS, ("1", "721")), "lines[0].parts", "of 2592000 seconds; together they are 2595600"),
        (seats(SEATS, ("7", "0.001")), "lines[0].parts[0].quantity", "a whole number of seconds"),
        (seats(SEATS, ("0", "1")), "lines[0].parts[0].quantity", "the level times the hours"),
        (seats(SEATS, ("1", "0")), "lines[0].parts[0].quantity", "the level times the hours"),
        (seats(SEATS, ("1", "720"), quantity="1"), "lines[0].quantity", "sum of the parts, 720"),
        (seats(SEATS, period={"from": PERIOD["to"], "to": PERIOD["to"]}), "lines[0].period", "must have a length"),
        (seats(SEATS, ("1", "720"), preLinePeriodQuantity="1"), "lines[0].preLinePeriodQuantity", "left out"),
        (
            line(GRADUATED, preLinePeriodQuantity="7", position="only"),
            "lines[0].position",
            "beside preLinePeriodQuantity,",
        ),
        (line(GRADUATED, preLinePeriodQuantity="7", position="first"), "lines[0].position", "must be middle or last"),
        (line(GRADUATED, previouslyBilledAmount="0.01", position="only"), "lines[0].position", "Amount, which"),
        (
            line(GRADUATED, preLinePeriodQuantity="7", previouslyBilledAmount="1", position="first"),
            "lines[0].position",
            "preLinePeriodQuantity and previouslyBilledAmount",
        ),
        (
            line(MATRIX, parts=[{"groupBy": {"model": "x", "kind": "y"}, "quantity": "9"}]),
            "lines[0].quantity",
            "sum of the parts, 9",
        ),
    ],
)
def test_a_wrong_line_is_refused_by_its_path(client: Client, wrong: dict[str, Any], field: str, says: str) -> None:
    answer = client.post(SIMULATE, {"currency": "USD", "lines": [wrong]})
    (found,) = [message for path, message in errors(answer) if path == field]
    assert says in found


def test_what_is_wrong_with_the_whole_simulation_is_named(client: Client) -> None:
    assert errors(client.post(SIMULATE, {"currency": "XXX", "lines": [line(GRADUATED)]}))[0][0] == "currency"
    assert errors(client.post(SIMULATE, {"currency": "USD", "lines": []}))[0][0] == "lines"
    twice = [line(GRADUATED, id=LINE_ID), line(GRADUATED, id=LINE_ID)]
    assert errors(client.post(SIMULATE, {"currency": "USD", "lines": twice}))[0][0] == "lines[1].id"
    nobody = client.post(SIMULATE.replace(ACME, LINE_ID), {"currency": "USD", "lines": [line(GRADUATED)]})
    assert (nobody.status, nobody.json["extensions"]["validationErrors"][0]["code"]) == (404, "customer_not_found")


def upcoming(client: Client, subscription_id: str, query: str = "") -> Any:
    return client.get(f"/api/v1/subscriptions/{subscription_id}/upcoming-invoice", query)


def test_the_upcoming_invoice_shows_usage_so_far_and_is_stored_nowhere(client: Client, world: World) -> None:
    world.plan(phase(flat("10"), unit("0.01")))
    made = world.subscribe(start="2026-04-01")
    world.issue()
    stored = world.subscriptions.get("default", made.id), len(world.all_invoices())
    world.clock.time = at("2026-05-11")

    invoice = upcoming(client, made.id, "expand=explanation").json

    assert problems(Invoice, invoice) == []
    assert (invoice["number"], invoice["status"], invoice["asOf"]) == (
        "INV-UPCOMING",
        "gathering",
        "2026-05-11T00:00:00Z",
    )
    assert invoice["collectionAt"] == "2026-06-01T00:00:00Z"
    fee, tokens = invoice["lines"]
    assert (fee["period"]["from"], tokens["period"]["from"]) == ("2026-06-01T00:00:00Z", "2026-05-01T00:00:00Z")
    usage = tokens["explanation"]["usage"]
    assert sum(Decimal(each["quantity"]) for each in usage["windows"]) == Decimal(usage["quantity"])
    assert (world.subscriptions.get("default", made.id), len(world.all_invoices())) == stored


def test_the_upcoming_invoice_of_a_later_boundary_can_be_asked_for(client: Client, world: World) -> None:
    world.plan(phase(flat("10")))
    made = world.subscribe(start="2026-05-01")

    boundaries = [
        upcoming(client, made.id, query).json["collectionAt"][:10]
        for query in ("", "notBefore=2026-05-01T00:00:00Z", "notBefore=2026-05-01T00:00:01Z")
    ]

    assert boundaries == ["2026-05-01", "2026-05-01", "2026-06-01"]
    assert errors(upcoming(client, made.id, "notBefore=2028-01-01T00:00:00Z"))[0][0] == "notBefore"
    assert errors(upcoming(client, made.id, "expand=everything"))[0][0] == "expand"


def test_nothing_left_to_invoice_is_a_404_that_says_so(client: Client, world: World) -> None:
    world.plan(phase(flat("5", cadence=None)))
    made = world.subscribe(start="2026-04-01")
    world.issue()
    for subscription_id, code in ((made.id, "no_upcoming_invoice"), (LINE_ID, "subscription_not_found")):
        answer = upcoming(client, subscription_id)
        assert (answer.status, answer.json["extensions"]["validationErrors"][0]["code"]) == (404, code)


def explanation(client: Client, invoice_id: str, line_id: str) -> Any:
    return client.get(f"/api/v1/billing/invoices/{invoice_id}/lines/{line_id}/explanation")


def test_a_line_explains_itself_down_to_its_windows_and_shows_what_came_late(client: Client, world: World) -> None:
    price = {"type": "unit", "amount": "0.01", "maximumAmount": "20"}
    more = {"discounts": {"percentage": {"percentage": 10}, "usage": {"quantity": "500"}}, "price": price}
    world.plan(phase(unit() | more))
    world.subscribe(start="2026-04-01")
    (record,) = world.issue().invoices
    (tokens,) = record.invoice.lines
    world.usage.per_day["acme-app"] = Decimal(101)

    found = explanation(client, record.invoice.id, tokens.id).json

    assert [(each["step"], each.get("quantityAfter") or each["amountAfter"]) for each in found["steps"]] == [
        ("metered", "3000"),
        ("usage_discount", "2500"),
        ("price", "25.00"),
        ("percentage_discount", "22.50"),
        ("maximum_spend", "20.00"),
    ]
    assert (found["total"], found["charges"][0]["total"]) == ("20.00", "20.00")
    usage = found["usage"]
    assert (usage["quantity"], usage["measuredNow"], usage["difference"]) == ("3000", "3030", "30")
    assert (usage["windowSize"], len(usage["windows"]), usage["windowsAddUp"]) == ("DAY", 30, True)
    assert sum(Decimal(each["quantity"]) for each in usage["windows"]) == Decimal(3030)


def test_the_rest_of_a_period_is_explained_from_its_start_less_what_was_billed(client: Client, world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-01")
    world.issue("2026-04-11", progressive=True)
    (record,) = world.issue().invoices
    (tokens,) = record.invoice.lines
    world.usage.per_day["acme-app"] = Decimal(101)

    usage = explanation(client, record.invoice.id, tokens.id).json["usage"]

    assert (usage["quantity"], usage["billedBefore"], usage["before"]) == ("2000", "1000", "1000")
    assert (usage["measuredNow"], usage["difference"]) == ("3030", "30")
    assert (usage["countedFrom"], len(usage["windows"])) == ("2026-04-01T00:00:00Z", 30)


def test_a_line_by_dimensions_names_the_parts(client: Client, world: World) -> None:
    world.plan(phase(unit() | {"price": MATRIX}))
    world.subscribe(start="2026-04-01")
    (record,) = world.issue().invoices

    usage = explanation(client, record.invoice.id, record.invoice.lines[0].id).json["usage"]

    assert usage["partCount"] == 2
    assert usage["parts"][0] == {"groupBy": {"model": "model-b", "kind": "kind-b"}, "quantity": "2000"}
    assert usage["difference"] == "0"


def test_a_line_by_levels_names_them_as_a_simulation_takes_them(client: Client, world: World) -> None:
    world.features.aggregation = Aggregation.TIME_WEIGHTED_SUM
    world.plan(phase(unit() | {"price": SEATS}))
    world.subscribe(start="2026-04-01")
    (record,) = world.issue().invoices

    usage = explanation(client, record.invoice.id, record.invoice.lines[0].id).json["usage"]

    assert (usage["quantity"], usage["difference"], usage["levelAtEnd"]) == ("72000", "0", "100")
    assert usage["parts"] == [{"level": "100", "quantity": "72000"}]
    april = {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    again = simulated(client, line(SEATS, "72000", parts=usage["parts"], period=april))
    assert again["totals"]["total"] == "515.00" == f"{record.invoice.total_minor / 100:.2f}"


def test_every_way_of_measuring_is_said_in_words() -> None:
    assert set(HOW_MEASURED) == set(Aggregation)


def test_a_line_whose_meter_is_gone_still_shows_what_it_was_billed_by(client: Client, world: World) -> None:
    world.plan(phase(unit(), flat(term="in_arrears")))
    world.subscribe(start="2026-04-01")
    (record,) = world.issue().invoices
    tokens, fee = record.invoice.lines

    def gone() -> None:
        raise NotFound("There is no meter 'tokens_total'.")

    world.usage.before = gone
    usage = explanation(client, record.invoice.id, tokens.id).json["usage"]

    assert (usage["quantity"], usage["notMeasured"], "windows" in usage) == (
        "3000",
        "There is no meter 'tokens_total'.",
        False,
    )
    assert "usage" not in explanation(client, record.invoice.id, fee.id).json
    missing = explanation(client, record.invoice.id, "nothing")
    assert (missing.status, missing.json["extensions"]["validationErrors"][0]["code"]) == (404, "line_not_found")
    assert explanation(client, LINE_ID, tokens.id).status == 404
