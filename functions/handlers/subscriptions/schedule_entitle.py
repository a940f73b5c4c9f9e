"""Every 15 minutes: are there subscriptions from before there were entitlements, or customers to try again?"""

from typing import Any

from functions.application.subscriptions.backfill_entitlements import backfill_entitlements
from functions.handlers import log
from functions.handlers.edge.step import InternalError, step
from functions.handlers.wiring import subscriptions

SPARE_MILLISECONDS = 60_000  # of one customer, tried as often as a write may be overtaken


@step
def handler(_payload: object, context: Any) -> dict[str, Any]:
    """-> {customers, entitled, failed, done}; what is not done is left for the next call."""

    def has_time() -> bool:
        return int(context.get_remaining_time_in_millis()) > SPARE_MILLISECONDS

    done = backfill_entitlements(has_time, ports=subscriptions.entitlement_backfill_ports())
    counts = {"customers": done.customers, "entitled": done.entitled, "failed": done.failed}
    if done.customers:
        log.write("INFO", "customers entitled", **counts, is_done=done.is_done)
    if done.broken:
        raise InternalError(f"{done.broken} customers could not be entitled; the log has the reasons.")
    return {**counts, "done": done.is_done}
