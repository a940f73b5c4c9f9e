"""The genuine Python package over real HTTP, from a plan to an invoice."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openmeter import Client as OpenMeter
from openmeter import models

from functions.application.ports.billing import BillingRun
from tests.application.billing.world import ACME, World
from tests.domain.builders import draft, flat, phase, unit
from tests.handlers.gateway import Client


class RunsAtOnce:
    def __init__(self, world: World) -> None:
        self.world = world

    def start(self, run: BillingRun) -> None:
        for customer_id in run.customer_ids:
            self.world.issue(run.as_of.isoformat()[:19], customer_id, run.run_id)


@pytest.fixture
def openmeter(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenMeter]:
    monkeypatch.setattr(world, "runs", RunsAtOnce(world))

    class Bridge(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode() or None
            answer = client.call(self.command, path, body, params=query)
            content = answer.text.encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the tests speak for themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bridge)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield OpenMeter(endpoint=f"http://127.0.0.1:{server.server_port}", token="tb_x")
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


def test_the_genuine_client_goes_from_a_plan_to_an_invoice(openmeter: OpenMeter) -> None:
    made = openmeter.plans.create(models.PlanCreate(draft(phase(flat("5", term="in_arrears"), unit("0.01")))))
    plan = openmeter.plans.publish(made.id)
    assert (made.status, plan.status) == ("draft", "active")
    assert [each.id for each in openmeter.plans.list(status=["active"], key=["pro"])] == [plan.id]

    subscription = openmeter.subscriptions.create(
        models.PlanSubscriptionCreate({"plan": {"key": "pro"}, "customerId": ACME, "timing": "2026-04-01T00:00:00Z"})
    )
    assert openmeter.subscriptions.get_expanded(subscription.id).status == "active"

    (invoice,) = openmeter.invoices.invoice_pending_lines_action({"customerId": ACME})
    assert (invoice.number, invoice.totals.total, invoice.status) == ("INV-ACME-1", "35.00", "issued")
    found = openmeter.invoice.get_invoice(invoice.id)
    assert [(line.name, line.totals.total) for line in found.lines or []] == [("Fee", "5.00"), ("Tokens", "30.00")]
    listed = openmeter.invoices.list(statuses=["issued"], customers=[ACME], expand=["lines"])
    assert listed["totalCount"] == 1

    cancelled = openmeter.subscriptions.cancel(subscription.id, {"timing": "next_billing_cycle"})
    assert cancelled.status == "canceled"
