"""What answers about entitlements look like."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, RootModel, WithJsonSchema

from functions.domain.entitlements.access_question import QueryErrorCode, ReasonCode
from functions.domain.entitlements.entitlement_create import ExpirationPeriod, IssueAfterReset
from functions.domain.subscriptions.entitlement_backfill import EntitlementBackfillStatus
from functions.domain.wire import Instant
from functions.handlers.openapi.answers import Shown, ShownPeriod

Amount = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Amounts = dict[str, Amount]
Texts = dict[str, str]


class RecurringPeriod(Shown):
    """`interval` is DAY, WEEK, MONTH or YEAR where it is one of those."""

    interval: str
    interval_iso: str = Field(alias="intervalISO")
    anchor: Instant


class _Entitlement(Shown):
    id: str
    feature_key: str
    feature_id: str
    metadata: Texts | None = None
    annotations: dict[str, str | bool] | None = None
    active_from: Instant
    active_to: Instant | None = None
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None


class _OfCustomer(Shown):
    customer_id: str
    customer_key: str | None = None


class _OfSubject(Shown):
    subject_key: str


class _Static(Shown):
    type: Literal["static"]
    config: str


class _Boolean(Shown):
    type: Literal["boolean"]


class _Metered(Shown):
    type: Literal["metered"]
    is_soft_limit: bool
    preserve_overage_at_reset: bool
    issue_after_reset: Amount | None = None
    issue_after_reset_priority: int | None = None
    usage_period: RecurringPeriod
    current_usage_period: ShownPeriod
    measure_usage_from: Instant
    last_reset: Instant


class EntitlementMeteredV2(_Metered, _OfCustomer, _Entitlement):
    issue: IssueAfterReset | None = None


class EntitlementStaticV2(_Static, _OfCustomer, _Entitlement):
    pass


class EntitlementBooleanV2(_Boolean, _OfCustomer, _Entitlement):
    pass


class EntitlementV2(
    RootModel[Annotated[EntitlementMeteredV2 | EntitlementStaticV2 | EntitlementBooleanV2, Field(discriminator="type")]]
):
    """By its type."""


class EntitlementMetered(_Metered, _OfSubject, _Entitlement):
    is_unlimited: bool


class EntitlementStatic(_Static, _OfSubject, _Entitlement):
    pass


class EntitlementBoolean(_Boolean, _OfSubject, _Entitlement):
    pass


class Entitlement(
    RootModel[Annotated[EntitlementMetered | EntitlementStatic | EntitlementBoolean, Field(discriminator="type")]]
):
    """By its type."""


class EntitlementGrantV2(Shown):
    id: str
    entitlement_id: str
    amount: Amount
    priority: int
    effective_at: Instant
    expiration: ExpirationPeriod | None = None
    expires_at: Instant | None = None
    min_rollover_amount: Amount
    max_rollover_amount: Amount
    recurrence: RecurringPeriod | None = None
    next_recurrence: Instant | None = None
    metadata: Texts | None = None
    annotations: Texts | None = None
    created_at: Instant
    updated_at: Instant
    voided_at: Instant | None = None


class EntitlementGrant(EntitlementGrantV2):
    expiration: ExpirationPeriod


class EntitlementValue(Shown):
    """All but `hasAccess` and `config` are of metered entitlements. `left` is what may be taken now: `balance` less
    what is `held` and what was used beyond; it may be negative. `asOf` is when the ledger was read."""

    has_access: bool
    config: str | None = None
    balance: Amount | None = None
    usage: Amount | None = None
    overage: Amount | None = None
    total_available_grant_amount: Amount | None = None
    held: Amount | None = None
    left: Amount | None = None
    as_of: Instant | None = None


class EntitlementValueV2(EntitlementValue):
    """By the id of each grant that is active, `grantBalances` are what is left of it."""

    grant_balances: Amounts | None = None


class CustomerAccess(Shown):
    """By feature key."""

    entitlements: dict[str, EntitlementValue]


class BalanceHistoryWindow(Shown):
    period: ShownPeriod
    usage: Amount
    balance_at_start: Amount


class GrantUsageRecord(Shown):
    grant_id: str
    usage: Amount


class GrantBurnDownHistorySegment(Shown):
    period: ShownPeriod
    usage: Amount
    overage: Amount
    balance_at_start: Amount
    grant_balances_at_start: Amounts
    balance_at_end: Amount
    grant_balances_at_end: Amounts
    grant_usages: list[GrantUsageRecord]


class WindowedBalanceHistory(Shown):
    """Windows in which something was used, and the segments between two changes of what can be used."""

    windowed_history: list[BalanceHistoryWindow]
    burndown_history: list[GrantBurnDownHistorySegment]


class LateUsage(Shown):
    """`usage` is what balances were worked out with, `late` what came after that and counts for billing alone."""

    period: ShownPeriod
    usage: Amount
    late: Amount


class LateUsageList(Shown):
    items: list[LateUsage]


class PortalBalance(EntitlementValue):
    feature_key: str


class PortalBalances(Shown):
    items: list[PortalBalance]


# The third version of OpenMeter's API has no camelCase: these models have no aliases.


class BillingEntitlementAccessResult(BaseModel):
    """The configuration is of static entitlements. Only metered ones may be without access."""

    feature_key: str
    has_access: bool
    type: Literal["metered", "static", "boolean"]
    config: str | None = None


class ListCustomerEntitlementAccessResponseData(BaseModel):
    data: list[BillingEntitlementAccessResult]


class BillingCustomerUsageAttribution(BaseModel):
    subject_keys: list[str]


class BillingCustomerAddress(BaseModel):
    country: str | None = None
    postal_code: str | None = None
    state: str | None = None
    city: str | None = None
    line1: str | None = None
    line2: str | None = None
    phone_number: str | None = None


class BillingCustomer(BaseModel):
    """A customer without a key is shown with the first subject instead. Labels are those metadata that may be some."""

    id: str
    key: str
    name: str
    description: str | None = None
    labels: Texts | None = None
    primary_email: str | None = None
    currency: str | None = None
    billing_address: BillingCustomerAddress | None = None
    usage_attribution: BillingCustomerUsageAttribution | None = None
    created_at: Instant
    updated_at: Instant


class EntitlementFeatureAccessReason(BaseModel):
    """What is used up says what was used of how much, and when there may be more, as texts."""

    code: ReasonCode
    message: str
    attributes: dict[str, Any] | None = None


class EntitlementFeatureAccess(BaseModel):
    """The reason is there if there is no access. A soft limit never takes access away."""

    has_access: bool
    reason: EntitlementFeatureAccessReason | None = None


class EntitlementAccessQueryResult(BaseModel):
    """Features by key. What matched are all identifiers of the request that are this customer's, as they were sent.
    The answer is as of the time of the update."""

    customer: BillingCustomer
    matched: list[str]
    features: dict[str, EntitlementFeatureAccess]
    updated_at: Instant


class EntitlementAccessQueryError(BaseModel):
    """An identifier that there is no answer for: nobody's, or a customer whose answer is too large."""

    code: QueryErrorCode
    message: str
    customer: str | None = None
    attributes: dict[str, Any] | None = None


class CursorMetaPage(BaseModel):
    """The size that was asked for, and paths to ask other pages at."""

    size: int
    next: str | None
    previous: str | None
    first: str | None = None


class CursorMeta(BaseModel):
    page: CursorMetaPage


class EntitlementAccessQueryResponse(BaseModel):
    data: list[EntitlementAccessQueryResult]
    errors: list[EntitlementAccessQueryError]
    meta: CursorMeta


class EntitlementBackfillFailure(Shown):
    customer_id: str
    code: str
    reason: str
    failed_at: Instant


class EntitlementBackfill(Shown):
    """`done` of `total` customers with subscriptions were looked at, and `entitled` entitlements made for them.
    `failed` customers could not be entitled and are tried again every hour. `total` is missing before it is known, and
    where there are too many to be counted beforehand.
    """

    status: EntitlementBackfillStatus
    total: int | None = None
    done: int
    entitled: int
    failed: int
    started_at: Instant | None = None
    ended_at: Instant | None = None


class EntitlementBackfillReport(EntitlementBackfill):
    """`items` are customers who could not be entitled; `next_cursor` leads to the next ones."""

    items: list[EntitlementBackfillFailure]
    next_cursor: str | None = None
