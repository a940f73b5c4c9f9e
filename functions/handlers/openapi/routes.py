"""What each route is called and which model it answers with.

A new route gets a line in ROUTES; the document describes it without one as well, but says nothing of its answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from functions.handlers.openapi.answers import (
    ArchiveQuery,
    ArchiveQueryAnswer,
    CorrectionPage,
    CreatedApiKey,
    CreatedMeter,
    DeploymentHealth,
    Document,
    IngestedEvent,
    IngestedEventPage,
    MeteringAudit,
    Reject,
    RejectPage,
    ReplayReport,
    ShownApiKey,
    ShownBackfill,
    ShownCorrection,
    ShownCustomer,
    ShownDeed,
    ShownFailure,
    ShownFeature,
    ShownHolding,
    ShownInvoice,
    ShownMeter,
    UsageResult,
)
from functions.handlers.openapi.answers_migration import (
    ShownMigratedSubscription,
    ShownPlanMigration,
    ShownPlanVersion,
)
from functions.handlers.openapi.answers_rating import (
    InvoiceLineExplanation,
    ShownBacktest,
    ShownBillingSettings,
    ShownReconciliation,
    ShownSimulation,
    UpcomingInvoice,
)
from functions.handlers.openapi.answers_selling import (
    ChangedSubscription,
    ExpandedSubscription,
    ShownAddon,
    ShownAppliedCoupon,
    ShownCoupon,
    ShownPlan,
    ShownPlanAddon,
    ShownSubscription,
    ShownSubscriptionAddon,
)


@dataclass(frozen=True)
class Each:
    """A bare array."""

    model: type[BaseModel]


@dataclass(frozen=True)
class EachText:
    """A bare array of texts."""


@dataclass(frozen=True)
class Paged:
    """A page: items, page, pageSize, totalCount; by cursor: items, nextCursor."""

    model: type[BaseModel]


@dataclass(frozen=True)
class EachOrByCursor:
    """A bare array, or items and nextCursor where a cursor or a limit is sent."""

    model: type[BaseModel]


@dataclass(frozen=True)
class EachOrPaged:
    """A bare array, or a page when one is asked for."""

    model: type[BaseModel]


@dataclass(frozen=True)
class OneOf:
    """The first, or the second where the request asks for it."""

    model: type[BaseModel]
    other: type[BaseModel]


Answered = type[BaseModel] | Each | EachText | EachOrByCursor | Paged | EachOrPaged | OneOf | None


@dataclass(frozen=True)
class Described:
    summary: str
    answer: Answered = None


ROUTES: Mapping[str, Described] = {
    "GET /healthz": Described("Get how the deployment is", DeploymentHealth),
    "GET /api/v1/openapi.json": Described("Get this document", Document),
    "POST /api/v1/meters": Described("Create a meter", CreatedMeter),
    "GET /api/v1/meters": Described("List meters", EachOrByCursor(ShownMeter)),
    "GET /api/v1/meters/<id_or_slug>": Described("Get a meter", ShownMeter),
    "PUT /api/v1/meters/<id_or_slug>": Described("Update a meter", ShownMeter),
    "DELETE /api/v1/meters/<id_or_slug>": Described("Delete a meter"),
    "GET /api/v1/meters/<id_or_slug>/query": Described("Query a meter", UsageResult),
    "POST /api/v1/meters/<id_or_slug>/query": Described("Query a meter by a body", UsageResult),
    "GET /api/v1/meters/<id_or_slug>/subjects": Described("List a meter's subjects", EachText()),
    "GET /api/v1/meters/<id_or_slug>/group-by/<key>/values": Described("List values of a meter's group", EachText()),
    "POST /api/v1/meters/<id_or_slug>/backfill": Described("Count a meter's history", ShownBackfill),
    "GET /api/v1/meters/<id_or_slug>/backfill": Described("Get how far a meter's history is counted", ShownBackfill),
    "GET /api/v1/events": Described("List events", Each(IngestedEvent)),
    "GET /api/v2/events": Described("List events page by page", IngestedEventPage),
    "POST /api/v1/events/corrections": Described("Void or replace an event", ShownCorrection),
    "GET /api/v1/events/corrections": Described("List corrections", CorrectionPage),
    "GET /api/v1/rejects": Described("List what was not counted", RejectPage),
    "GET /api/v1/audit/metering": Described("List audits of a day", MeteringAudit),
    "POST /api/v1/archive/queries": Described("Ask the archive", ArchiveQuery),
    "GET /api/v1/archive/queries/<query_id>": Described("Get an answer of the archive", ArchiveQueryAnswer),
    "POST /api/v1/rejects/<reject_id>/replay": Described("Replay a reject", Reject),
    "POST /api/v1/rejects/replay": Described("Replay rejects", ReplayReport),
    "POST /api/v1/features": Described("Create a feature", ShownFeature),
    "GET /api/v1/features": Described("List features", EachOrPaged(ShownFeature)),
    "GET /api/v1/features/<id_or_key>": Described("Get a feature", ShownFeature),
    "DELETE /api/v1/features/<id_or_key>": Described("Archive a feature"),
    "POST /api/v1/customers": Described("Create a customer", ShownCustomer),
    "GET /api/v1/customers": Described("List customers", Paged(ShownCustomer)),
    "GET /api/v1/customers/<id_or_key>": Described("Get a customer", ShownCustomer),
    "GET /api/v1/customers/<id_or_key>/attribution": Described(
        "List whose usage is a customer's, and since when", Paged(ShownHolding)
    ),
    "PUT /api/v1/customers/<id_or_key>": Described("Replace a customer", ShownCustomer),
    "DELETE /api/v1/customers/<id_or_key>": Described("Delete a customer"),
    "GET /api/v1/customers/<id_or_key>/subscriptions": Described(
        "List a customer's subscriptions", Paged(ShownSubscription)
    ),
    "POST /api/v1/plans": Described("Create a plan", ShownPlan),
    "GET /api/v1/plans": Described("List plans", Paged(ShownPlan)),
    "GET /api/v1/plans/<id_or_key>": Described("Get a plan", ShownPlan),
    "PUT /api/v1/plans/<plan_id>": Described("Update a draft plan", ShownPlan),
    "DELETE /api/v1/plans/<plan_id>": Described("Delete a draft plan"),
    "POST /api/v1/plans/<plan_id>/publish": Described("Publish a plan", ShownPlan),
    "POST /api/v1/plans/<id_or_key>/next": Described("Draft the next version of a plan", ShownPlan),
    "POST /api/v1/plans/<plan_id>/archive": Described("Archive a plan", ShownPlan),
    "POST /api/v1/plans/<id_or_key>/backtest": Described("Rate a plan for past usage", ShownBacktest),
    "GET /api/v1/plans/<id_or_key>/versions": Described(
        "List a plan's versions with how many have them", Paged(ShownPlanVersion)
    ),
    "POST /api/v1/plans/<id_or_key>/migrate-all": Described("Migrate all subscriptions of a plan", ShownPlanMigration),
    "GET /api/v1/plans/<id_or_key>/migrations/<migration_id>": Described(
        "Get how far a plan's migration is", ShownPlanMigration
    ),
    "GET /api/v1/plans/<id_or_key>/migrations/<migration_id>/subscriptions": Described(
        "List what became of a plan's subscriptions", Paged(ShownMigratedSubscription)
    ),
    "POST /api/v1/addons": Described("Create an add-on", ShownAddon),
    "GET /api/v1/addons": Described("List add-ons", Paged(ShownAddon)),
    "GET /api/v1/addons/<id_or_key>": Described("Get an add-on", ShownAddon),
    "PUT /api/v1/addons/<addon_id>": Described("Update a draft add-on", ShownAddon),
    "DELETE /api/v1/addons/<addon_id>": Described("Delete a draft add-on"),
    "POST /api/v1/addons/<addon_id>/publish": Described("Publish an add-on", ShownAddon),
    "POST /api/v1/addons/<addon_id>/archive": Described("Archive an add-on", ShownAddon),
    "GET /api/v1/plans/<id_or_key>/addons": Described("List a plan's add-ons", Paged(ShownPlanAddon)),
    "POST /api/v1/plans/<plan_id>/addons": Described("Assign an add-on to a plan", ShownPlanAddon),
    "GET /api/v1/plans/<id_or_key>/addons/<addon_id_or_key>": Described("Get a plan's add-on", ShownPlanAddon),
    "PUT /api/v1/plans/<plan_id>/addons/<addon_id_or_key>": Described("Update a plan's add-on", ShownPlanAddon),
    "DELETE /api/v1/plans/<plan_id>/addons/<addon_id_or_key>": Described("End a plan's add-on"),
    "POST /api/v1/subscriptions": Described("Create a subscription", ShownSubscription),
    "GET /api/v1/subscriptions": Described("List subscriptions", Paged(ShownSubscription)),
    "GET /api/v1/subscriptions/<subscription_id>": Described("Get a subscription", ExpandedSubscription),
    "POST /api/v1/subscriptions/<subscription_id>/cancel": Described("Cancel a subscription", ShownSubscription),
    "PATCH /api/v1/subscriptions/<subscription_id>": Described(
        "Edit a subscription", OneOf(ShownSubscription, ShownDeed)
    ),
    "DELETE /api/v1/subscriptions/<subscription_id>": Described("Delete a scheduled subscription"),
    "POST /api/v1/subscriptions/<subscription_id>/change": Described("Change the plan", ChangedSubscription),
    "POST /api/v1/subscriptions/<subscription_id>/change/preview": Described(
        "Preview a change of plan with its amounts", ShownDeed
    ),
    "POST /api/v1/subscriptions/<subscription_id>/migrate/preview": Described(
        "Preview a migration with its amounts", ShownDeed
    ),
    "POST /api/v1/subscriptions/<subscription_id>/migrate": Described(
        "Migrate to another version", ChangedSubscription
    ),
    "POST /api/v1/subscriptions/<subscription_id>/restore": Described("Restore a subscription", ShownSubscription),
    "POST /api/v1/subscriptions/<subscription_id>/unschedule-cancelation": Described(
        "Take a cancellation back", ShownSubscription
    ),
    "POST /api/v1/subscriptions/<subscription_id>/addons": Described("Buy an add-on", ShownSubscriptionAddon),
    "GET /api/v1/subscriptions/<subscription_id>/addons": Described(
        "List a subscription's add-ons", Each(ShownSubscriptionAddon)
    ),
    "GET /api/v1/subscriptions/<subscription_id>/addons/<addon_id>": Described(
        "Get a subscription's add-on", ShownSubscriptionAddon
    ),
    "PATCH /api/v1/subscriptions/<subscription_id>/addons/<addon_id>": Described(
        "Change a subscription's add-on", ShownSubscriptionAddon
    ),
    "POST /api/v1/coupons": Described("Create a coupon", ShownCoupon),
    "GET /api/v1/coupons": Described("List coupons", Paged(ShownCoupon)),
    "GET /api/v1/coupons/<id_or_key>": Described("Get a coupon", ShownCoupon),
    "POST /api/v1/coupons/<id_or_key>/archive": Described("Archive a coupon", ShownCoupon),
    "POST /api/v1/customers/<id_or_key>/coupons": Described("Give a customer a coupon", ShownAppliedCoupon),
    "GET /api/v1/customers/<id_or_key>/coupons": Described("List a customer's coupons", Paged(ShownAppliedCoupon)),
    "DELETE /api/v1/customers/<id_or_key>/coupons/<applied_id>": Described("Take a coupon from a customer"),
    "POST /api/v1/subscriptions/<subscription_id>/coupons": Described(
        "Give a subscription a coupon", ShownAppliedCoupon
    ),
    "GET /api/v1/subscriptions/<subscription_id>/coupons": Described(
        "List a subscription's coupons", Paged(ShownAppliedCoupon)
    ),
    "DELETE /api/v1/subscriptions/<subscription_id>/coupons/<applied_id>": Described(
        "Take a coupon from a subscription"
    ),
    "POST /api/v1/billing/invoices/invoice": Described("Invoice a customer now", Each(ShownInvoice)),
    "GET /api/v1/billing/invoices": Described("List invoices", Paged(ShownInvoice)),
    "GET /api/v1/billing/invoices/<invoice_id>": Described("Get an invoice", ShownInvoice),
    "POST /api/v1/billing/customers/<customer_id>/invoices/simulate": Described("Simulate an invoice", ShownSimulation),
    "GET /api/v1/billing/invoices/<invoice_id>/lines/<line_id>/explanation": Described(
        "Explain a line of an invoice", InvoiceLineExplanation
    ),
    "GET /api/v1/subscriptions/<subscription_id>/upcoming-invoice": Described(
        "Look ahead at a subscription's next invoice", UpcomingInvoice
    ),
    "GET /api/v1/billing/failures": Described("List whom billing failed for", Paged(ShownFailure)),
    "GET /api/v1/billing/settings": Described("Get what is decided for all billing", ShownBillingSettings),
    "PUT /api/v1/billing/settings": Described("Decide for all billing", ShownBillingSettings),
    "GET /api/v1/billing/reconciliation": Described(
        "List billed periods that would cost something else today", ShownReconciliation
    ),
    "POST /api/v1/api-keys": Described("Create an API key", CreatedApiKey),
    "GET /api/v1/api-keys": Described("List API keys", Paged(ShownApiKey)),
    "DELETE /api/v1/api-keys/<key_id>": Described("Revoke an API key"),
}
