"""The migration of a whole plan as the API shows it; beyond OpenMeter."""

from datetime import datetime
from typing import Any

from functions.application.subscriptions.count_versions import CountedVersions
from functions.domain.catalog.plan import Plan
from functions.domain.subscriptions.plan_migration import (
    STALLED,
    FollowingInvoice,
    MigratedSubscription,
    PlanMigration,
    Sums,
)
from functions.domain.subscriptions.subscription import SubscriptionStatus
from functions.handlers.edge.http import without_none
from functions.handlers.edge.money_json import money_shown


def migration_shown(migration: PlanMigration, now: datetime) -> dict[str, Any]:
    status = migration.status_at(now)
    wire = {
        "id": migration.id,
        "planKey": migration.plan_key,
        "fromVersion": migration.from_versions[0] if len(migration.from_versions) == 1 else None,
        "toVersion": migration.to_version,
        "dryRun": migration.dry_run,
        "status": status,
        "reason": STALLED if status is not migration.status else migration.reason,
        "total": migration.total,
        "totalIsLowerBound": None if migration.is_listed else True,
        "done": migration.done,
        "failed": migration.failed,
        "amounts": {
            currency: _sums(sums, currency, with_invoices=migration.dry_run)
            for currency, sums in migration.amounts.items()
        },
        "startedAt": migration.started_at,
        "endedAt": migration.ended_at,
        "failures": [_failure(each) for each in migration.failures],
    }
    return without_none(wire)


def migrated_shown(each: MigratedSubscription) -> dict[str, Any]:
    fees, currency = each.fees, each.currency
    wire = {
        "subscriptionId": each.subscription_id,
        "customerId": each.customer_id,
        "status": each.status,
        "fromVersion": each.from_version,
        "nextSubscriptionId": each.following_id,
        "currency": currency,
        "recurring": _compared(fees.before_minor, fees.after_minor, currency) if fees else None,
        "invoice": _invoice(each.invoice, currency) if each.invoice else None,
        "code": each.code,
        "message": each.message,
    }
    return without_none(wire)


def version_shown(version: Plan, counted: CountedVersions, now: datetime) -> dict[str, Any]:
    def count(status: SubscriptionStatus) -> int:
        return counted.counts.get((version.version, status), 0)

    wire = {
        "id": version.id,
        "version": version.version,
        "status": version.status(now),
        "subscriptions": {
            "active": count(SubscriptionStatus.ACTIVE),
            "scheduled": count(SubscriptionStatus.SCHEDULED),
            "canceled": count(SubscriptionStatus.CANCELED),
            "ended": count(SubscriptionStatus.INACTIVE),
        },
        "subscriptionsAreLowerBound": True if counted.is_lower_bound else None,
    }
    return without_none(wire)


def _failure(each: MigratedSubscription) -> dict[str, Any]:
    wire = {"subscriptionId": each.subscription_id, "customerId": each.customer_id}
    return wire | {"code": each.code, "message": each.message}


def _sums(sums: Sums, currency: str, *, with_invoices: bool) -> dict[str, Any]:
    wire: dict[str, Any] = {"subscriptions": sums.compared}
    wire |= _compared(sums.before_minor, sums.after_minor, currency)
    if with_invoices:
        invoice = FollowingInvoice(charges_minor=sums.charges_minor, credits_minor=sums.credits_minor)
        wire["invoices"] = _invoice(invoice, currency)
    return wire


def _compared(before: int, after: int, currency: str) -> dict[str, str]:
    return {
        "before": money_shown(before, currency),
        "after": money_shown(after, currency),
        "difference": money_shown(after - before, currency),
    }


def _invoice(invoice: FollowingInvoice, currency: str) -> dict[str, str]:
    return {
        "charges": money_shown(invoice.charges_minor, currency),
        "credits": money_shown(invoice.credits_minor, currency),
        "total": money_shown(invoice.charges_minor - invoice.credits_minor, currency),
    }
