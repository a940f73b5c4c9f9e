"""What answers look like: the models of the domain as they are shown, and a model for each answer composed by hand."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from functions.domain.analytics.archive_query import Kind, Progress
from functions.domain.billing.failure import Failure
from functions.domain.billing.invoice import InvoiceStatus
from functions.domain.catalog.feature import Feature
from functions.domain.metering.ledger.history import Status
from functions.domain.metering.meters.meter_record import MeterRecord
from functions.domain.subscriptions.customer import Customer
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


class DeploymentHealth(Shown):
    """`status` is `behind` when `countedAge` is above ten minutes. What is still in the stream is not in `countedAge`:
    then `lastCountedAt` is old while events are sent. `lastCountedAt` is when the newest counted decision was made. An
    event that was counted since `resendsKnownSince` is not counted again when it is sent again, even with a new time.
    """

    status: Literal["ok", "behind"]
    version: str
    counted_age: int
    last_counted_at: Instant | None = None
    resends_known_since: Instant


class ShownPeriod(Shown):
    period_from: Instant = Field(alias="from")
    period_to: Instant = Field(alias="to")


class ShownMeter(MeterRecord):
    since: None = Field(default=None, exclude=True)  # type: ignore[assignment]
    former: None = Field(default=None, exclude=True)  # type: ignore[assignment]
    history_since: None = Field(default=None, exclude=True)  # type: ignore[assignment]
    succeeds: None = Field(default=None, exclude=True)


class Notice(Shown):
    code: str
    message: str


class CreatedMeter(ShownMeter):
    """`notices` say what a reader might not expect, such as `history_not_counted`."""

    notices: list[Notice] | None = None


class ShownBackfill(Shown):
    """How far a meter's history is counted; `done` and `total` are pieces of work."""

    status: Status
    event_from: Instant
    started_at: Instant | None = None
    finished_at: Instant | None = None
    done: int
    total: int
    reason: str | None = None


class ShownFeature(Feature):
    meter_id: None = Field(default=None, exclude=True)


class ShownCustomer(Customer):
    current_subscription_id: str | None = None


class ShownHolding(Shown):
    subject: str
    held_from: Instant = Field(alias="from")
    held_to: Instant | None = Field(default=None, alias="to")


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
    partial: bool | None = None
    counted_from: Instant | None = None
    next_cursor: str | None = None
    data: list[UsageRow]


class Reject(Shown):
    id: str
    code: str
    reason: str
    received_at: Instant
    counted_elsewhere: bool | None = None
    meter_id: str | None = None
    meter_slug: str | None = None
    object_key: str | None = None
    event: Any = None
    replayed_at: Instant | None = None
    replayed_by: str | None = None


class NotReplayed(Shown):
    id: str
    code: str
    message: str


class ReplayReport(Shown):
    replayed: int
    already_replayed: int
    counted_elsewhere: int
    refused: list[NotReplayed]
    next_cursor: str | None = None


class ShownEventName(Shown):
    id: str
    source: str
    subject: str
    time: Instant


class ShownReplacement(Shown):
    id: str
    type: str
    subject: str
    time: Instant


class ShownCorrection(Shown):
    """`effect` of an applied one: the event had been counted, or it had not come yet and will not be counted."""

    id: str
    status: Literal["requested", "applied"]
    effect: Literal["voided", "suppressed"] | None = None
    event: ShownEventName
    replacement: ShownReplacement | None = None
    reason: str
    requested_by: str
    requested_at: Instant
    applied_at: Instant | None = None


class CorrectionPage(Shown):
    items: list[ShownCorrection]
    next_cursor: str | None = None


class RejectPage(Shown):
    items: list[Reject]
    next_cursor: str | None = None


class AuditDifference(Shown):
    kind: str
    place: str
    expected: str
    found: str


class LaneAudit(Shown):
    lane: int
    day: str
    audited_at: Instant
    commits: int
    received: int
    accepted: int
    duplicates: int
    redelivered: int
    rejected: int
    archived: int
    recounted: int
    cells: int
    history_cells: int
    difference_count: int
    differences: list[AuditDifference]


class MeteringAudit(Shown):
    """`differenceCount` is null while some lanes are not audited yet and the others have no difference."""

    day: str
    lanes: int
    audited_lanes: int
    difference_count: int | None
    items: list[LaneAudit]


class ArchiveQuery(Shown):
    """`objects_at_most` is how many objects of the archive it may open; `charged_bytes` is what it takes of the day's
    budget: until it has ended, all that it may cost; then the bytes it read, 80,000 for each object and 1,000,000
    for each listing."""

    id: str
    query: Kind
    created_at: Instant
    status: Progress
    objects_at_most: int
    charged_bytes: int


class ArchiveQueryAnswer(ArchiveQuery):
    """`rows` are there once the query succeeded; which columns they have depends on what was asked."""

    scanned_bytes: int
    rows: list[dict[str, Any]] | None = None
    next_cursor: str | None = None
    error: str | None = None


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
    voided_at: Instant | None = None
    correction_id: str | None = None


class MissingBatch(Shown):
    """A stored batch whose events, of these times, are gone from the archive."""

    period_from: Instant = Field(alias="from")
    period_to: Instant = Field(alias="to")
    stored_at: Instant


class IngestedEventPage(Shown):
    items: list[IngestedEvent]
    next_cursor: str | None = None
    missing: list[MissingBatch] | None = None


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


class DeedTotals(Shown):
    charges: str
    credits: str
    total: str


class ShownClaim(Shown):
    """Time paid in advance and not served, on an invoice that nobody has paid yet."""

    status: Literal["waiting", "gone"]
    reason: str | None = None
    item_id: str
    item_key: str
    invoice_id: str
    line_id: str
    period: ShownPeriod
    amount: str
    next_look_at: Instant | None = None


class ShownDeed(Shown):
    effective_at: Instant
    currency: str
    lines: list[ShownInvoiceLine]
    credits: list[ShownInvoiceLine]
    totals: DeedTotals
    claims: list[ShownClaim]
    kept: list[dict[str, Any]]
    lost: list[dict[str, Any]]


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
    line_count: int | None = None
    lines_next_cursor: str | None = None
    validation_issues: list[dict[str, Any]] | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None


class ShownFailure(Failure):
    tenant: None = Field(default=None, exclude=True)  # type: ignore[assignment]
