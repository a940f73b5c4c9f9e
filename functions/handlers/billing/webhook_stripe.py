"""POST /api/v1/apps/{id}/stripe/webhook: Stripe says that an invoice may have changed.

No key of ours protects this route; Stripe's signature over the raw bytes does. 2xx only once the change is durable,
so that Stripe repeats everything else. Payloads hold customers' data and are never logged.
"""

import base64
import binascii
import json
from typing import Any

from functions import names
from functions.application.billing.settle_invoice import settle_invoice
from functions.domain.errors import InvalidInput, TollboothError
from functions.handlers import log, metrics
from functions.handlers.edge import problem
from functions.handlers.wiring import base, billing


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    request_id = problem.request_id_of(event)
    try:
        return _settled(event)
    except Exception as error:
        is_refused = isinstance(error, _NotFromStripe)
        if is_refused:
            log.write("WARNING", "webhook refused", request_id=request_id, code=getattr(error, "code", None))
        elif isinstance(error, TollboothError):
            log.write("ERROR", "webhook not settled", request_id=request_id, code=error.code)
        else:
            log.unexpected(error, request_id=request_id)
        if not is_refused:
            metrics.count(**{names.METRIC_WEBHOOK_FAILED: 1})
        return problem.answer(error, request_id)


class _NotFromStripe(InvalidInput):
    """The message itself is wrong: nothing of ours failed."""


def _settled(request: dict[str, Any]) -> dict[str, Any]:
    from functions.adapters.stripe.webhook import verified_event

    secrets = billing.stripe_credentials().get().webhook_secrets
    now = int(base.clock().now().timestamp())
    try:
        event = verified_event(_raw_body(request), _header(request, "stripe-signature"), secrets, now)
    except InvalidInput as refused:
        raise _NotFromStripe(refused.detail, code=refused.code) from refused
    settled = settle_invoice(
        event,
        gateway=billing.webhook_gateway(),
        pushes=billing.pushes(),
        payments=billing.invoice_payments(),
        clock=base.clock(),
    )
    log.write(
        "INFO", "webhook", event_id=event.event_id, type=event.type, invoice_id=event.invoice_id, result=settled.value
    )
    body = json.dumps({"received": True, "result": settled.value})
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}


def _raw_body(request: dict[str, Any]) -> bytes:
    """The bytes Stripe signed; API Gateway hands some of them on as base64."""
    body = request.get("body") or ""
    if not request.get("isBase64Encoded"):
        return str(body).encode()
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The body is not base64.", code="invalid_payload") from error


def _header(request: dict[str, Any], name: str) -> str | None:
    found = {str(key).lower(): value for key, value in (request.get("headers") or {}).items()}
    value = found.get(name)
    return str(value) if value is not None else None
