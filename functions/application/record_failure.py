"""Make the failure of one customer visible: what step of which run failed, and in which words."""

import json
from typing import Any, Literal

from functions.application.ports.billing import Failure, Failures
from functions.application.ports.clock import Clock

# Long enough for any sentence of ours, short enough for an item.
MAX_MESSAGE_CHARACTERS = 1_000


def record_failure(
    tenant: str,
    customer_id: str,
    invoice_id: str | None,
    run_id: str,
    error: dict[str, Any],
    *,
    failures: Failures,
    clock: Clock,
) -> Failure:
    """`error` is what a workflow catches: an `Error` name and a `Cause`, often a function's JSON with its message."""
    step: Literal["issue", "push"] = "push" if invoice_id else "issue"
    failure = Failure(
        tenant=tenant,
        customer_id=customer_id,
        invoice_id=invoice_id,
        run_id=run_id,
        step=step,
        code=str(error.get("Error") or "unknown"),
        message=_message(str(error.get("Cause") or "")),
        failed_at=clock.now(),
    )
    failures.record(failure)
    return failure


def _message(cause: str) -> str:
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = None
    text = parsed.get("errorMessage", cause) if isinstance(parsed, dict) else cause
    return str(text)[:MAX_MESSAGE_CHARACTERS] or "The step failed without saying why."
