"""Tells the demo step by step, each with its figures; told again it finds everything done and does nothing twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import openmeter
from corehttp.exceptions import HttpResponseError

from infra.local import emulator, paths, stripe
from infra.local.console import fact, step
from infra.local.demo import access, catalogue, usage
from infra.local.demo.usage import Month
from infra.local.failure import StepFailed
from infra.local.patience import wait_while_it_moves
from infra.local.state import LocalStack

TENANT = "demo"
REQUEST_SECONDS = 60.0


def tenant_key(api_url: str, admin_key: str, previous: str | None) -> str:
    """A key of the demo tenant, scope admin: the one of an earlier run while it is good, otherwise a new one."""
    with step("Seeding the demo tenant") as current, explained("Making an API key for it"):
        if previous and httpx.get(f"{api_url}/api/v1/meters", headers=bearer(previous), timeout=30).is_success:
            current.says("its API key of the last run is still good")
            return previous
        body = {"name": "Demo", "scopes": ["admin"], "tenant": TENANT}
        answer = httpx.post(f"{api_url}/api/v1/api-keys", json=body, headers=bearer(admin_key), timeout=REQUEST_SECONDS)
        answer.raise_for_status()
        current.says(f"tenant {TENANT!r} has an API key")
        return str(answer.json()["token"])


def begun(demo: dict[str, Any]) -> dict[str, Any]:
    """Which month it is about, decided once: told again, the same events have the same times."""
    if demo:
        return demo
    month = Month.that_ended_at(datetime.now(UTC))
    return {"tenant": TENANT, "period_start": shown(month.start), "period_end": shown(month.end)}


def is_told(stack: LocalStack) -> bool:
    """Has the demo ended with a paid invoice before? What a person did since then is theirs."""
    return "invoice_number" in stack.demo


def tell(stack: LocalStack) -> LocalStack:
    """The whole story; answers the stack with what the demo did."""
    month = Month(*(datetime.fromisoformat(stack.demo[name]) for name in ("period_start", "period_end")))
    with openmeter.Client(endpoint=stack.api_url, token=stack.api_key) as client:
        meter_and_usage(client, month)
        customer_id = offer_and_subscribe(client, month)
        invoice = close_the_month(client, customer_id, stack, month)
        invoice = reach_stripe(client, invoice, stack)
        invoice = be_paid(client, invoice, stack)
    return replace(
        stack,
        demo=stack.demo
        | {
            "events": usage.CALLS * 2,
            "tokens": str(usage.tokens(month)),
            "customer_id": customer_id,
            "invoice_id": invoice.id,
            "invoice_number": invoice.number,
            "invoice_total": str(invoice.totals.total),
            "invoice_status": invoice.status.value,
        },
    )


def tell_of_access(stack: LocalStack) -> LocalStack:
    """Of another customer of the demo, who uses up what was allowed."""
    with openmeter.Client(endpoint=stack.api_url, token=stack.api_key) as client, explained("Asking for access"):
        return replace(stack, demo=stack.demo | access.tell(client))


def is_access_told(stack: LocalStack) -> bool:
    return "access_left" in stack.demo


def meter_and_usage(client: Any, month: Month) -> None:
    with step("Creating the meter") as current, explained("Creating the meter"):
        meter = catalogue.meter(client)
        current.says(
            f"{meter.slug} = {meter.aggregation.value} of {meter.value_property}, by {', '.join(meter.group_by)}"
        )
    with step("Sending a month of LLM usage with the openmeter SDK") as current, explained("Sending usage"):
        events = list(usage.events(month))
        client.events.ingest_event(events[0])
        batches = [events[n : n + usage.BATCH_SIZE] for n in range(1, len(events), usage.BATCH_SIZE)]
        for batch in batches:
            client.events.ingest_events(batch)
        current.says(f"{len(events)} events in {1 + len(batches)} requests, {shown(month.start)} to {shown(month.end)}")
    with step("Querying it back") as current, explained("Querying usage"):
        expected = usage.tokens(month)
        wait_while_it_moves(
            lambda: queried(client, month), lambda total: total == expected, f"the meter to count {expected:,} tokens"
        )
        current.says(f"{expected:,} tokens, exactly what was sent")
    for group in sorted(queried_by_model(client, month).items()):
        fact("{}: {:,} tokens".format(*group))


def offer_and_subscribe(client: Any, month: Month) -> str:
    with step("Creating features, plan and customer") as current, explained("Creating the offer"):
        features, plan, customer = catalogue.features(client), catalogue.plan(client), catalogue.customer(client)
        prices = ", ".join(f"${price:f} a token of {direction}" for direction, price in catalogue.PRICES.items())
        current.says(f"{len(features)} features; plan {plan.key} v{plan.version}: ${catalogue.PLATFORM_FEE} + {prices}")
    with step("Subscribing the customer, from one month ago") as current, explained("Subscribing"):
        subscription = catalogue.subscription(client, customer.id, month)
        current.says(f"{customer.name}, from {shown(subscription.active_from)}")
    return str(customer.id)


def close_the_month(client: Any, customer_id: str, stack: LocalStack, month: Month) -> Any:
    with step("Closing the month with the billing run") as current, explained("Billing"):
        invoice = invoiced_now(client, customer_id) or only_invoice(client)
        total, expected = Decimal(str(invoice.totals.total)), catalogue.expected_total(month)
        if total != expected:
            remedy = f"Look at {stack.api_url}/api/v1/billing/invoices/{invoice.id} and at `make logs`."
            raise StepFailed(f"The invoice says ${total}, the usage makes ${expected}.", remedy)
        current.says(f"invoice {invoice.number} over ${total}, as the usage says")
    for line in client.invoice.get_invoice(invoice.id, expand=["lines"]).lines or []:
        fact(f"{line.name}: ${line.totals.total}")
    return invoice


def reach_stripe(client: Any, invoice: Any, stack: LocalStack) -> Any:
    with step("Pushing the invoice to Stripe") as current, explained("Pushing to Stripe"):

        def at_stripe() -> Any:
            fresh = client.invoice.get_invoice(invoice.id)
            return fresh if fresh.external_ids and fresh.external_ids.invoicing else None

        fresh = wait_while_it_moves(at_stripe, bool, "the invoice to reach Stripe")
        fact(str(wait_while_it_moves(lambda: billing_run(stack), bool, "the billing run to end")))
        current.says(f"{fresh.external_ids.invoicing}, {stack.stripe_url}/invoices/{fresh.external_ids.invoicing}")
        return fresh


def be_paid(client: Any, invoice: Any, stack: LocalStack) -> Any:
    with step("Paying it at Stripe, whose signed webhook reports back") as current, explained("Paying"):
        if invoice.status != "paid":
            stripe.pay(stack.stripe_url, invoice.external_ids.invoicing)

        def paid() -> Any:
            fresh = client.invoice.get_invoice(invoice.id)
            return fresh if fresh.status == "paid" else None

        fresh = wait_while_it_moves(paid, bool, "the webhook to turn the invoice paid")
        current.says(f"invoice {fresh.number} is {fresh.status.value}")
        return fresh


def invoiced_now(client: Any, customer_id: str) -> Any | None:
    """The invoice of the ended period; None when it has been invoiced before."""

    def asked() -> tuple[int, Any]:
        try:
            return 200, client.invoices.invoice_pending_lines_action({"customerId": customer_id})[0]
        except HttpResponseError as error:
            if error.status_code == 400 and "invoice_create_no_lines" in error_text(error):
                return 400, None
            if error.status_code != 503:
                raise
            return 503, None

    return wait_while_it_moves(asked, lambda answer: answer[0] != 503, "the ended period to be invoiced")[1]


def only_invoice(client: Any) -> Any:
    invoices = client.invoices.list().items_property
    if len(invoices) != 1:
        raise StepFailed(f"The demo tenant has {len(invoices)} invoices instead of one.", "Look at `make logs`.")
    return invoices[0]


def billing_run(stack: LocalStack) -> str | None:
    """One sentence about the latest execution of the billing machine; None while it runs."""
    machine = emulator.client("stepfunctions", stack.ports[emulator.NAME])
    listed = machine.list_executions(stateMachineArn=stack.outputs["BillingMachineArn"])["executions"]
    if not listed:
        return "No execution of the billing machine is known any more."
    latest = max(listed, key=lambda execution: execution["startDate"])
    if latest["status"] == "RUNNING":
        return None
    seconds = (latest["stopDate"] - latest["startDate"]).total_seconds()
    return f"Step Functions execution {latest['name']} {latest['status']} after {seconds:.1f} s"


def queried(client: Any, month: Month) -> Decimal:
    rows = client.meters.query(catalogue.METER, {"from": shown(month.start), "to": shown(month.end)}).data
    return sum((Decimal(str(row.value)) for row in rows), Decimal(0))


def queried_by_model(client: Any, month: Month) -> dict[str, int]:
    query = {"from": shown(month.start), "to": shown(month.end), "groupBy": ["model"]}
    return {row.group_by["model"]: int(row.value) for row in client.meters.query(catalogue.METER, query).data}


@contextmanager
def explained(what: str) -> Iterator[None]:
    """A refusal of the API becomes a failed step that shows the API's own words."""
    remedy = (
        f"`make logs` shows what the functions said; the emulator's log is {paths.shown(paths.log_file('emulator'))}."
    )
    try:
        yield
    except HttpResponseError as error:
        raise StepFailed(f"{what}: the API answered {error.status_code}: {error_text(error)}", remedy) from error
    except httpx.HTTPStatusError as error:
        answer = error.response
        raise StepFailed(f"{what}: the API answered {answer.status_code}: {answer.text}", remedy) from error
    except (httpx.TransportError, OSError) as error:
        raise StepFailed(f"{what}: the API did not answer ({error}).", remedy) from error


def error_text(error: HttpResponseError) -> str:
    response: Any = error.response
    return str(response.text()) if response is not None else str(error)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def shown(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
