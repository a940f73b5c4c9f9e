"""What answers that rate without billing look like: invoices nobody owes, and explanations of lines."""

from typing import Any, Literal

from pydantic import Field

from functions.domain.billing.difference import Reason
from functions.domain.billing.explanation import StepName
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.values.holding import Holding
from functions.domain.metering.values.windows import WindowSize
from functions.domain.wire import Instant
from functions.handlers.openapi.answers import (
    InvoiceStatusDetails,
    InvoiceTotals,
    OpenShown,
    Shown,
    ShownInvoiceLine,
    ShownPeriod,
)


class _Unissued(OpenShown):
    """An invoice that is stored nowhere."""

    id: str
    created_at: Instant
    updated_at: Instant
    type: Literal["standard"]
    customer: dict[str, Any]
    number: str
    currency: str
    totals: InvoiceTotals
    status_details: InvoiceStatusDetails
    period: ShownPeriod
    collection_at: Instant


class ShownSimulation(_Unissued):
    status: Literal["draft"]
    lines: list[ShownInvoiceLine]


class ExplainedStep(Shown):
    """A rule of the pipeline: the change, and what there was after it; of units or of money in texts."""

    step: StepName
    quantity: str | None = None
    quantity_after: str | None = None
    amount: str | None = None
    amount_after: str | None = None
    coupon_key: str | None = None


class ExplainedCharge(Shown):
    reference: str
    name: str
    category: Literal["regular", "commitment"]
    tier: int | None = None
    quantity: str
    unit_amount: str
    amount: str
    discounts: list[dict[str, str]] | None = None
    total: str


class ExplainedWindow(Shown):
    window_from: Instant = Field(alias="from")
    window_to: Instant = Field(alias="to")
    quantity: str


class ExplainedPart(Shown):
    group_by: dict[str, str] | None = None
    hour: Instant | None = None
    level: str | None = None
    quantity: str


class DifferenceTotals(Shown):
    currency: str | None = None
    issued: str
    re_rated: str
    adjusted: str
    open: str


class ShownDifference(Shown):
    customer_id: str
    subscription_id: str
    item_key: str
    period: dict[str, Instant]
    currency: str
    issued: str
    re_rated: str | None = None
    adjusted: str
    open: str
    issued_quantity: str
    re_rated_quantity: str | None = None
    status: Literal["open", "not_measured"]
    reason: Reason
    detail: str | None = None
    invoices: list[str]
    found_at: Instant
    checked_at: Instant


class ShownReconciliation(Shown):
    """Amounts are decimals in major units, before coupons; `totals` where all is in one currency."""

    items: list[ShownDifference]
    totals: DifferenceTotals | None = None
    totals_by_currency: list[DifferenceTotals]
    page: int | None = None
    page_size: int | None = None
    total_count: int | None = None
    next_cursor: str | None = None


class ShownBillingSettings(Shown):
    """`time_zone` is that of new subscriptions of customers who have none. `invoices_idle` says whether a customer who
    used nothing and owes nothing gets an invoice.
    """

    time_zone: str
    invoices_idle: bool
    updated_at: Instant | None = None


class ExplainedUsage(Shown):
    """`quantity` is what was billed, `measured_now` what the meter says now, `difference` what came since.

    `not_measured` says why the meter cannot answer any more.
    """

    meter_slug: str
    subjects: list[str]
    attribution: list[Holding] | None = None
    filters: dict[str, Any]
    quantity: str
    before: str | None = None
    taken_at: Instant
    lanes: dict[str, int]
    measured_now: str | None = None
    difference: str | None = None
    aggregation: Aggregation | None = None
    how_measured: str | None = None
    window_size: WindowSize | None = None
    window_time_zone: str | None = None
    windows_add_up: bool | None = None
    windows: list[ExplainedWindow] | None = None
    parts: list[ExplainedPart] | None = None
    part_count: int | None = None
    level_at_end: str | None = None
    not_measured: str | None = None


class LineExplanation(Shown):
    line_id: str
    reference: str
    name: str
    sentence: str
    currency: str
    period: ShownPeriod
    steps: list[ExplainedStep]
    charges: list[ExplainedCharge]
    total: str
    usage: ExplainedUsage | None = None


class InvoiceLineExplanation(LineExplanation):
    invoice_id: str
    number: str


class UpcomingLine(ShownInvoiceLine):
    """`explanation` is there when it is asked for."""

    explanation: LineExplanation | None = None


class UpcomingInvoice(_Unissued):
    """`as_of` is up to when usage is counted."""

    status: Literal["gathering"]
    as_of: Instant
    lines: list[UpcomingLine]


class ComparedAmounts(Shown):
    """Amounts in texts; `difference` is the new one less the old one."""

    old_amount: str
    new_amount: str
    difference: str


class BacktestCard(ComparedAmounts):
    """`key` is that of the feature, or of the fee."""

    key: str


class BacktestLine(Shown):
    key: str
    name: str
    feature_key: str | None = None
    subscription_id: str | None = None
    period: ShownPeriod
    quantity: str | None = None
    charges: list[ExplainedCharge]
    amount: str


class BacktestPeriod(ComparedAmounts):
    period: ShownPeriod
    old: list[BacktestLine]
    new: list[BacktestLine]


class BacktestCustomer(ComparedAmounts):
    customer_id: str
    customer_key: str | None = None
    name: str
    rate_cards: list[BacktestCard]
    periods: list[BacktestPeriod]


class BacktestTotals(ComparedAmounts):
    rate_cards: list[BacktestCard]
    compared: int
    increased: int
    decreased: int
    failed: int


class BacktestFailure(Shown):
    customer: str
    code: str
    message: str


class ShownBacktest(Shown):
    """Customers that could not be rated are listed as `failed` and left out of the totals."""

    currency: str
    totals: BacktestTotals
    customers: list[BacktestCustomer]
    failed: list[BacktestFailure]
