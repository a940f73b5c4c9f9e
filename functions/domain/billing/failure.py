"""Why somebody could not be billed."""

from typing import Literal

from functions.domain.wire import Instant, WireModel


class Failure(WireModel):
    """Why one customer could not be billed, or one invoice not be pushed, in the latest run that tried."""

    tenant: str
    customer_id: str
    invoice_id: str | None = None
    run_id: str
    step: Literal["issue", "push"]
    code: str
    message: str
    failed_at: Instant
    attempts: int = 1
