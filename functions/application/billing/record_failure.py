"""Make the failure of one customer visible: what step of which run failed, and in which words."""

from typing import Any, Literal

from functions.application.ports.billing import Failures
from functions.application.ports.clock import Clock
from functions.application.step_failure import step_failure
from functions.domain.billing.failure import Failure


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
    found = step_failure(error)
    step: Literal["issue", "push"] = "push" if invoice_id else "issue"
    failure = Failure(
        tenant=tenant,
        customer_id=customer_id,
        invoice_id=invoice_id,
        run_id=run_id,
        step=step,
        code=found.code,
        message=found.message,
        failed_at=clock.now(),
    )
    failures.record(failure)
    return failure
