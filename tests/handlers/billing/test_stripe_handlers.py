"""The two functions that know Stripe, from a Lambda payload to the billing table and back."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

import pytest
import stripe

from functions import names
from functions.adapters.dynamo.billing.push_store import DynamoPushStore
from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.adapters.dynamo.table import Table
from functions.adapters.stripe.credentials import StripeCredentials
from functions.adapters.stripe.webhook import MAX_BODY_BYTES
from functions.application.ports.gateway import GatewayUnauthorized
from functions.domain.billing.push import GatewayCustomer, PaymentStatus
from functions.domain.errors import NotFound, Unavailable
from functions.domain.subscriptions.customer import Address, Customer, CustomerCreate
from functions.handlers.billing import webhook_stripe, workflow_push_invoice
from functions.handlers.wiring import base, billing, subscriptions
from tests.application.billing.push.world import WEBHOOK_SECRET, PushWorld, push_world
from tests.application.billing.world import TENANT
from tests.application.billing.world import World as BillingWorld
from tests.domain.builders import phase, unit
from tests.handlers.gateway import payload
from tests.wired import wire

OLD_SECRET = "whsec_old"
PATH = "/api/v1/apps/stripe/stripe/webhook"


class Credentials:
    def get(self) -> StripeCredentials:
        return StripeCredentials("sk_test_push", (OLD_SECRET, WEBHOOK_SECRET))


class Deployed:
    """Both handlers wired to DynamoDB Local and the stand-in, with one issued invoice."""

    def __init__(self, at_stripe: PushWorld, table: Table) -> None:
        self.at_stripe = at_stripe
        self.billing = BillingWorld(table)
        self.billing.plan(phase(unit()))
        self.billing.subscribe(start="2026-04-01")
        self.invoice = self.billing.issue().invoices[0].invoice

    def push(self, invoice_id: str | None = None) -> dict[str, Any]:
        event = {"tenant": TENANT, "invoice_id": invoice_id or self.invoice.id, "run_id": "run-1"}
        return workflow_push_invoice.handler(event, None)

    def payment(self) -> Any:
        record = self.billing.invoices.get(TENANT, self.invoice.id)
        assert record is not None
        return record.payment

    def pay(self) -> dict[str, Any]:
        """Paid by card; answers the event Stripe then sends."""
        self.at_stripe.client().v1.invoices.pay(self.payment().gateway_invoice, {"payment_method": "pm_card_visa"})
        events: list[dict[str, Any]] = list(self.at_stripe.stripe.events.values())
        return next(each for each in reversed(events) if each["type"] == "invoice.paid")


@pytest.fixture
def deployed(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    table = Table(dynamodb.client, dynamodb.billing_table)
    with push_world() as world:
        deployed = Deployed(world, table)
        wire(
            monkeypatch,
            clock=world.clock,
            invoice_documents=deployed.billing.documents,
            invoice_payments=deployed.billing.payments,
            pushes=DynamoPushStore(table),
            customers=DynamoCustomers(table),
            stripe_credentials=Credentials(),
            payment_gateway=world.gateway,
            webhook_gateway=world.gateway,
        )
        yield deployed


def signed(event: Any, secret: str = WEBHOOK_SECRET, **more: Any) -> dict[str, Any]:
    body = event if isinstance(event, str) else json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, secret, **more)
    request = payload("POST", PATH, body=body, headers={"stripe-signature": header})
    del request["requestContext"]["authorizer"], request["headers"]["authorization"]
    return request


def result(answer: dict[str, Any]) -> tuple[int, str]:
    return answer["statusCode"], json.loads(answer["body"]).get("result", "")


def refused(answer: dict[str, Any]) -> str:
    """The code of a 400 problem."""
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["status"]) == (400, 400)
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return str(body["extensions"]["validationErrors"][0]["code"])


def test_a_pushed_invoice_knows_where_to_pay_and_its_payment_comes_back(deployed: Deployed) -> None:
    answer = deployed.push()
    assert json.loads(json.dumps(answer)) == answer
    assert (answer["status"], answer["failure_code"], answer["run_id"]) == ("open", None, "run-1")
    assert deployed.payment().hosted_invoice_url.startswith("http")
    assert result(webhook_stripe.handler(signed(deployed.pay()), None)) == (200, "recorded")
    assert deployed.payment().status is PaymentStatus.PAID
    assert deployed.payment().amount_paid_minor == deployed.invoice.total_minor


def test_a_customer_who_moved_since_the_last_invoice_is_told_to_stripe(deployed: Deployed) -> None:
    body = CustomerCreate(
        name="Acme Europe",
        primary_email="billing@acme.example",
        billing_address=Address(country="DE", city="Köln", line1="Domkloster 4"),
    )
    now = base.clock().now().replace(microsecond=0)
    customer = Customer(**dict(body), id=deployed.invoice.customer.id, created_at=now, updated_at=now)
    subscriptions.customers().save(TENANT, None, customer)

    assert deployed.push()["status"] == "open"

    (at_stripe,) = deployed.at_stripe.stripe.customers.values()
    assert (at_stripe["name"], at_stripe["email"]) == ("Acme Europe", "billing@acme.example")
    assert (at_stripe["address"]["city"], at_stripe["address"]["line2"]) == ("Köln", None)
    known = billing.pushes().customer(TENANT, customer.id, "USD")
    contact = subscriptions.customers().contact(TENANT, customer.id)
    assert contact is not None
    assert (known.ref, known.told) == (at_stripe["id"], contact.sha256())


def test_pushing_twice_gives_the_same_answer(deployed: Deployed) -> None:
    assert deployed.push() == deployed.push()
    assert len(deployed.at_stripe.invoices()) == 1


def test_a_permanent_refusal_is_an_answer_not_an_error(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.application.billing.push_invoice.MAX_GENERATIONS_PER_RUN", 1)
    billing.pushes().put_customer(TENANT, deployed.invoice.customer.id, "USD", GatewayCustomer("cus_gone"))
    answer = deployed.push()
    assert (answer["status"], answer["failure_code"]) == ("push_failed", "resource_missing")
    assert deployed.payment().status is PaymentStatus.PUSH_FAILED
    assert deployed.payment().failure_code == "resource_missing"


@pytest.mark.parametrize(("fault", "times"), [("drop_before", 1), ("rate_limit", 4), ("error_before", 3)])
def test_what_may_pass_is_raised_under_the_one_name_the_workflow_retries(
    deployed: Deployed, fault: str, times: int
) -> None:
    deployed.at_stripe.fault(fault, "/v1/customers", times=times)
    with pytest.raises(Unavailable) as raised:
        deployed.push()
    assert type(raised.value).__name__ == "Unavailable"
    assert deployed.push()["status"] == "open"


def test_an_unhealthy_account_and_an_unknown_invoice_are_not_retried(deployed: Deployed) -> None:
    with pytest.raises(NotFound):
        deployed.push("nowhere")
    deployed.at_stripe.server.service.api_key = "sk_test_rolled"
    with pytest.raises(GatewayUnauthorized):
        deployed.push()


def test_the_same_event_twice_is_settled_once(deployed: Deployed) -> None:
    deployed.push()
    event = signed(deployed.pay())
    results = [result(webhook_stripe.handler(event, None)) for _ in range(3)]
    assert results == [(200, "recorded"), (200, "duplicate"), (200, "duplicate")]


def test_a_base64_body_is_undone_before_it_is_verified(deployed: Deployed) -> None:
    deployed.push()
    request = signed(deployed.pay())
    encoded = base64.b64encode(request["body"].encode()).decode()
    assert result(webhook_stripe.handler(request | {"body": encoded, "isBase64Encoded": True}, None)) == (
        200,
        "recorded",
    )


def test_both_secrets_are_good_while_one_is_rolled(deployed: Deployed) -> None:
    deployed.push()
    event = deployed.pay()
    assert result(webhook_stripe.handler(signed(event, OLD_SECRET), None)) == (200, "recorded")
    assert result(webhook_stripe.handler(signed(event, WEBHOOK_SECRET), None)) == (200, "duplicate")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request["headers"].pop("stripe-signature"),
        lambda request: request["headers"].update({"stripe-signature": "t=1,v1=00"}),
        lambda request: request["headers"].update({"stripe-signature": "nonsense"}),
        lambda request: request.update(body=request["body"].replace("invoice.paid", "invoice.void")),
        lambda request: request.update(body=request["body"] + " "),
        lambda request: request.update(body=None),
    ],
)
def test_a_body_that_stripe_did_not_sign_is_refused(deployed: Deployed, spoil: Any) -> None:
    deployed.push()
    request = signed(deployed.pay())
    spoil(request)
    assert refused(webhook_stripe.handler(request, None)) == "invalid_signature"
    assert deployed.payment().status is PaymentStatus.OPEN


def test_another_secret_and_a_signature_of_another_time_are_refused(deployed: Deployed) -> None:
    deployed.push()
    event = deployed.pay()
    now = int(time.time())
    assert refused(webhook_stripe.handler(signed(event, "whsec_guess"), None)) == "invalid_signature"
    assert refused(webhook_stripe.handler(signed(event, timestamp=now - 310), None)) == "invalid_signature"
    assert refused(webhook_stripe.handler(signed(event, timestamp=now + 310), None)) == "invalid_signature"
    assert refused(webhook_stripe.handler(signed(event, timestamp=now + 86_400 * 365), None)) == "invalid_signature"
    assert result(webhook_stripe.handler(signed(event, timestamp=now - 290), None)) == (200, "recorded")


@pytest.mark.parametrize("signature", ["t=1790000000,v1=é", "", "t=,v1=", "v1=00"])
def test_a_signature_that_is_none_is_refused(deployed: Deployed, signature: str) -> None:
    request = signed("{}")
    request["headers"]["stripe-signature"] = signature
    assert refused(webhook_stripe.handler(request, None)) == "invalid_signature"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"id": 1, "type": "a", "data": {"object": {}}}',
        '{"id": "", "type": "a", "data": {"object": {}}}',
        '{"id": "' + "e" * 3_000 + '", "type": "a", "data": {"object": {}}}',
        "[" * 100_000,
    ],
    ids=["empty", "text", "list", "object", "number as id", "empty id", "long id", "deep"],
)
def test_signed_nonsense_is_refused_too(deployed: Deployed, body: str) -> None:
    assert refused(webhook_stripe.handler(signed(body), None)) in ("invalid_payload", "invalid_signature")


def test_a_body_that_is_too_long_is_refused_before_it_is_hashed(deployed: Deployed) -> None:
    request = signed("x" * (MAX_BODY_BYTES + 1))
    assert refused(webhook_stripe.handler(request, None)) == "invalid_payload"


def test_bad_base64_is_refused(deployed: Deployed) -> None:
    request = signed("{}") | {"body": "%%%", "isBase64Encoded": True}
    assert refused(webhook_stripe.handler(request, None)) == "invalid_payload"


@pytest.mark.parametrize(
    "thing",
    [
        {"object": "invoice", "id": "in_other", "metadata": {}},
        {"object": "invoice", "id": "in_other", "metadata": None},
        {"object": "invoice", "id": "in_other", "metadata": [1]},
        {"object": "invoice", "id": "in_other", "metadata": "x"},
        {"object": "invoice", "id": "in_other", "metadata": {"tenant": "a#b", "invoice_id": "\ud800"}},
        {"object": "customer", "id": "cus_1"},
        {"object": "invoice", "id": "in_other", "metadata": {"tenant": "default", "invoice_id": "🚀" * 400}},
        {"object": "invoice", "id": "in_other", "metadata": {"tenant": "default", "invoice_id": "01FOREIGN"}},
    ],
)
def test_events_that_are_not_about_our_invoices_are_taken_and_ignored(deployed: Deployed, thing: Any) -> None:
    event = {"id": "evt_1", "type": "invoice.paid", "data": {"object": thing}}
    assert result(webhook_stripe.handler(signed(event), None)) == (200, "ignored")


def test_a_failure_of_ours_is_counted_and_repeated_by_stripe(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.push()
    event = signed(deployed.pay())
    capsys.readouterr()
    deployed.at_stripe.fault("drop_before", ".*", method="GET")
    answer = webhook_stripe.handler(event, None)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (503, "application/problem+json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line[names.METRIC_WEBHOOK_FAILED] for line in lines if names.METRIC_WEBHOOK_FAILED in line] == [1]
    assert result(webhook_stripe.handler(event, None)) == (200, "recorded")


def test_the_address_of_the_payment_page_is_in_no_log_and_no_history(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any reader who has it sees the invoice and the customer; a step's answer stays in the execution's history."""
    answer = deployed.push()
    webhook_stripe.handler(signed(deployed.pay()), None)
    said = capsys.readouterr().out + json.dumps(answer)
    assert deployed.payment().gateway_invoice in said
    assert deployed.payment().hosted_invoice_url not in said
    assert deployed.payment().invoice_pdf not in said
    assert "://" not in said


def test_no_payload_reaches_the_log(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    deployed.push()
    event = deployed.pay()
    webhook_stripe.handler(signed(event), None)
    webhook_stripe.handler(signed(event, "whsec_guess"), None)
    logged = capsys.readouterr().out
    assert event["data"]["object"]["customer_name"] not in logged
    assert "whsec" not in logged
    assert "sk_test" not in logged


@contextmanager
def door() -> Iterator[str]:
    """What API Gateway does with a POST, as a URL."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = webhook_stripe.handler(payload("POST", PATH, body=body, headers=headers), None)
            self.send_response(answer["statusCode"])
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()


def test_an_invoice_paid_on_its_page_becomes_paid_although_webhooks_come_twice_and_shuffled(deployed: Deployed) -> None:
    service = deployed.at_stripe.server.service
    with door() as url:
        service.control("webhook", {"url": url, "duplicates": 1, "shuffle": True})
        deployed.push()
        page = deployed.payment().hosted_invoice_url
        with urlopen(page + "/decline", data=b"") as declined:
            assert "declined" in declined.read().decode()
        with urlopen(page + "/pay", data=b"") as paid:
            assert "paid" in paid.read().decode()
        for _ in range(200):
            if len(service.webhooks.deliveries) >= 2 * len(service.world.events):
                break
            time.sleep(0.05)
    assert deployed.payment().status is PaymentStatus.PAID
    assert [each["type"] for each in service.webhooks.deliveries].count("invoice.paid") == 2
    assert {each["status"] for each in service.webhooks.deliveries} == {200}
