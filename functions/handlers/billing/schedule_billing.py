"""Every quarter of an hour: is anything due? One query each on two indexes; the workflow starts only if so."""

from datetime import timedelta
from typing import Any

from functions.application.billing.start_billing import start_billing
from functions.handlers import log, settings
from functions.handlers.wiring import base, billing


def handler(_payload: object, _context: object) -> dict[str, Any]:
    run = start_billing(
        timedelta(seconds=settings.collection_seconds()),
        index=billing.due_index(),
        runs=billing.billing_runs(),
        turns=billing.billing_turns(),
        clock=base.clock(),
    )
    log.write("INFO", "looked for due periods", run_id=run.run_id if run else None)
    return {"run_id": run.run_id if run else None}
