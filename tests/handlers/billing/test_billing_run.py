"""From sent events to a paid invoice in one process: the machine as written, its real functions, ledger and gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import stripe

from functions import names
from functions.adapters.dynamo.billing.push_store import DynamoPushStore
from functions.adapters.dynamo.table import Table
from functions.adapters.memory.ledger import MemoryArchive, MemoryLedger, MemoryStream
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.adapters.stripe.errors import PatientCaller
from functions.adapters.stripe.gateway import StripeGateway
from functions.application.billing.measure_usage import MeasuredUsage
from functions.application.billing.push_invoice import payment_update
from functions.application.metering.ledger.commit_usage import LaneWriter
from functions.application.metering.ledger.ingest_events import ingest_events
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.ports.gateway import GatewayStatus
from functions.application.ports.subscriptions import Holder
from functions.application.subscriptions.create_subscription import PlanChoice
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.errors import NotFound
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import AcceptanceWindow, Event
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.lanes import Lanes
from functions.handlers import http_api
from functions.handlers.billing import schedule_billing as schedule
from functions.handlers.billing import (
    schedule_reconcile,
    workflow_issue_invoice,
    workflow_list_due,
    workflow_push_invoice,
    workflow_record_failure,
)
from functions.handlers.metering import workflow_close_lanes, workflow_count_lanes
from functions.handlers.wiring import base, billing, metering, subscriptions
from infra.local.stripe_standin.server import Server, running
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import TOKENS as FEATURE
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client
from tests.handlers.machine import Machine, MachineFailed
from tests.writing import write

DEFINITION = (Path(__file__).resolve().parents[3] / "infra" / "workflows" / "billing.asl.json").read_text()
LANES = Lanes(4, b"a key of the test")
TOKENS = Meter("m1", "tokens_total", "call", Aggregation.SUM, "$.n", {"model": "$.model"}, since=1)
FUNCTIONS = {
    "CloseLanes": workflow_close_lanes,
    "CountLanes": workflow_count_lanes,
    "ListDue": workflow_list_due,
    "IssueInvoice": workflow_issue_invoice,
    "PushInvoice": workflow_push_invoice,
    "RecordFailure": workflow_record_failure,
}


@pytest.fixture
def gateway_server() -> Iterator[Server]:
    with running(api_key="sk_test_run", webhook_secret="whsec_run") as server:
        yield server


class Deployment:
    """A world whose usage is counted by the real ledger and whose invoices go to the gateway's stand-in."""

    def __init__(self, world: World, table: Table, server: Server) -> None:
        self.world, self.server = world, server
        self.ledger, self.archive, self.stream = MemoryLedger(), MemoryArchive(), MemoryStream()
        self.ledger.put_meter_set(TENANT, MeterSet(1, (TOKENS,)))
        self.ids = 0
        self.writer = LaneWriter(
            self.ledger, self.archive, world.clock, self.new_id, AcceptanceWindow(), MemoryLookBacks(), len
        )
        self.stripe = stripe.StripeClient("sk_test_run", base_addresses={"api": server.url}, max_network_retries=0)
        self.gateway = StripeGateway(lambda: self.stripe, PatientCaller(sleep=lambda _: None))
        self.pushes = DynamoPushStore(table)
        self.lane_writer_is_stuck = False
        self.machine: Machine

    def new_id(self) -> str:
        self.ids += 1
        return f"id{self.ids}"

    def send(self, subject: str, n: int, when: str, model: str = "gpt") -> None:
        event_id = self.new_id()
        fingerprint = LANES.fingerprint(TENANT, subject, "test", event_id)
        data = msgspec.json.encode({"n": n, "model": model})
        event = Event(fingerprint, int(at(when).timestamp()), event_id, "test", "call", subject, data)
        now = int(self.world.clock.now().timestamp())
        ingest_events([event], TENANT, LANES, self.stream, self.new_id, now, len(event.data))

    def deliver(self) -> None:
        """What the stream does while the machine waits."""
        if self.lane_writer_is_stuck:
            return
        write(self.writer, self.stream.records)
        self.stream.records = []

    def run(self, run_id: str = "run-1", as_of: str | None = None, **scope: Any) -> Any:
        handlers = {name: module.handler for name, module in FUNCTIONS.items()}
        self.machine = Machine(DEFINITION, handlers, self.deliver)
        until = at(as_of) if as_of else self.world.clock.now()
        return self.machine.run({"run_id": run_id, "as_of": until.isoformat(), **scope})

    def totals(self) -> dict[str, int]:
        return {each.invoice.number: each.invoice.total_minor for each in self.world.all_invoices()}

    def statuses(self) -> list[str]:
        return [each.status(self.world.clock.now()).value for each in self.world.all_invoices()]

    def at_the_gateway(self) -> list[int]:
        invoices = self.server.service.world.invoices.values()
        ours = {each.invoice.id for each in self.world.all_invoices()}
        return [each["total"] for each in invoices if each["metadata"].get("invoice_id") in ours]


@pytest.fixture
def deployment(world: World, dynamodb: Any, gateway_server: Server, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment(world, Table(dynamodb.client, dynamodb.billing_table), gateway_server)
    monkeypatch.setenv(names.ENV_LANES, str(LANES.count))
    monkeypatch.setattr(metering, "event_stream", lambda: made.stream)
    monkeypatch.setattr(metering, "ledger", lambda: made.ledger)
    reader = UsageReader(made.ledger, made.archive, LANES)
    monkeypatch.setattr(billing, "usage_meter", lambda: MeasuredUsage(reader, made.ledger, base.clock()))
    monkeypatch.setattr(billing, "payment_gateway", lambda: made.gateway)
    monkeypatch.setattr(billing, "pushes", lambda: made.pushes)
    world.plan(phase(flat("10", term="in_arrears"), unit("0.01")))
    return made


def test_usage_becomes_an_invoice_that_is_pushed_and_paid(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    for n, when in (
        (100, "2026-04-01"),
        (200, "2026-04-30T23:59:59"),
        (5000, "2026-05-01"),
        (7000, "2026-03-31T23:59:59"),
    ):
        deployment.send("acme-app", n, when)
    deployment.send("globex-app", 900, "2026-04-10")

    assert deployment.run() == {"status": "billed"}

    assert deployment.totals() == {"INV-ACME-1": 1300}
    assert deployment.statuses() == ["payment_processing"]
    assert deployment.at_the_gateway() == [1300]
    record = world.invoices.get(TENANT, world.all_invoices()[0].invoice.id)
    assert record is not None
    usage = record.invoice.lines[1].usage
    assert usage is not None
    lane = LANES.lane_of(TENANT, "acme-app")
    assert (usage.quantity, usage.lanes) == (Decimal(300), {str(lane): deployment.ledger.head(lane)})

    invoice = deployment.gateway.invoice(record.payment.gateway_invoice or "")
    assert invoice is not None
    assert invoice.status is GatewayStatus.OPEN
    deployment.stripe.v1.invoices.pay(invoice.ref, {"paid_out_of_band": True})
    settled = deployment.gateway.invoice(invoice.ref)
    assert settled is not None
    world.payments.record_payment(TENANT, record.invoice.id, payment_update(settled, world.clock.now()))
    assert deployment.statuses() == ["paid"]


def test_events_still_in_the_stream_when_the_run_starts_are_on_the_invoice(
    deployment: Deployment, world: World
) -> None:
    world.subscribe(ACME, start="2026-04-01")
    deployment.send("acme-app", 100, "2026-04-02")
    assert deployment.ledger.head(LANES.lane_of(TENANT, "acme-app")) == 0

    deployment.run()

    assert deployment.totals() == {"INV-ACME-1": 1100}
    assert deployment.machine.visited.count("WaitForLanes") == 1


@pytest.mark.parametrize(("off", "total"), [("25 %", 1725), ("3.33 USD", 1967), ("100 %", 0)])
def test_what_coupons_deduct_is_off_at_the_gateway_too(
    deployment: Deployment, world: World, off: str, total: int
) -> None:
    """Ten dollars and 1,300 tokens; the two lines share what is deducted."""
    world.subscribe(ACME, start="2026-04-01")
    applied = world.give(world.coupon(off, "once"))
    deployment.send("acme-app", 1300, "2026-04-02")

    for run_id in ("run-1", "run-1", "run-2"):
        assert deployment.run(run_id) == {"status": "billed"}

    assert deployment.totals() == {"INV-ACME-1": total}
    # An invoice of nothing is not sent.
    assert deployment.at_the_gateway() == ([total] if total else [])
    assert deployment.statuses() == ["payment_processing" if total else "paid"]
    (held,) = world.coupons.of_customer(TENANT, ACME)
    assert (held.id, held.invoice_count) == (applied.id, 1)


def test_what_comes_for_a_period_that_is_billed_is_told_with_what_it_would_have_cost(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan(phase(unit("1.00")), key="by_unit")
    world.clock.time = at("2026-05-01T01:00:00")
    monkeypatch.setattr(metering, "late_index", lambda: deployment.ledger)
    held = {"acme-app": [Holder(ACME, Holding(subject="acme-app"))]}
    monkeypatch.setattr(subscriptions, "customers", lambda: SimpleNamespace(holders=lambda _tenant, _subjects: held))
    world.subscribe(ACME, start="2026-04-01", plan=PlanChoice("by_unit"))
    deployment.send("acme-app", 100, "2026-04-02")
    deployment.run()
    assert deployment.totals() == {"INV-ACME-1": 10000}
    deployment.send("acme-app", 7, "2026-04-29")
    deployment.send("acme-app", 9, "2026-05-01T00:59:00")
    deployment.deliver()
    world.clock.time = at("2026-05-01T02:10:00")
    answer = schedule_reconcile.handler({}, SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000))
    assert answer == {"customers": 1, "found": 1, "done": True}
    client = Client(http_api.handler)
    shown = client.get("/api/v1/billing/reconciliation").json
    (item,) = shown["items"]
    (invoice,) = world.all_invoices()
    assert {name: item[name] for name in ("issued", "reRated", "adjusted", "open")} == {
        "issued": "100.00",
        "reRated": "107.00",
        "adjusted": "0.00",
        "open": "7.00",
    }
    assert (item["customerId"], item["itemKey"], item["reason"]) == (ACME, "tokens", "late_usage")
    assert item["period"] == {"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
    assert item["invoices"] == [invoice.invoice.id]
    assert shown["totals"]["open"] == "7.00"
    path = "/api/v1/billing/reconciliation"
    assert client.get(path, "from=2026-05-01T00:00:00Z").json["items"] == []
    assert client.get(path, "to=2026-04-01T00:00:00Z").json["items"] == []
    assert client.get(path, "status=not_measured").json["items"] == []
    assert len(client.get(path, "status=open").json["items"]) == 1
    assert client.get(path, "status=closed").fields == ["status"]
    assert client.acting_as("admin", "stranger").get(path).json["items"] == []


def test_usage_so_far_and_what_came_late_add_up_at_the_gateway(deployment: Deployment, world: World) -> None:
    world.plan(phase(unit("0.0125")), key="so_far")
    world.subscribe(ACME, start="2026-04-01", plan=PlanChoice("so_far"))
    scope = {"tenant": TENANT, "customer_ids": [ACME], "progressive": True}
    deployment.send("acme-app", 101, "2026-04-02")
    deployment.send("acme-app", 7, "2026-04-20T00:00:00")
    for run_id in ("now-1", "now-1", "now-2"):
        deployment.run(run_id, as_of="2026-04-20", **scope)
    assert deployment.totals() == {"INV-ACME-1": 126}
    deployment.send("acme-app", 1000, "2026-04-03T04:05:06")
    deployment.run("now-3", as_of="2026-04-25T13:14:15", **scope)

    deployment.run("schedule-1")

    # 101, then the late 1,000 and 7, then nothing, of which nobody is sent a document: 13.85 USD together.
    assert deployment.totals() == {"INV-ACME-1": 126, "INV-ACME-2": 1259}
    assert sorted(deployment.at_the_gateway()) == [126, 1259]
    records = [world.invoices.get(TENANT, each.invoice.id) for each in world.all_invoices()]
    used = {each.invoice.number: each.invoice.lines[0].usage for each in records if each}
    assert [usage.quantity if usage else None for _, usage in sorted(used.items())] == [101, 1007]


def test_running_again_with_the_same_or_another_id_changes_nothing(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    deployment.run("run-1")
    before = deployment.totals(), deployment.at_the_gateway()

    for run_id in ("run-1", "run-2"):
        deployment.run(run_id)

    assert (deployment.totals(), deployment.at_the_gateway()) == before == ({"INV-ACME-1": 1000}, [1000])


def test_two_runs_at_once_give_one_invoice_here_and_at_the_gateway(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    handlers = {name: module.handler for name, module in FUNCTIONS.items()}
    deployment.run("warm-up", as_of="2026-04-01")

    def run(number: int) -> Any:
        given = {"run_id": "warm-up", "as_of": "2026-05-01T00:00:00+00:00"}
        return Machine(DEFINITION, handlers, lambda: None).run(given)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [{"status": "billed"}] * 4

    assert deployment.totals() == {"INV-ACME-1": 1000}
    assert deployment.at_the_gateway() == [1000]


def test_one_customer_that_cannot_be_billed_stops_nobody_and_is_visible(
    deployment: Deployment, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.subscribe(ACME, start="2026-04-01")
    world.subscribe(GLOBEX, start="2026-04-01")
    whole = billing.usage_meter()

    class NothingForAcme:
        def reading_once(self, tenant: str) -> "NothingForAcme":
            return self

        def usage(self, question: UsageQuestion) -> Any:
            if "acme-app" in [each.subject for each in question.held]:
                raise NotFound("There is no meter 'tokens_total' to bill by.")
            return whole.usage(question)

    with monkeypatch.context() as patch:
        patch.setattr(billing, "usage_meter", lambda: NothingForAcme())
        assert deployment.run() == {"status": "billed"}

    assert deployment.totals() == {"INV-GLOB-1": 1000}
    (failure,) = world.failures.all(TENANT)
    assert (failure.customer_id, failure.step, failure.code) == (ACME, "issue", "NotFound")
    assert failure.message == "There is no meter 'tokens_total' to bill by."

    deployment.run("run-2")
    assert deployment.totals() == {"INV-GLOB-1": 1000, "INV-ACME-1": 1000}
    assert list(world.failures.all(TENANT)) == []


def test_an_invoice_whose_push_failed_is_pushed_by_a_later_run(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    deployment.server.service.faults.add({"fault": "error_before", "path": "/v1/customers", "times": 50})
    try:
        deployment.run()
    finally:
        deployment.server.service.faults.clear()
    assert deployment.statuses() == ["issued"]
    assert [failure.step for failure in world.failures.all(TENANT)] == ["push"]

    world.clock.time = at("2026-05-01T00:15:00")
    assert schedule.handler({}, None) == {"run_id": "schedule-20260501T0015"}
    deployment.run("run-2")

    assert deployment.statuses() == ["payment_processing"]
    assert deployment.at_the_gateway() == [1000]
    assert list(world.failures.all(TENANT)) == []
    assert schedule.handler({}, None) == {"run_id": None}


def test_missed_periods_become_one_invoice_each_and_are_all_pushed(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    world.clock.time = at("2026-07-15")
    deployment.run()

    assert deployment.totals() == {"INV-ACME-1": 1000, "INV-ACME-2": 1000, "INV-ACME-3": 1000}
    assert sorted(deployment.at_the_gateway()) == [1000, 1000, 1000]


def test_a_run_for_some_customers_leaves_the_others_alone(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    world.subscribe(GLOBEX, start="2026-04-01")

    deployment.run(tenant=TENANT, customer_ids=[GLOBEX])

    assert deployment.totals() == {"INV-GLOB-1": 1000}


def test_nothing_is_invoiced_while_a_lane_is_stuck(deployment: Deployment, world: World) -> None:
    world.subscribe(ACME, start="2026-04-01")
    deployment.lane_writer_is_stuck = True

    with pytest.raises(MachineFailed) as failed:
        deployment.run()

    assert failed.value.error == "LanesNotCounted"
    assert deployment.machine.visited.count("CountLanes") == 300
    assert deployment.totals() == {}


def test_a_table_that_cannot_be_read_fails_the_run_and_its_cause_is_in_the_log(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> datetime:
        raise RuntimeError("no table")

    monkeypatch.setattr(billing, "due_index", broken)

    with pytest.raises(MachineFailed, match="InternalError"):
        deployment.run()

    assert '"error": "RuntimeError"' in capsys.readouterr().out


def test_one_customer_with_a_long_backlog_gets_so_many_rounds_and_the_next_run_goes_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow_issue_invoice, "MAX_ROUNDS", 2)
    deployment.world.plan(phase(flat("1", cadence="P1D")), billingCadence="P1D")
    deployment.world.subscribe(start="2026-04-06")

    deployment.run()
    assert deployment.machine.visited.count("IssueInvoice") == 2
    assert len(deployment.totals()) == 20
    deployment.run(run_id="run-2")
    assert len(deployment.totals()) == 26


def usage_card(world: World, key: str, price: dict[str, Any]) -> dict[str, Any]:
    world.features.features[key] = FEATURE.model_copy(update={"key": key})
    return unit(key=key) | {"price": price}


def test_a_price_by_model_and_one_by_the_hour_are_measured_by_what_they_need(
    deployment: Deployment, world: World
) -> None:
    by_model = {
        "type": "matrix",
        "dimensions": ["model"],
        "rows": [{"values": {"model": "gpt"}, "amount": "0.01"}, {"values": {"model": "tiny"}, "amount": "0"}],
        "defaultAmount": "0.1",
    }
    night = {"name": "Night", "fromHour": 0, "toHour": 6, "amount": "0.001"}
    by_hour = {"type": "time_of_day", "timeZone": "Asia/Kolkata", "bands": [night], "defaultAmount": "0.002"}
    world.plan(phase(usage_card(world, "by_model", by_model), usage_card(world, "by_hour", by_hour)), key="parts")
    world.subscribe(ACME, start="2026-04-01", plan=PlanChoice("parts"))
    for n, when, model in (
        (100, "2026-04-02T18:29:59", "gpt"),  # 23:59:59 in Kolkata
        (200, "2026-04-02T18:30:00", "gpt"),  # 0:00
        (400, "2026-04-03T00:29:59", "tiny"),  # 5:59:59
        (800, "2026-04-03T00:30:00", "new"),  # 6:00
        (9_999, "2026-05-01", "gpt"),
    ):
        deployment.send("acme-app", n, when, model)

    deployment.run()

    record = world.invoices.get(TENANT, world.all_invoices()[0].invoice.id)
    assert record is not None
    assert [
        [(each.reference, each.quantity, each.amount_minor) for each in line.charges] for line in record.invoice.lines
    ] == [
        [
            ("matrix-1-usage", Decimal(300), 300),
            ("matrix-2-usage", Decimal(400), 0),
            ("matrix-default-usage", Decimal(800), 8000),
        ],
        [("time-of-day-1-usage", Decimal(600), 60), ("time-of-day-default-usage", Decimal(900), 180)],
    ]
    snapshots = [line.usage for line in record.invoice.lines if line.usage]
    assert [(each.quantity, each.group_by, each.window, each.time_zone) for each in snapshots] == [
        (Decimal(1500), ("model",), None, None),
        (Decimal(1500), (), "HOUR", "Asia/Kolkata"),
    ]


def test_a_price_by_a_dimension_the_meter_does_not_have_is_recorded_as_a_failure(
    deployment: Deployment, world: World
) -> None:
    by_region = {"type": "matrix", "dimensions": ["region"], "rows": [], "defaultAmount": "1"}
    world.plan(phase(usage_card(world, "by_region", by_region)), key="regions")
    world.subscribe(ACME, start="2026-04-01", plan=PlanChoice("regions"))

    deployment.run()

    assert deployment.totals() == {}
    (failure,) = world.failures.of_customer(TENANT, ACME)
    assert (failure.code, "'region'" in failure.message) == ("Unbillable", True)
