"""Signed webhooks that repeat until they are taken, the pages to look at and to pay, and the program itself."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe

from infra.local.stripe_standin import webhooks
from infra.local.stripe_standin.server import Server
from tests.infra.local.stripe_standin.conftest import API_KEY, WEBHOOK_SECRET
from tests.infra.local.stripe_standin.test_behaviour import customer, draft, finalized


class Receiver:
    """An endpoint that answers with the given statuses, then 200, and keeps what it took."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.taken: list[tuple[bytes, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.taken.append((body, self.headers["Stripe-Signature"]))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.taken]

    def wait_for(self, count: int) -> None:
        for _ in range(400):
            if len(self.taken) >= count:
                return
            time.sleep(0.02)
        raise AssertionError(f"{len(self.taken)} of {count} webhooks came")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def lever(server: Server, action: str, **given: Any) -> Any:
    answer = httpx.post(f"{server.url}/_standin/{action}", json=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_event_arrives_signed_as_stripes_own_package_verifies_it(
    server: Server, client: stripe.StripeClient, receiver: Receiver
) -> None:
    lever(server, "webhook", url=receiver.url)
    customer(client)
    receiver.wait_for(1)
    body, header = receiver.taken[0]
    event = stripe.Webhook.construct_event(body, header, WEBHOOK_SECRET)
    assert event.type == "customer.created"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", header, WEBHOOK_SECRET)


def test_a_webhook_is_repeated_until_it_is_taken(
    server: Server, client: stripe.StripeClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "RETRY_WAITS", (0.01,) * 5)
    receiver.answers = [500, 400, 503]
    lever(server, "webhook", url=receiver.url)
    customer(client)
    receiver.wait_for(1)
    deliveries: list[Any] = []
    for _ in range(100):
        deliveries = httpx.get(f"{server.url}/_standin/deliveries").json()["deliveries"]
        if len(deliveries) == 4:
            break
        time.sleep(0.02)
    assert [each["status"] for each in deliveries] == [500, 400, 503, 200]


def test_duplicates_and_shuffling_on_demand(server: Server, client: stripe.StripeClient, receiver: Receiver) -> None:
    lever(server, "webhook", url=receiver.url, duplicates=2, shuffle=True)
    for _ in range(4):
        customer(client)
    receiver.wait_for(12)
    ids = [json.loads(body)["id"] for body, _ in receiver.taken]
    assert (len(ids), len(set(ids))) == (12, 4)


def test_while_a_secret_is_rolled_both_sign(server: Server, client: stripe.StripeClient, receiver: Receiver) -> None:
    lever(server, "webhook", url=receiver.url, secrets=["whsec_new", WEBHOOK_SECRET])
    customer(client)
    receiver.wait_for(1)
    body, header = receiver.taken[0]
    for secret in ("whsec_new", WEBHOOK_SECRET):
        assert stripe.Webhook.construct_event(body, header, secret).type == "customer.created"


def test_old_events_can_be_sent_again(server: Server, client: stripe.StripeClient, receiver: Receiver) -> None:
    finalized(client, 1000)
    lever(server, "webhook", url=receiver.url)
    sent = lever(server, "redeliver")["sent"]
    receiver.wait_for(sent)
    assert "invoice.finalized" in receiver.types()


def test_the_page_lists_invoices_and_one_is_paid_there(server: Server, client: stripe.StripeClient) -> None:
    owner = customer(client, name="<b>Acme</b>", email="pay@acme.example")
    opened = client.v1.invoices.finalize_invoice(draft(client, 123456, owner=owner))
    page = httpx.get(f"{server.url}/invoices").text
    assert "1,234.56 USD" in page
    assert "&lt;b&gt;Acme&lt;/b&gt;" in page
    assert "<b>Acme" not in page
    assert opened.hosted_invoice_url == f"{server.url}/invoices/{opened.id}"
    shown = httpx.get(opened.hosted_invoice_url).text
    assert "Pay 1,234.56 USD" in shown
    assert "Pay with a declined card" in shown
    declined = httpx.post(f"{opened.hosted_invoice_url}/decline", follow_redirects=True)
    assert "The card was declined" in declined.text
    assert client.v1.invoices.retrieve(opened.id).status == "open"
    paid = httpx.post(f"{opened.hosted_invoice_url}/pay", follow_redirects=True)
    assert (paid.status_code, "Pay 1,234.56" in paid.text) == (200, False)
    assert client.v1.invoices.retrieve(opened.id).status == "paid"
    httpx.post(f"{opened.hosted_invoice_url}/pay")
    assert client.v1.invoices.retrieve(opened.id).amount_paid == 123456


def test_the_pdf_is_a_pdf(server: Server, client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000)
    assert opened.invoice_pdf is not None
    answer = httpx.get(opened.invoice_pdf)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-1.4")
    assert answer.content.rstrip().endswith(b"%%EOF")
    assert b"(Total 10.00 USD)" in answer.content
    start = int(answer.content.split(b"startxref\n")[1].split()[0])
    assert answer.content[start:].startswith(b"xref")


def test_another_websites_form_cannot_pay(server: Server, client: stripe.StripeClient) -> None:
    opened = finalized(client, 1000)
    answer = httpx.post(f"{opened.hosted_invoice_url}/pay", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert client.v1.invoices.retrieve(opened.id).status == "open"


@pytest.mark.parametrize("path", ["/invoices/in_nobody", "/nowhere", "/invoices/a/b/c", "/favicon.ico"])
def test_unknown_pages_are_not_found(server: Server, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 404


def test_levers_refuse_what_they_do_not_know(server: Server) -> None:
    for action, body in (
        ("unicorn", "{}"),
        ("faults", "{}"),
        ("faults", '{"fault": "x"}'),
        ("clock", "[]"),
        ("clock", "x"),
    ):
        answer = httpx.post(f"{server.url}/_standin/{action}", content=body)
        assert 400 <= answer.status_code < 500
    assert httpx.get(f"{server.url}/_standin/unicorn").status_code == 404


def test_the_clock_moves_on_demand(server: Server, client: stripe.StripeClient) -> None:
    before = server.service.world.now()
    after = lever(server, "clock", advance_seconds=86_400)["now"]
    assert 86_400 <= after - before < 86_410
    assert client.v1.customers.retrieve(customer(client)).created >= after


def test_the_program_starts_on_a_free_port_and_stops_when_asked() -> None:
    command = [sys.executable, "-m", "infra.local.stripe_standin"]
    given = ["--port", "0", "--api-key", API_KEY, "--webhook-secret", WEBHOOK_SECRET]
    program = subprocess.Popen([*command, *given], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        url = program.stdout.readline().split()[3].rstrip(",")
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/_standin/health").json() == {"ok": True}
        port = url.rsplit(":", 1)[1]
        taken = [*command, "--port", port, *given[2:]]
        second = subprocess.run(taken, capture_output=True, text=True, check=False, timeout=30)
        assert (second.returncode, f"Port {port} cannot be used" in second.stderr) == (1, True)
        program.terminate()
        assert program.wait(timeout=10) == 0
    finally:
        program.kill()
        program.wait()
