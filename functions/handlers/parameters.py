"""The query parameters of every route: what OpenMeter documents and the SDKs send, what we read, and nothing else.

A parameter that is documented but changes nothing here is taken all the same; a misspelt one is not ignored.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from functions.domain.errors import FieldError, InvalidInput
from functions.handlers.query_string import Query

UNKNOWN = "unknown_parameter"
MAX_NAMED = 3  # in the sentence; the list has all
MAX_SHOWN = 80

# Acting for another tenant is possible everywhere; who may is decided elsewhere.
EVERYWHERE = ("tenant",)
PAGE = ("page", "pageSize", "cursor", "limit")
BY_NUMBER = ("page", "pageSize")
ORDER = ("order", "orderBy")
USAGE = (
    *("clientId", "from", "to", "windowSize", "windowTimeZone", "subject", "filterCustomerId", "filterGroupBy"),
    *("groupBy", "advancedMeterGroupByFilters", "fillZero", "exact", "percentile"),
)
INVOICE_TIMES = (
    *("issuedAfter", "issuedBefore", "periodStartAfter", "periodStartBefore", "createdAfter", "createdBefore"),
)

# Routes as their routers spell them; one that is not here takes none.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "GET /api/v1/events": (
        *("clientId", "ingestedAtFrom", "ingestedAtTo", "id", "subject", "customerId", "from", "to", "limit"),
    ),
    "GET /api/v1/events/corrections": ("cursor", "limit"),
    "GET /api/v2/events": ("cursor", "limit", "clientId", "filter"),
    "GET /api/v1/meters": (*PAGE, *ORDER, "includeDeleted"),
    "GET /api/v1/meters/<id_or_slug>/query": USAGE,
    "GET /api/v1/meters/<id_or_slug>/subjects": ("from", "to", "after"),
    "GET /api/v1/meters/<id_or_slug>/group-by/<key>/values": (*BY_NUMBER, "from", "to"),
    "GET /api/v1/customers": (
        *(*PAGE, *ORDER, "includeDeleted", "key", "name", "primaryEmail", "subject", "planKey", "expand"),
    ),
    "GET /api/v1/customers/<id_or_key>": ("expand",),
    "GET /api/v1/customers/<id_or_key>/subscriptions": (*PAGE, *ORDER, "status"),
    "GET /api/v1/customers/<id_or_key>/coupons": (*PAGE, "includeRemoved"),
    "GET /api/v1/coupons": (*PAGE, *ORDER, "includeArchived"),
    "GET /api/v1/features": (*PAGE, *ORDER, "meterSlug", "includeArchived", "offset"),
    "GET /api/v1/plans": (*PAGE, *ORDER, "includeDeleted", "id", "key", "keyVersion", "status", "currency"),
    "GET /api/v1/plans/<id_or_key>": ("includeLatest",),
    "GET /api/v1/plans/<id_or_key>/addons": (
        *(*PAGE, *ORDER, "includeDeleted", "id", "key", "keyVersion", "status", "currency"),
    ),
    "GET /api/v1/addons": (*PAGE, *ORDER, "includeDeleted", "id", "key", "keyVersion", "status", "currency"),
    "GET /api/v1/addons/<id_or_key>": ("includeLatest",),
    "GET /api/v1/subscriptions/<subscription_id>": ("at",),
    "GET /api/v1/subscriptions/<subscription_id>/coupons": (*PAGE, "includeRemoved"),
    "GET /api/v1/billing/invoices": (
        *(*PAGE, *ORDER, *INVOICE_TIMES),
        *("statuses", "extendedStatuses", "customers", "expand", "includeDeleted"),
    ),
    "GET /api/v1/billing/invoices/<invoice_id>": ("expand", "includeDeletedLines"),
    "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice": ("notBefore", "expand"),
    "GET /api/v1/billing/failures": PAGE,
    "GET /api/v1/api-keys": PAGE,
    "GET /api/v1/archive/queries/<query_id>": ("cursor", "limit"),
    "GET /api/v1/audit/metering": ("day",),
    "GET /api/v1/rejects": ("from", "to", "code", "cursor", "limit"),
}


def check_parameters(raw_query: str, known: Sequence[str]) -> None:
    """Raises InvalidInput naming each parameter that is not known, and all that are."""
    unknown = [name for name in Query(raw_query).names() if name not in known] if raw_query else []
    if unknown:
        fields = [FieldError(name[:MAX_SHOWN], UNKNOWN, _message(name, known)) for name in unknown]
        detail = " ".join(field.message for field in fields[:MAX_NAMED])
        raise InvalidInput(f"{detail} It takes {', '.join(known)}.", fields=fields)


def _message(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name[:MAX_SHOWN], known, 1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name[:MAX_SHOWN]!r} is not a query parameter of this route.{meant}"
