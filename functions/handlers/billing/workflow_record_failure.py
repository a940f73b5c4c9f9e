"""What a billing run does when one customer or one invoice failed: write it down, count it, go on."""

from collections.abc import Mapping
from typing import Any

from functions import names
from functions.application.billing.record_failure import record_failure
from functions.handlers import log, metrics
from functions.handlers.edge.step import MAX_NAME_CHARACTERS, step
from functions.handlers.wiring import base, billing


@step
def handler(payload: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """{tenant, customer_id, run_id, error, invoice_id?, invoice_ids?} -> {invoice_ids, has_more}."""
    failure = record_failure(
        str(payload["tenant"]),
        str(payload["customer_id"]),
        payload.get("invoice_id"),
        str(payload["run_id"]),
        payload.get("error") or {},
        failures=billing.billing_failures(),
        clock=base.clock(),
    )
    log.write(
        "ERROR",
        "customer not billed",
        tenant=failure.tenant,
        customer_id=failure.customer_id,
        invoice_id=failure.invoice_id,
        run_id=failure.run_id,
        step=failure.step,
        code=failure.code,
        caught=str((payload.get("error") or {}).get("Error"))[:MAX_NAME_CHARACTERS],
    )
    metrics.count(**{names.METRIC_BILLING_FAILED: 1})
    return {"invoice_ids": payload.get("invoice_ids", []), "has_more": False}
