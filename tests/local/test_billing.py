"""From a month of usage to a paid invoice, on the whole stack."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from infra.local import emulator, stripe
from infra.local.demo.usage import Month
from infra.local.patience import wait_while_it_moves
from infra.local.state import LocalStack
from tests.local.tenant import Tenant, calls

# Far below the month that the subscription has been running.
USED_AGO = timedelta(days=10)


def a_month_of_usage(tenant: Tenant) -> dict[str, Any]:
    """A customer whose first month has ended, with 100 calls at half a cent and a fee of 10 dollars."""
    meter = tenant.count_meter()
    tenant.made("/api/v1/features", {"key": "calls", "name": "Calls", "meterSlug": meter})
    cards = [
        {
            "type": "flat_fee",
            "key": "fee",
            "name": "Fee",
            "billingCadence": "P1M",
            "price": {"type": "flat", "amount": "10", "paymentTerm": "in_arrears"},
        },
        {
            "type": "usage_based",
            "key": "calls",
            "name": "Calls",
            "featureKey": "calls",
            "billingCadence": "P1M",
            "price": {"type": "unit", "amount": "0.005"},
        },
    ]
    plan = tenant.made(
        "/api/v1/plans",
        {
            "key": "basic",
            "name": "Basic",
            "currency": "USD",
            "billingCadence": "P1M",
            "phases": [{"key": "default", "name": "Default", "duration": None, "rateCards": cards}],
        },
    )
    tenant.made(f"/api/v1/plans/{plan['id']}/publish", {})
    subjects = [f"subject-{number}" for number in range(10)]
    customer = tenant.made(
        "/api/v1/customers",
        {"name": "Acme", "key": "acme", "currency": "USD", "usageAttribution": {"subjectKeys": subjects}},
    )
    assert tenant.send(calls(100, ago=USED_AGO)).status_code == 204
    start = Month.that_ended_at(datetime.now(UTC)).start.strftime("%Y-%m-%dT%H:%M:%SZ")
    tenant.made("/api/v1/subscriptions", {"plan": {"key": "basic"}, "customerId": customer["id"], "timing": start})
    found: dict[str, Any] = customer
    return found


def invoice_now(tenant: Tenant, customer: dict[str, Any]) -> httpx.Response:
    """Asked again while the answer is that it is still being worked on, as a client would."""
    answers: list[httpx.Response] = []

    def asked() -> tuple[int, str]:
        body = {"customerId": customer["id"]}
        answers.append(tenant.http.post("/api/v1/billing/invoices/invoice", json=body))
        return answers[-1].status_code, answers[-1].text

    wait_while_it_moves(asked, lambda answer: answer[0] != 503, "the invoice")
    return answers[-1]


def invoices(tenant: Tenant) -> list[dict[str, Any]]:
    answer = tenant.http.get("/api/v1/billing/invoices")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def at_stripe(tenant: Tenant) -> list[dict[str, Any]]:
    """The invoices of this tenant that the stand-in knows."""
    answer = httpx.get(
        f"{tenant.stack.stripe_url}/v1/invoices?limit=100", headers={"Authorization": f"Bearer {stripe.API_KEY}"}
    )
    return [each for each in answer.json()["data"] if each["metadata"]["tenant"] == tenant.name]


def are_open(found: list[dict[str, Any]]) -> bool:
    return bool(found) and all(each["status"] == "open" for each in found)


def test_the_demo_ended_with_a_paid_invoice(stack: LocalStack) -> None:
    assert stack.demo["invoice_status"] == "paid"
    with httpx.Client(base_url=stack.api_url, headers={"Authorization": f"Bearer {stack.api_key}"}) as demo:
        (invoice,) = demo.get("/api/v1/billing/invoices").json()["items"]
    assert invoice["status"] == "paid"
    assert invoice["totals"]["total"] == stack.demo["invoice_total"]


def test_usage_becomes_an_invoice_that_is_paid_through_stripe(tenant: Tenant) -> None:
    customer = a_month_of_usage(tenant)
    answer = invoice_now(tenant, customer)
    assert answer.status_code in {200, 201}, answer.text
    (invoice,) = answer.json()
    assert invoice["totals"]["total"] == "10.50" or invoice["totals"]["total"] == "10.5"
    (pushed,) = wait_while_it_moves(lambda: at_stripe(tenant), are_open, "an open invoice at Stripe")
    assert pushed["total"] == 1050
    stripe.pay(tenant.stack.stripe_url, pushed["id"])
    wait_while_it_moves(lambda: invoices(tenant), lambda found: found[0]["status"] == "paid", "the invoice to be paid")


def test_two_invoice_now_at_once_make_one_invoice(tenant: Tenant) -> None:
    customer = a_month_of_usage(tenant)
    with ThreadPoolExecutor(4) as at_once:
        answers = list(at_once.map(lambda _: invoice_now(tenant, customer), range(4)))
    numbers = {each["number"] for answer in answers if answer.status_code in {200, 201} for each in answer.json()}
    refusals = [answer for answer in answers if answer.status_code not in {200, 201}]
    assert len(numbers) == 1
    assert all("invoice_create_no_lines" in answer.text for answer in refusals)
    assert len(invoices(tenant)) == 1
    wait_while_it_moves(lambda: at_stripe(tenant), bool, "an invoice at Stripe")
    assert len(at_stripe(tenant)) == 1


def test_a_month_that_has_been_invoiced_has_nothing_left_to_invoice(tenant: Tenant) -> None:
    customer = a_month_of_usage(tenant)
    first = invoice_now(tenant, customer)
    assert first.status_code in {200, 201}, first.text
    again = invoice_now(tenant, customer)
    assert again.status_code == 400
    assert "invoice_create_no_lines" in again.text
    assert len(invoices(tenant)) == 1


def test_the_schedule_bills_what_is_due_without_being_asked(tenant: Tenant) -> None:
    a_month_of_usage(tenant)
    scheduled = emulator.client("lambda", tenant.stack.ports[emulator.NAME])
    answer = scheduled.invoke(FunctionName=tenant.stack.outputs["ScheduleBillingFunctionName"], Payload=b"{}")
    assert "FunctionError" not in answer
    wait_while_it_moves(lambda: invoices(tenant), bool, "an invoice")
    assert len(invoices(tenant)) == 1
