"""One step of the billing workflow: an issued invoice goes to Stripe.

Input {"tenant", "invoice_id", "run_id"}. Raises Unavailable where trying again may help (the workflow retries that
name only), GatewayUnauthorized where the Stripe account itself is the trouble. A refusal for good is an answer.
"""

from typing import Any

from functions.application.billing.push_invoice import push_invoice
from functions.application.ports.gateway import PaymentUpdate
from functions.domain.errors import Unavailable
from functions.handlers import log
from functions.handlers.edge.step import step
from functions.handlers.wiring import base, billing, subscriptions


@step
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    tenant, invoice_id = str(event["tenant"]), str(event["invoice_id"])
    named = {"tenant": tenant, "invoice_id": invoice_id, "run_id": event.get("run_id")}
    try:
        update = push_invoice(
            tenant,
            invoice_id,
            documents=billing.invoice_documents(),
            contacts=subscriptions.customers(),
            payments=billing.invoice_payments(),
            gateway=billing.payment_gateway(),
            pushes=billing.pushes(),
            clock=base.clock(),
        )
    except Unavailable as error:
        log.write("WARNING", "invoice not pushed yet", code=error.code, detail=error.detail, **named)
        # The workflow's retrier knows one name, for every error of the family.
        raise Unavailable(error.detail, retry_after_seconds=error.retry_after_seconds, code=error.code) from error
    answer = _answer(update)
    log.write("ERROR" if update.failure else "INFO", "invoice pushed", **named, **answer)
    return named | answer


def _answer(update: PaymentUpdate) -> dict[str, Any]:
    failure = update.failure
    # Goes to the log and to the execution's history, so it leaves out the address of the payment page: any reader
    # who has the address can open the page.
    return {
        "status": update.status.value,
        "gateway_invoice": update.gateway_invoice,
        "number": update.number,
        "failure_code": failure.code if failure else None,
    }
