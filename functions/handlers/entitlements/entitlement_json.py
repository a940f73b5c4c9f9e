"""Entitlements, grants and what is left of them, as the API shows them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from functions.application.entitlements.check_access import Access
from functions.application.entitlements.read_balance import BalanceHistory, Segment
from functions.domain.entitlements.entitlement import Entitlement
from functions.domain.entitlements.grant_record import GrantRecord, Recurring
from functions.domain.money import EXACT, exact_sum
from functions.domain.period import Period, rfc3339
from functions.handlers.edge.http import without_none

ZERO = Decimal(0)
NEVER_EXPIRES = {"duration": "YEAR", "count": 100}


def entitlement_shown(entitlement: Entitlement, customer_key: str | None, now: datetime) -> dict[str, Any]:
    """As the second version of the API has it: of a customer."""
    named = {"customerId": entitlement.customer_id, "customerKey": customer_key}
    shown = _shown(entitlement, now)
    if entitlement.issued is not None:
        shown["issue"] = {"amount": entitlement.issued.amount, "priority": entitlement.issued.priority}
    return without_none({**shown, **named})


def subject_entitlement_shown(entitlement: Entitlement, subject: str, now: datetime) -> dict[str, Any]:
    """As the first version has it: of a subject."""
    unlimited = {"isUnlimited": False} if entitlement.is_metered else {}
    return without_none({**_shown(entitlement, now), **unlimited, "subjectKey": subject})


def _shown(entitlement: Entitlement, now: datetime) -> dict[str, Any]:
    managed = {"subscription.id": entitlement.subscription_id, "subscription.managed": True}
    shown: dict[str, Any] = {
        "id": entitlement.id,
        "type": entitlement.type,
        "featureKey": entitlement.feature.key,
        "featureId": entitlement.feature.id,
        "metadata": entitlement.metadata,
        "annotations": managed if entitlement.is_managed else None,
        "activeFrom": rfc3339(entitlement.active_from),
        "activeTo": _instant(entitlement.active_to),
        "createdAt": rfc3339(entitlement.created_at),
        "updatedAt": rfc3339(entitlement.updated_at),
        "deletedAt": _instant(entitlement.deleted_at),
        "config": entitlement.config,
    }
    return {**shown, **(_metered(entitlement, now) if entitlement.is_metered else {})}


def _metered(entitlement: Entitlement, now: datetime) -> dict[str, Any]:
    assert entitlement.usage_period is not None, entitlement.id
    assert entitlement.measure_usage_from is not None, entitlement.id
    current, issued = entitlement.current_period(now), entitlement.issued
    anchors = [each.at for each in entitlement.resets if not each.retains_anchor and each.at <= now]
    period = entitlement.usage_period.model_copy(update={"anchor": anchors[-1]} if anchors else {})
    return {
        "isSoftLimit": entitlement.is_soft_limit,
        "preserveOverageAtReset": entitlement.preserve_overage_at_reset,
        "issueAfterReset": issued.amount if issued else None,
        "issueAfterResetPriority": issued.priority if issued else None,
        "usagePeriod": _recurring(period),
        "currentUsagePeriod": period_shown(current),
        "measureUsageFrom": rfc3339(entitlement.measure_usage_from),
        "lastReset": rfc3339(max(current.start, entitlement.measure_usage_from)),
    }


def subject_grant_shown(grant: GrantRecord, entitlement_id: str, now: datetime) -> dict[str, Any]:
    """As the first version of the API has it, where every grant expires: one that never does, in a lifetime."""
    return {"expiration": NEVER_EXPIRES, **grant_shown(grant, entitlement_id, now)}


def grant_shown(grant: GrantRecord, entitlement_id: str, now: datetime) -> dict[str, Any]:
    ends = [each for each in (grant.expires_at, grant.voided_at) if each is not None]
    expiration = grant.expiration
    return without_none(
        {
            "id": grant.id,
            "entitlementId": entitlement_id,
            "amount": grant.amount,
            "priority": grant.priority,
            "effectiveAt": rfc3339(grant.effective_at),
            "expiration": expiration.model_dump(mode="json") if expiration else None,
            "expiresAt": _instant(grant.expires_at),
            "minRolloverAmount": grant.min_rollover,
            "maxRolloverAmount": grant.max_rollover,
            "recurrence": _recurring(grant.recurrence) if grant.recurrence else None,
            "nextRecurrence": _instant(_next_recurrence(grant, min(ends, default=None), now)),
            "metadata": grant.metadata,
            "annotations": grant.annotations,
            "createdAt": rfc3339(grant.created_at),
            "updatedAt": rfc3339(grant.updated_at),
            "voidedAt": _instant(grant.voided_at),
        }
    )


def _next_recurrence(grant: GrantRecord, ends_at: datetime | None, now: datetime) -> datetime | None:
    if grant.recurrence is None:
        return None
    following = grant.recurrence.recurrence().next_after(max(now, grant.effective_at))
    return following if ends_at is None or following < ends_at else None


def value_shown(access: Access, *, with_grants: bool) -> dict[str, Any]:
    """`with_grants`: as the second version of the API has it."""
    shown: dict[str, Any] = {"hasAccess": access.is_granted}
    if access.entitlement is not None and access.entitlement.config is not None:
        shown["config"] = access.entitlement.config
    value = access.value
    if value is None:
        return shown
    shown |= {
        "balance": value.balance,
        "usage": value.usage,
        "overage": value.overage,
        "totalAvailableGrantAmount": value.total_available,
        "held": ZERO,
        "left": EXACT.subtract(value.balance, value.overage),
        "asOf": _instant(access.as_of),
    }
    return {**shown, "grantBalances": dict(value.grant_balances)} if with_grants else shown


def history_shown(history: BalanceHistory) -> dict[str, Any]:
    windows = [
        {"period": period_shown(each.period), "usage": each.usage, "balanceAtStart": each.balance_at_start}
        for each in history.windows
    ]
    return {"windowedHistory": windows, "burndownHistory": list(map(_segment_shown, history.segments))}


def _segment_shown(segment: Segment) -> dict[str, Any]:
    return {
        "period": period_shown(segment.period),
        "usage": segment.usage,
        "overage": segment.overage,
        "balanceAtStart": exact_sum(segment.balances_at_start.values()),
        "grantBalancesAtStart": dict(segment.balances_at_start),
        "balanceAtEnd": exact_sum(segment.balances_at_end.values()),
        "grantBalancesAtEnd": dict(segment.balances_at_end),
        "grantUsages": [{"grantId": grant, "usage": used} for grant, used in segment.grants.items()],
    }


def period_shown(period: Period) -> dict[str, str]:
    return {"from": rfc3339(period.start), "to": rfc3339(period.end)}


def _recurring(recurring: Recurring) -> dict[str, Any]:
    return {
        "interval": recurring.named_interval,
        "intervalISO": recurring.interval,
        "anchor": rfc3339(recurring.anchor),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
