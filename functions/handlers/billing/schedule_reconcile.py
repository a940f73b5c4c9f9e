"""Every hour: what usage came late for periods that are billed? What differs from what was issued is kept, and told."""

from typing import Any

from functions import names
from functions.application.billing.reconcile import reconcile
from functions.handlers import metrics
from functions.handlers.wiring import billing

SPARE_MILLISECONDS = 120_000  # of one turn


def handler(_payload: object, context: Any) -> dict[str, Any]:
    """-> {customers, found, done}; what is not done is left for the next hour."""

    def has_time() -> bool:
        return int(context.get_remaining_time_in_millis()) > SPARE_MILLISECONDS

    done = reconcile(has_time, ports=billing.reconciliation_ports())
    counts = {names.METRIC_BILLED_DIFFERENCE: done.found}
    metrics.write("billed periods looked at again", counts, customers=done.customers, is_done=done.is_done)
    if done.errors:
        raise done.errors[0]
    return {"customers": done.customers, "found": done.found, "done": done.is_done}
