"""What each route is called and answers: the models of the domain, and a model for each answer composed by hand.

A new route gets a line in ROUTES; the document describes it without one as well, but says nothing of its answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from functions.application.ports.billing import Failure
from functions.domain.catalog.feature import Feature
from functions.domain.catalog.plan import Alignment, Plan, PlanStatus, ProRating
from functions.domain.catalog.pricing import AnyPrice
from functions.domain.invoicing.invoice import InvoiceStatus
from functions.domain.metering.meter_record import MeterRecord
from functions.domain.subscriptions.customer import Customer
from functions.domain.subscriptions.subscription import PlanReference, SubscriptionStatus
from functions.domain.wire import Instant


class Shown(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class OpenShown(Shown):
    """Part of an answer that may have more fields than are described."""

    model_config = ConfigDict(extra="allow")


class Document(OpenShown):
    """OpenAPI 3.1."""

    openapi: str


class ShownPeriod(Shown):
    period_from: Instant = Field(alias="from")
    period_to: Instant = Field(alias="to")


class ShownMeter(MeterRecord):
    since: None = Field(default=None, exclude=True)  # type: ignore[assignment]
    former: None = Field(default=None, exclude=True)  # type: ignore[assignment]


class ShownFeature(Feature):
    meter_id: None = Field(default=None, exclude=True)


class ShownCustomer(Customer):
    current_subscription_id: str | None = None


class ShownPlan(Plan):
    shown_status: PlanStatus = Field(alias="status")
    validation_errors: list[dict[str, Any]]


class UsageRow(Shown):
    value: Annotated[Decimal | None, WithJsonSchema({"type": ["number", "null"]})]
    window_start: Instant
    window_end: Instant
    subject: str | None
    customer_id: str | None = None
    group_by: dict[str, str | None]


class UsageResult(OpenShown):
    period_from: Instant | None = Field(default=None, alias="from")
    period_to: Instant | None = Field(default=None, alias="to")
    window_size: str | None = None
    data: list[UsageRow]


class ShownApiKey(Shown):
    id: str
    name: str
    scopes: list[Literal["admin", "ingest", "read"]]
    tenant: str
    created_at: Instant
    expires_at: Instant | None = None


class CreatedApiKey(ShownApiKey):
    """`token` is shown this once."""

    token: str


class Reject(Shown):
    id: str
    code: str
    reason: str
    received_at: Instant
    counted_elsewhere: bool | None = None
    object_key: str | None = None
    event: Any = None


class RejectPage(Shown):
    items: list[Reject]
    next_cursor: str | None = None


class ShownCloudEvent(OpenShown):
    """Further CloudEvents attributes are shown as they were sent."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: Instant
    data: Any = None


class IngestedEvent(OpenShown):
    event: ShownCloudEvent
    customer_id: str | None = None
    validation_error: str | None = None
    ingested_at: Instant
    stored_at: Instant


class IngestedEventPage(Shown):
    items: list[IngestedEvent]
    next_cursor: str | None = None


class ShownSubscription(Shown):
    id: str
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    created_at: Instant
    updated_at: Instant
    active_from: Instant
    active_to: Instant | None = None
    alignment: Alignment | None = None
    status: SubscriptionStatus
    customer_id: str
    plan: PlanReference
    currency: str
    cost_basis_mode: Literal["dynamic"]
    cost_basis_pins: list[dict[str, Any]]
    billing_cadence: str
    pro_rating_config: ProRating
    billing_anchor: Instant
    settlement_mode: str


class ShownItem(OpenShown):
    id: str
    key: str
    name: str
    active_from: Instant
    active_to: Instant | None = None
    currency: str | None = None
    feature_key: str | None = None
    billing_cadence: str | None
    price: AnyPrice | None


class ShownPhase(OpenShown):
    id: str
    key: str
    name: str
    active_from: Instant
    active_to: Instant | None = None
    items: list[ShownItem]
    item_timelines: dict[str, list[ShownItem]]


class ExpandedAlignment(Alignment):
    current_aligned_billing_period: ShownPeriod | None = None


class ExpandedSubscription(ShownSubscription):
    alignment: ExpandedAlignment
    phases: list[ShownPhase]


class InvoiceTotals(Shown):
    """Money as decimals in texts."""

    amount: str
    charges_total: str
    discounts_total: str
    credits_total: str
    taxes_inclusive_total: str
    taxes_exclusive_total: str
    taxes_total: str
    total: str


class ShownInvoiceLine(OpenShown):
    id: str
    name: str
    type: str
    status: str
    currency: str
    period: ShownPeriod
    invoice_at: Instant
    totals: InvoiceTotals
    quantity: str | None = None
    usage_snapshot: dict[str, Any] | None = None
    children: list[dict[str, Any]]


class InvoiceStatusDetails(Shown):
    immutable: bool
    failed: bool
    extended_status: str
    available_actions: dict[str, Any]


class ShownInvoice(OpenShown):
    id: str
    created_at: Instant
    updated_at: Instant
    type: Literal["standard"]
    customer: dict[str, Any]
    number: str
    currency: str
    totals: InvoiceTotals
    status: InvoiceStatus
    status_details: InvoiceStatusDetails
    issued_at: Instant
    due_at: Instant
    period: ShownPeriod
    lines: list[ShownInvoiceLine] | None = None
    validation_issues: list[dict[str, Any]] | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None


class ShownFailure(Failure):
    tenant: None = Field(default=None, exclude=True)  # type: ignore[assignment]


@dataclass(frozen=True)
class Each:
    """A bare array."""

    model: type[BaseModel]


@dataclass(frozen=True)
class Paged:
    """A page: items, page, pageSize, totalCount."""

    model: type[BaseModel]


@dataclass(frozen=True)
class EachOrPaged:
    """A bare array, or a page when one is asked for."""

    model: type[BaseModel]


Answered = type[BaseModel] | Each | Paged | EachOrPaged | None


@dataclass(frozen=True)
class Described:
    summary: str
    answer: Answered = None


ROUTES: Mapping[str, Described] = {
    "GET /api/v1/openapi.json": Described("Get this document", Document),
    "POST /api/v1/meters": Described("Create a meter", ShownMeter),
    "GET /api/v1/meters": Described("List meters", Each(ShownMeter)),
    "GET /api/v1/meters/<id_or_slug>": Described("Get a meter", ShownMeter),
    "PUT /api/v1/meters/<id_or_slug>": Described("Update a meter", ShownMeter),
    "DELETE /api/v1/meters/<id_or_slug>": Described("Delete a meter"),
    "GET /api/v1/meters/<id_or_slug>/query": Described("Query a meter", UsageResult),
    "POST /api/v1/meters/<id_or_slug>/query": Described("Query a meter by a body", UsageResult),
    "GET /api/v1/events": Described("List events", Each(IngestedEvent)),
    "GET /api/v2/events": Described("List events page by page", IngestedEventPage),
    "GET /api/v1/rejects": Described("List what was not counted", RejectPage),
    "POST /api/v1/features": Described("Create a feature", ShownFeature),
    "GET /api/v1/features": Described("List features", EachOrPaged(ShownFeature)),
    "GET /api/v1/features/<id_or_key>": Described("Get a feature", ShownFeature),
    "DELETE /api/v1/features/<id_or_key>": Described("Archive a feature"),
    "POST /api/v1/customers": Described("Create a customer", ShownCustomer),
    "GET /api/v1/customers": Described("List customers", Paged(ShownCustomer)),
    "GET /api/v1/customers/<id_or_key>": Described("Get a customer", ShownCustomer),
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
    "POST /api/v1/subscriptions": Described("Create a subscription", ShownSubscription),
    "GET /api/v1/subscriptions/<subscription_id>": Described("Get a subscription", ExpandedSubscription),
    "POST /api/v1/subscriptions/<subscription_id>/cancel": Described("Cancel a subscription", ShownSubscription),
    "POST /api/v1/billing/invoices/invoice": Described("Invoice a customer now", Each(ShownInvoice)),
    "GET /api/v1/billing/invoices": Described("List invoices", Paged(ShownInvoice)),
    "GET /api/v1/billing/invoices/<invoice_id>": Described("Get an invoice", ShownInvoice),
    "GET /api/v1/billing/failures": Described("List whom billing failed for", Paged(ShownFailure)),
    "POST /api/v1/api-keys": Described("Create an API key", CreatedApiKey),
    "GET /api/v1/api-keys": Described("List API keys", Paged(ShownApiKey)),
    "DELETE /api/v1/api-keys/<key_id>": Described("Revoke an API key"),
}
