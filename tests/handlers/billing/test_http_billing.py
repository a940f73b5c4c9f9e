from decimal import Decimal
from typing import Any

import pytest
from openmeter._generated.models import Invoice, InvoicePaginatedResponse

from functions.application.billing.record_failure import record_failure
from functions.application.ports.billing import BillingRun
from functions.application.ports.gateway import PaymentUpdate
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.push import PaymentStatus, PushFailure
from functions.handlers.billing import http_billing
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import TOKENS, at, draft, flat, phase, unit
from tests.handlers.gateway import Client
from tests.handlers.genuine import problems

INVOICES = "/api/v1/billing/invoices"
NOW = f"{INVOICES}/invoice"


class RunsAtOnce:
    """A workflow without the waiting: it issues as soon as it is started, unless it is told to hang."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.hangs = False
        self.started: list[BillingRun] = []

    def start(self, run: BillingRun) -> None:
        self.started.append(run)
        for customer_id in [] if self.hangs else run.customer_ids:
            self.world.issue(run.as_of.isoformat()[:19], customer_id, run.run_id, progressive=run.progressive)


@pytest.fixture
def runs(world: World, monkeypatch: pytest.MonkeyPatch) -> RunsAtOnce:
    world.plan(phase(flat("10", term="in_arrears"), unit("0.003")))
    runs = RunsAtOnce(world)
    monkeypatch.setattr(world, "runs", runs)
    monkeypatch.setattr(http_billing, "MOST_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(http_billing, "POLL_SECONDS", 0.02)
    return runs


def test_invoice_now_answers_the_invoice_with_its_working(client: Client, world: World, runs: RunsAtOnce) -> None:
    world.subscribe(start="2026-04-01")

    answer = client.post(NOW, {"customerId": ACME})

    assert answer.status == 201
    (invoice,) = answer.json
    assert problems(Invoice, invoice) == []
    assert (invoice["number"], invoice["status"], invoice["totals"]["total"]) == ("INV-ACME-1", "issued", "19.00")
    tokens = invoice["lines"][1]
    assert (tokens["quantity"], tokens["totals"]["total"], tokens["timeZone"]) == ("3000", "9.00", "UTC")
    assert tokens["usageSnapshot"]["lanes"] == {"0": 17, "1": 4}
    assert tokens["childUniqueReferenceId"].endswith("/main/tokens/v[0]/period[0]")
    (charge,) = tokens["children"]
    assert (charge["quantity"], charge["perUnitAmount"], charge["totals"]["total"]) == ("3000", "0.003", "9.00")
    assert sum(Decimal(line["totals"]["total"]) for line in invoice["lines"]) == Decimal("19.00")


def test_a_commitment_over_the_plan_is_shown_by_plan_subscription_and_invoice(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    commitment = {"minimumAmount": "5000", "maximumAmount": "9000"}
    body = draft(phase(unit("0.01"))) | {"key": "committed", "commitment": commitment}
    made = client.post("/api/v1/plans", body)
    assert (made.status, made.json["commitment"]) == (201, commitment)
    client.post(f"/api/v1/plans/{made.json['id']}/publish")
    of = world.subscribe(start="2026-04-01", plan=PlanChoice("committed"))
    assert client.get(f"/api/v1/subscriptions/{of.id}").json["commitment"] == commitment
    (invoice,) = client.post(NOW, {"customerId": ACME}).json
    usage, minimum = invoice["lines"]
    assert problems(Invoice, invoice) == []
    assert (usage["totals"]["total"], minimum["totals"]["total"]) == ("30.00", "4970.00")
    assert minimum["totals"]["chargesTotal"] == "4970.00"
    assert (minimum["name"], minimum["period"]) == (
        "Minimum spend of the plan",
        {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"},
    )
    explained = client.get(f"{INVOICES}/{invoice['id']}/lines/{minimum['id']}/explanation")
    assert (explained.status, explained.json["total"]) == (200, "4970.00")


def test_invoice_now_without_an_ended_period_is_refused_with_openmeters_code(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    world.subscribe(start="2026-04-02")

    answer = client.post(NOW, {"customerId": ACME})

    assert answer.status == 400
    assert answer.json["extensions"]["validationErrors"][0]["code"] == "invoice_create_no_lines"
    assert runs.started == []


def give_keys(world: World) -> None:
    for customer, key in ((ACME, "acme"), (GLOBEX, "globex")):
        world.known_customers[customer] = world.known_customers[customer].model_copy(update={"key": key})


def test_invoice_now_takes_the_customers_key(client: Client, world: World, runs: RunsAtOnce) -> None:
    give_keys(world)
    world.subscribe(start="2026-04-01")
    (invoice,) = client.post(NOW, {"customerId": "acme"}).json
    assert invoice["customer"]["id"] == ACME
    assert "'nobody'" in client.post(NOW, {"customerId": "nobody"}).json["detail"]


def test_repeating_invoice_now_never_makes_a_second_invoice(client: Client, world: World, runs: RunsAtOnce) -> None:
    world.subscribe(start="2026-04-01")
    once = client.post(NOW, {"customerId": ACME, "asOf": "2026-05-01T00:00:00Z"})
    again = client.post(NOW, {"customerId": ACME, "asOf": "2026-05-01T00:00:00Z"})

    assert (once.status, again.status) == (201, 201)
    assert once.json == again.json
    assert client.post(NOW, {"customerId": ACME}).status == 400
    assert client.get(INVOICES).json["totalCount"] == 1


def test_an_earlier_instant_asked_again_after_a_later_one_has_its_own_answer(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-06-02")
    april, may = ({"customerId": ACME, "asOf": f"2026-{day}T00:00:00Z"} for day in ("05-01", "06-01"))
    first = client.post(NOW, april)
    second = client.post(NOW, may)
    assert [each["number"] for each in (*first.json, *second.json)] == ["INV-ACME-1", "INV-ACME-2"]

    for _ in range(2):
        assert [each["number"] for each in client.post(NOW, april).json] == ["INV-ACME-1"]
        assert [each["number"] for each in client.post(NOW, may).json] == ["INV-ACME-2"]
    assert client.post(NOW, may | {"asOf": "2026-05-20T00:00:00Z"}).status == 400


def test_a_run_that_takes_too_long_is_answered_503_and_the_repeat_gets_the_invoices(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    world.subscribe(start="2026-04-01")
    runs.hangs = True
    slow = client.post(NOW, {"customerId": ACME})
    assert (slow.status, slow.headers["retry-after"]) == (503, "5")

    world.issue(run_id=runs.started[0].run_id)
    repeated = client.post(NOW, {"customerId": ACME})

    assert (repeated.status, len(repeated.json), len(runs.started)) == (201, 1, 1)


def test_usage_so_far_is_invoiced_within_the_period_when_asked_for(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    of = world.subscribe(start="2026-04-21")
    as_of = {"customerId": ACME, "asOf": "2026-04-30T00:00:00.250Z"}
    assert client.post(NOW, as_of).status == 400
    assert client.post(NOW, as_of | {"progressiveBillingOverride": False}).status == 400

    once, again = (client.post(NOW, as_of | {"progressiveBillingOverride": True}) for _ in range(2))

    assert (once.status, once.json) == (201, again.json)
    (invoice,) = once.json
    assert problems(Invoice, invoice) == []
    (tokens,) = invoice["lines"]
    assert tokens["period"] == {"from": "2026-04-21T00:00:00Z", "to": "2026-04-30T00:00:00Z"}
    assert (tokens["quantity"], tokens["totals"]["total"]) == ("900", "2.70")
    group = tokens["childUniqueReferenceId"]
    assert tokens["splitLine"] == {"group": group, "position": "first", "previouslyBilledAmount": "0.00"}
    ahead = client.get(f"/api/v1/subscriptions/{of.id}/upcoming-invoice").json
    rest = next(line for line in ahead["lines"] if line.get("featureKey") == "tokens")
    assert (rest["period"]["from"], rest["preLinePeriodQuantity"]) == ("2026-04-30T00:00:00Z", "900")
    assert rest["splitLine"] == {"group": group, "position": "last", "previouslyBilledAmount": "2.70"}
    assert rest["usageSnapshot"]["period"]["from"] == "2026-04-21T00:00:00Z"
    assert rest["usageSnapshot"]["billedBefore"] == "900"


def test_usage_so_far_of_nothing_is_a_400_that_says_so(client: Client, world: World, runs: RunsAtOnce) -> None:
    world.subscribe(start="2026-04-21")
    world.usage.per_day = {}

    answer = client.post(NOW, {"customerId": ACME, "progressiveBillingOverride": True})

    assert (answer.status, "before its period ends" in answer.json["detail"]) == (400, True)


def test_usage_so_far_asked_for_again_while_it_is_worked_on_joins_the_run(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    world.subscribe(start="2026-04-21")
    runs.hangs = True
    body = {"customerId": ACME, "progressiveBillingOverride": True}
    assert client.post(NOW, body).status == 503
    world.clock.time = at("2026-05-01T00:00:09")
    assert client.post(NOW, body).status == 503
    (run,) = runs.started

    world.issue("2026-05-01", run_id=run.run_id, progressive=run.progressive)
    answer = client.post(NOW, body)

    assert (answer.status, len(answer.json), len(runs.started)) == (201, 1, 1)
    world.clock.time = at("2026-05-01T00:10:00")
    assert client.post(NOW, body).status == 503
    assert len(runs.started) == 2, "what was answered is done"


def test_a_failed_customer_hears_why_and_is_listed(client: Client, world: World, runs: RunsAtOnce) -> None:
    world.subscribe(start="2026-04-01")
    runs.hangs = True
    client.post(NOW, {"customerId": ACME})
    error = {"Error": "NotFound", "Cause": '{"errorMessage": "There is no meter."}'}
    run_id = runs.started[0].run_id
    record_failure(TENANT, ACME, None, run_id, error, failures=world.failures, clock=world.clock)

    answer = client.post(NOW, {"customerId": ACME})

    assert answer.status == 503
    assert "There is no meter." in answer.json["detail"]
    (failure,) = client.get("/api/v1/billing/failures").json["items"]
    assert (failure["customerId"], failure["step"], failure["message"]) == (ACME, "issue", "There is no meter.")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"customerId": "01JNJBJDYNJBJDYNJBJDYNJBJD"}, 404),
        ({"customerId": ACME, "asOf": "2026-06-01T00:00:00Z"}, 400),
        ({"customerId": ACME, "filters": {"lineIds": ["x"]}}, 400),
        ({}, 400),
    ],
)
def test_nonsense_is_refused(client: Client, world: World, runs: RunsAtOnce, body: dict[str, Any], status: int) -> None:
    assert client.post(NOW, body).status == status


def test_an_invoice_is_found_by_id_with_lines_and_listed_without(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    world.subscribe(start="2026-04-01")
    invoice_id = client.post(NOW, {"customerId": ACME}).json[0]["id"]

    found = client.get(f"{INVOICES}/{invoice_id}").json
    page = client.get(INVOICES).json
    expanded = client.get(INVOICES, {"expand": "lines"}).json

    assert len(found["lines"]) == 2
    assert "lines" not in page["items"][0]
    assert expanded["items"] == [found]
    for each in (page, expanded):
        assert problems(InvoicePaginatedResponse, each) == []
    assert client.get(f"{INVOICES}/01JNJBJDYNJBJDYNJBJDYNJBJD").status == 404
    assert client.get(INVOICES, {"expand": "everything"}).status == 400


def test_lists_are_filtered_by_status_customer_and_times(client: Client, world: World, runs: RunsAtOnce) -> None:
    for customer in (ACME, GLOBEX):
        world.subscribe(customer, start="2026-04-01")
        client.post(NOW, {"customerId": customer})
    give_keys(world)
    first = client.get(INVOICES, {"customers": ACME}).json["items"][0]["id"]
    world.payments.record_payment(TENANT, first, PaymentUpdate(PaymentStatus.PAID, at("2026-05-02")))

    def count(**params: str) -> int:
        return int(client.get(INVOICES, params).json["totalCount"])

    assert (count(), count(statuses="paid"), count(statuses="issued"), count(statuses="paid,issued")) == (2, 1, 1, 2)
    assert (count(extendedStatuses="paid"), count(customers=GLOBEX), count(statuses="draft")) == (1, 1, 0)
    assert (count(customers="globex"), count(customers="acme,globex"), count(customers="nobody")) == (1, 2, 0)
    assert (count(issuedAfter="2026-05-01T00:00:00Z"), count(issuedAfter="2026-05-01T00:00:01Z")) == (2, 0)
    assert (count(periodStartBefore="2026-03-31T23:59:59Z"), count(createdBefore="2026-05-01T00:00:00Z")) == (0, 2)
    names = [each["customer"]["name"] for each in client.get(INVOICES, {"orderBy": "customer.name"}).json["items"]]
    assert names == ["Acme Inc.", "Globex"]
    assert client.get(INVOICES, {"statuses": "lost"}).status == 400


def test_what_the_gateway_says_is_shown(client: Client, world: World, runs: RunsAtOnce) -> None:
    world.subscribe(start="2026-04-01")
    invoice_id = client.post(NOW, {"customerId": ACME}).json[0]["id"]
    of = f"{INVOICES}/{invoice_id}"

    failure = PushFailure("no_such_customer", "Nobody there.")
    world.payments.record_payment(
        TENANT, invoice_id, PaymentUpdate(PaymentStatus.PUSH_FAILED, at("2026-05-01"), failure=failure)
    )
    failed = client.get(of).json
    assert (failed["statusDetails"]["failed"], failed["validationIssues"][0]["code"]) == (True, "no_such_customer")
    assert problems(Invoice, failed) == []

    update = PaymentUpdate(PaymentStatus.OPEN, at("2026-05-01"), gateway_invoice="in_1", hosted_invoice_url="https://p")
    world.payments.record_payment(TENANT, invoice_id, update)
    pushed = client.get(of).json
    assert (pushed["status"], pushed["statusDetails"]["extendedStatus"]) == (
        "payment_processing",
        "payment_processing.pending",
    )
    assert (pushed["externalIds"], pushed["hostedInvoiceUrl"]) == ({"invoicing": "in_1"}, "https://p")
    assert problems(Invoice, pushed) == []


def test_reading_needs_read_and_invoicing_needs_admin(client: Client, world: World, runs: RunsAtOnce) -> None:
    reader = client.acting_as("read")

    assert reader.get(INVOICES).status == 200
    assert reader.post(NOW, {"customerId": ACME}).status == 403
    assert client.acting_as("ingest").get(INVOICES).status == 403


def test_a_line_explains_tiers_discounts_and_commitments_in_the_genuine_clients_words(
    client: Client, world: World, runs: RunsAtOnce
) -> None:
    tiers = [
        {"upToAmount": "1000", "flatPrice": {"type": "flat", "amount": "5"}, "unitPrice": None},
        {"flatPrice": None, "unitPrice": {"type": "unit", "amount": "0.01"}},
    ]
    price = {"type": "tiered", "mode": "graduated", "tiers": tiers}
    discounts = {"percentage": {"percentage": 12.5}, "usage": {"quantity": "500"}}
    rich = unit(key="rich") | {"price": price | {"maximumAmount": "10"}, "discounts": discounts}
    poor = unit(key="poor") | {"price": price | {"minimumAmount": "40"}}
    thousands = {"operation": "divide", "conversionFactor": "1000", "rounding": "ceiling"}
    bulk = unit("2", key="bulk") | {"unitConfig": thousands | {"displayUnit": "K tokens"}}
    for key in ("rich", "poor", "bulk"):
        world.features.features[key] = TOKENS.model_copy(update={"key": key, "unit": "tokens"})
    world.plan(phase(rich, poor, bulk), key="explained")
    world.subscribe(start="2026-04-01", plan=PlanChoice("explained"))

    (invoice,) = client.post(NOW, {"customerId": ACME}).json

    assert problems(Invoice, invoice) == []
    line, filled, converted = invoice["lines"]
    assert (line["meteredQuantity"], line["quantity"]) == ("3000", "2500")
    (free,) = line["discounts"]["usage"]
    assert (free["quantity"], free["reason"]["type"], free["reason"]["quantity"]) == ("500", "ratecard_usage", "500")
    assert line["rateCard"]["discounts"]["percentage"]["percentage"] == 12.5
    entered, used = line["children"]
    assert (entered["tier"], entered["perUnitAmount"], entered["totals"]["total"]) == (1, "5.00", "4.37")
    assert [(each["reason"]["type"], each["amount"]) for each in used["discounts"]["amount"]] == [
        ("ratecard_percentage", "1.88"),
        ("maximum_spend", "7.49"),
    ]
    assert line["totals"] | {"amount": "20.00", "discountsTotal": "10.00", "total": "10.00"} == line["totals"]
    assert [child["category"] for child in filled["children"]] == ["regular", "regular", "commitment"]
    assert filled["totals"] | {"amount": "25.00", "chargesTotal": "15.00", "total": "40.00"} == filled["totals"]
    assert (converted["meteredQuantity"], converted["quantity"], converted["totals"]["total"]) == ("3000", "3", "6.00")
    assert converted["unitConfig"]["conversionFactor"] == "1000"
    named = [(each["pricingModel"], each["unit"], each["meteredUnit"]) for each in invoice["lines"]]
    assert named == [("Graduated tiers", "tokens", "tokens")] * 2 + [("Per unit", "K tokens", "tokens")]
    assert [child.get("unit") for child in filled["children"]] == [None, "tokens", None]
    texts = [each.description for each in world.documents.get("default", invoice["id"]).lines]
    assert texts[2] == "Bulk: 3 K tokens x 2.00 USD"
    assert "(tier 1, flat price); 2,000 tokens x 0.01 USD (tier 2); 1 x 15.00 USD (minimum spend)" in texts[1]
    assert invoice["totals"] | {"amount": "51.00", "chargesTotal": "15.00", "total": "56.00"} == invoice["totals"]
    assert line["usageSnapshot"]["period"] == line["period"]
    listed = client.get(INVOICES).json["items"][0]
    assert listed["totals"] == invoice["totals"]
