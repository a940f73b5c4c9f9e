"""What each parameter of each route means, in a sentence; what its schema says is said once more for human readers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from functions.application.billing.preview_invoice import FARTHEST
from functions.application.metering.events.list_rejects import MAX_DAYS
from functions.domain.catalog.versioned import VersionStatus
from functions.domain.metering.values.windows import WindowSize
from functions.domain.subscriptions.plan_migration import ResultStatus
from functions.domain.subscriptions.subscription import SubscriptionStatus
from functions.handlers.billing.http_billing import STATUSES
from functions.handlers.edge.query_string import MAX_JSON_CHARACTERS
from functions.handlers.metering.events_request import (
    MAX_CLIENT_ID,
    MAX_CUSTOMERS,
    MAX_FILTER_CHARACTERS,
    MAX_TEXT,
    V1_DEFAULT_HOURS,
    V1_MAX_DAYS,
)
from functions.handlers.metering.http_rejects import MAX_CODES
from functions.handlers.metering.usage_request import MAX_VALUES

WITHOUT_EFFECT = "Taken because OpenMeter documents it; without effect here."
ACTING = "Act for this tenant; the key's own unless given. Another one only with the scope `operator`."


def _listed(values: type[StrEnum] | set[str]) -> str:
    return ", ".join(f"`{value}`" for value in (values if isinstance(values, type) else sorted(values)))


_ANY = "several values mean any of them, none means all"
_SEPARATED = "said again or separated by commas for any of several"
_PAGE_WISHED = "Asks for one page and says which, counted from 1; without it"
_WITH_PAGE = "Items on a page, where `page` asks for one."
_CONTAINS = f"Only events whose {{}} contains this text, in the same case; at most {MAX_TEXT} characters."
_PART = "Only customers whose {} contains this text, in any case."
_CLIENT = f"1 to {MAX_CLIENT_ID} characters. {WITHOUT_EFFECT}"
_HALF_HOURS = "The half hour it lies in counts as a whole."

# By name, for all routes that BY_ROUTE does not tell apart.
MEANINGS: Mapping[str, str] = {
    "currency": f"Only of this ISO 4217 currency; {_ANY}.",
    "cursor": "`nextCursor` of the answer before, to the same question; empty or none for the first page.",
    "id": f"Only the version with this id; {_ANY}.",
    "includeArchived": "List archived ones too.",
    "includeDeleted": "List deleted ones too.",
    "includeLatest": "The latest version, even a draft, instead of the active one; an id stands for its key then.",
    "includeRemoved": "List coupons that were taken away too.",
    "key": f"Only versions of this key; {_ANY}.",
    "keyVersion": "Only these versions of these keys, such as `keyVersion[pro]=2`; no version of any other key.",
    "limit": "The most items of one answer, which goes on by cursor.",
    "order": "`ASC` is ascending, `DESC` descending.",
    "orderBy": "What the list is sorted by.",
    "page": "Which page, counted from 1.",
    "pageSize": "Items on a page.",
    "status": f"Only versions that now are {_listed(VersionStatus)}; {_ANY}.",
}

# By route, as its router spells it: where a name means different things, or needs a route to mean anything.
BY_ROUTE: Mapping[str, Mapping[str, str]] = {
    "GET /api/v1/audit/metering": {"day": "A day in UTC such as 2026-11-23; today unless given."},
    "GET /api/v1/events": {
        "clientId": _CLIENT,
        "customerId": (
            f"Only events of the subjects of the customer with this id; said again up to {MAX_CUSTOMERS} times, or "
            "separated by commas, for any of several."
        ),
        "from": (
            f"Only events of this time or later; {V1_DEFAULT_HOURS} hours ago unless given, at most {V1_MAX_DAYS} days "
            "ago. Older ones are in GET /api/v2/events."
        ),
        "to": "Only events of this time or earlier; without an end unless given.",
        "ingestedAtFrom": "Only events that arrived then or later; since ever unless given.",
        "ingestedAtTo": "Only events that arrived then or earlier; until now unless given.",
        "id": _CONTAINS.format("id"),
        "subject": _CONTAINS.format("subject"),
        "cursor": "As the Link of the answer before has it; none for the newest events.",
        "limit": "The most events of the answer, newest first.",
    },
    "GET /api/v2/events": {
        "clientId": _CLIENT,
        "filter": (
            'Conditions that must all hold, as JSON such as `{"type": {"$eq": "prompt"}}`; at most '
            f"{MAX_FILTER_CHARACTERS} characters. All events unless given."
        ),
        "limit": "The most events of one answer, newest first.",
    },
    "GET /api/v1/meters": {"page": f"{_PAGE_WISHED} the answer holds all meters.", "pageSize": _WITH_PAGE},
    "GET /api/v1/meters/<id_or_slug>/query": {
        "from": "Usage at or after this instant, to the second; since ever unless given.",
        "to": "Usage before this instant, to the second; without an end unless given.",
        "windowSize": f"One row for every {_listed(WindowSize)}; one for the whole range unless given.",
        "windowTimeZone": "Where windows begin: a name of the IANA time zone database such as Europe/Berlin; else UTC.",
        "subject": f"Only usage of this subject; said again for up to {MAX_VALUES}, each with rows of its own.",
        "filterCustomerId": (
            f"Only usage of the customer with this id; said again for up to {MAX_VALUES}, each with rows of its own."
        ),
        "filterGroupBy": "By dimension, such as `filterGroupBy[model]=small`; several values mean any of them.",
        "groupBy": (
            "Rows for each value of this: a dimension of the meter, `subject` or, with `filterCustomerId`, "
            f"`customer_id`; said again for up to {MAX_VALUES}."
        ),
        "advancedMeterGroupByFilters": (
            'Conditions by dimension, as JSON such as `{"model": {"$in": ["small", "large"]}}`; not together with '
            f"`filterGroupBy`; at most {MAX_JSON_CHARACTERS} characters."
        ),
        "exact": "Count the archived events again, by the dimensions the meter has today.",
        "fillZero": "A row of 0 for every group seen in every empty window; needs `windowSize`.",
        "cursor": (
            "With `groupBy=subject`, for more subjects than one answer holds: empty for the first page, then "
            "`nextCursor` of the answer before (CSV: header Tollbooth-Next-Cursor). All at once, or 413, unless given."
        ),
        "percentile": "0 to 100, for PERCENTILE meters; the meter's own unless given.",
    },
    "GET /api/v1/meters/<id_or_slug>/subjects": {
        "from": f"Only subjects with usage at or after this instant; since ever unless given. {_HALF_HOURS}",
        "to": f"Only subjects with usage before this instant; without an end unless given. {_HALF_HOURS}",
        "after": "Empty for the first page, then as the Link of each answer names it; all at once unless given.",
    },
    "GET /api/v1/meters/<id_or_slug>/group-by/<key>/values": {
        "from": f"Only values used at or after this instant; 24 hours before `to` unless given. {_HALF_HOURS}",
        "to": f"Only values used before this instant; without an end unless given. {_HALF_HOURS}",
        "page": f"{_PAGE_WISHED} the answer holds all values.",
        "pageSize": _WITH_PAGE,
    },
    "GET /api/v1/customers": {
        "key": _PART.format("key"),
        "name": _PART.format("name"),
        "primaryEmail": _PART.format("e-mail address"),
        "subject": "Only customers one of whose subjects contains this text, in any case.",
        "planKey": "Not supported yet: a value is refused.",
    },
    "GET /api/v1/customers/<id_or_key>/subscriptions": {
        "orderBy": "Sorted by beginning or by end; subscriptions without an end come after all others.",
        "status": f"Only subscriptions that now are {_listed(SubscriptionStatus)}; {_ANY}.",
    },
    "GET /api/v1/billing/reconciliation": {
        "customerId": "Only of the customer with this id or key; of all unless given.",
        "from": "Only periods that end after this instant; since ever unless given.",
        "to": "Only periods that begin before this instant; without an end unless given.",
        "status": "`open` for differences, `not_measured` for what cannot be rated any more; any unless given.",
    },
    "GET /api/v1/features": {
        "cursor": "`nextCursor` of the answer before, to the same question; empty for the first page by cursor.",
        "limit": "The most features of the answer, where no `page` is given.",
        "meterSlug": f"Only features of the meter with this slug; {_ANY}.",
        "offset": "How many features to leave out at the beginning, where no `page` is given.",
        "page": f"{_PAGE_WISHED} the answer is a bare array cut by `offset` and `limit`.",
        "pageSize": _WITH_PAGE,
    },
    "GET /api/v1/plans/<id_or_key>/addons": {
        "currency": f"Only add-ons of this ISO 4217 currency; {_ANY}.",
        "id": f"Only the add-on version with this id; {_ANY}.",
        "includeDeleted": "List add-ons that the plan has no longer too.",
        "key": f"Only the add-on of this key; {_ANY}.",
        "orderBy": "What the list is sorted by; the times are those of the assignment, the rest is the add-on's.",
    },
    "GET /api/v1/plans/<id_or_key>/migrations/<migration_id>/subscriptions": {
        "status": f"Only subscriptions of which this became: {_listed(ResultStatus)}; {_ANY}.",
    },
    "GET /api/v1/subscriptions/<subscription_id>": {
        "at": "The instant for which status, items and billing period are shown; now unless given.",
    },
    "GET /api/v1/subscriptions": {
        "planKey": "Only subscriptions to versions of the plan with this key.",
        "planVersion": "Only subscriptions to this version of their plan.",
        "status": f"Only subscriptions with this status; {_ANY}.",
        "customerId": "Only subscriptions of the customer with this id.",
        "phase": "Only subscriptions whose phase now has this key.",
        "orderBy": "What the list is sorted by; as they were made unless given.",
    },
    "PATCH /api/v1/subscriptions/<subscription_id>": {
        "dryRun": "Change nothing; answer what would be invoiced, as `change/preview` does.",
    },
    "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice": {
        "expand": "`explanation` adds to each line how its amount came about.",
        "notBefore": (
            f"Look to the first boundary at or after this instant, at most {FARTHEST.days} days ahead; to the next one "
            "unless given."
        ),
    },
    "GET /api/v1/billing/invoices": {
        "createdAfter": "Only invoices issued at this instant or later: they are created when they are issued.",
        "createdBefore": "Only invoices issued at this instant or earlier: they are created when they are issued.",
        "customers": f"Only invoices of the customer with this id; {_SEPARATED}.",
        "expand": (
            "`lines` shows the lines too; without it the list has none. `preceding` and `workflow.apps` are taken, "
            "without effect."
        ),
        "extendedStatuses": (
            "Only invoices whose `statusDetails.extendedStatus` is this, such as `payment_processing.pending`; "
            f"{_SEPARATED}."
        ),
        "issuedAfter": "Only invoices issued at this instant or later.",
        "issuedBefore": "Only invoices issued at this instant or earlier.",
        "periodStartAfter": "Only invoices whose period starts at this instant or later.",
        "periodStartBefore": "Only invoices whose period starts at this instant or earlier.",
        "statuses": f"Only invoices that now are {_listed(STATUSES)}; {_SEPARATED}.",
    },
    "GET /api/v1/billing/invoices/<invoice_id>": {
        "expand": (
            "`lines` is what it shows unless given; any other value alone leaves the lines out: `preceding`, "
            "`workflow.apps`."
        ),
    },
    "GET /api/v1/archive/queries/<query_id>": {"limit": "The most rows of one answer."},
    "GET /api/v1/rejects": {
        "code": f"Only rejects with this code; {_ANY}; at most {MAX_CODES}. One that no reject can have is refused.",
        "from": (
            "Only rejects of events of this time or later; as long before `to` as events are accepted unless given, at "
            f"most {MAX_DAYS} days."
        ),
        "to": "Only rejects of events of this time or earlier; as far ahead as events are accepted unless given.",
        "limit": "The most rejects of one answer, newest event first.",
    },
}

_OF_SUBSCRIPTION = "The `id` in the list of the subscription's {}."
_PLAN_VERSION = "The id of a version of a plan."
_PLAN = "The id of a version of a plan, or a plan's key for its active version."
_ASSIGNED = "The id or the key of an add-on of the plan."
# By what a path says up to the parameter.
IN_PATH: Mapping[str, str] = {
    "/api/v1/addons/<addon_id>": "The id of a version of an add-on.",
    "/api/v1/addons/<id_or_key>": "The id of a version of an add-on, or an add-on's key for its active version.",
    "/api/v1/api-keys/<key_id>": "The id of an API key: what stands between `tb_` and the secret.",
    "/api/v1/archive/queries/<query_id>": "The `id` that the question was answered with.",
    "/api/v1/billing/customers/<customer_id>": "The id or the key of a customer.",
    "/api/v1/billing/invoices/<invoice_id>": "The id of an invoice, not its number.",
    "/api/v1/billing/invoices/<invoice_id>/lines/<line_id>": "The id of one of the invoice's lines.",
    "/api/v1/coupons/<id_or_key>": "The id of a coupon, or the key of one that is not archived.",
    "/api/v1/customers/<id_or_key>": "The id of a customer, or the key of one who is not deleted.",
    "/api/v1/customers/<id_or_key>/coupons/<applied_id>": "The `id` in the list of the customer's coupons.",
    "/api/v1/features/<id_or_key>": "The id of a feature, or the key of one that is not archived.",
    "/api/v1/meters/<id_or_slug>": "The id or the slug of a meter.",
    "/api/v1/meters/<id_or_slug>/group-by/<key>": "The name of one of the meter's dimensions.",
    "/api/v1/plans/<id_or_key>": _PLAN,
    "/api/v1/plans/<id_or_key>/addons/<addon_id_or_key>": _ASSIGNED,
    "/api/v1/plans/<id_or_key>/migrations/<migration_id>": "The `id` that the migration was answered with.",
    "/api/v1/plans/<plan_id>": _PLAN_VERSION,
    "/api/v1/plans/<plan_id>/addons/<addon_id_or_key>": _ASSIGNED,
    "/api/v1/rejects/<reject_id>": "The `id` of a reject in the list.",
    "/api/v1/subscriptions/<subscription_id>": "The id of a subscription.",
    "/api/v1/subscriptions/<subscription_id>/addons/<addon_id>": _OF_SUBSCRIPTION.format("add-ons"),
    "/api/v1/subscriptions/<subscription_id>/coupons/<applied_id>": _OF_SUBSCRIPTION.format("coupons"),
}


def meaning(route: str, name: str, schema: Mapping[str, Any]) -> str | None:
    """Of a query parameter; None where nothing is written about it."""
    said = BY_ROUTE.get(route, {}).get(name) or MEANINGS.get(name)
    return " ".join([said, *_bounds(schema)]) if said else None


def _bounds(schema: Mapping[str, Any]) -> list[str]:
    if schema.get("type") == "integer":
        return [f"{schema['minimum']} to {schema['maximum']}; {schema['default']} unless given."]
    if "enum" in schema:
        return [f"`{schema['default']}` unless given."]
    return []
