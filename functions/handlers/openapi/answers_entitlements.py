"""What answers about entitlements look like."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, RootModel, WithJsonSchema

from functions.domain.entitlements.entitlement_create import ExpirationPeriod, IssueAfterReset
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
