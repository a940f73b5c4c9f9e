"""Which routes cost more than others: the callers of these are charged for a question, too."""

from functions.domain.access.api_key import Caller
from functions.domain.rate_limit import Standing
from functions.handlers.wiring import access

# They read an archive, rate a year or start a workflow; `exact` of a usage query is charged where it is read.
QUESTION_ROUTES = frozenset(
    {
        "POST /api/v1/archive/queries",
        "POST /api/v1/plans/<id_or_key>/backtest",
        "POST /api/v1/plans/<id_or_key>/migrate-all",
        "GET /api/v1/plans/<id_or_key>/versions",
        "POST /api/v1/billing/customers/<customer_id>/invoices/simulate",
        "POST /api/v1/billing/invoices/invoice",
        "POST /api/v1/rejects/replay",
        "POST /api/v1/meters/<id_or_slug>/backfill",
        "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice",
        "GET /api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation",
        "GET /api/v1/audit/metering",
    }
)


def charge_call(caller: Caller, route: str) -> list[Standing]:
    """Raises RateLimited."""
    return access.charges().call(caller, is_question=route in QUESTION_ROUTES)
