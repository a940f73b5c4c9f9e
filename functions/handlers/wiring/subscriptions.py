"""The composition root of customers and what they subscribe to."""

from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import log, settings
from functions.handlers.wiring import base, catalog, entitlements

if TYPE_CHECKING:
    from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
    from functions.adapters.dynamo.subscriptions.entitlement_backfill_store import DynamoEntitlementBackfills
    from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations
    from functions.adapters.dynamo.subscriptions.subject_store import DynamoSubjects
    from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
    from functions.adapters.workflow import StepFunctionsMigrations
    from functions.application.subscriptions.apply_coupon import AppliedCoupons
    from functions.application.subscriptions.backfill_entitlements import EntitlementBackfillPorts
    from functions.application.subscriptions.buy_addon import SubscriptionAddons
    from functions.application.subscriptions.create_subscription import Catalogue
    from functions.application.subscriptions.held_by_subscriptions import Holders
    from functions.application.subscriptions.meter_references import MeterReferences
    from functions.application.subscriptions.work_migration import MigrationStep


def customers() -> "DynamoCustomers":
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers

    return DynamoCustomers(base.billing_table())


def billed_customers() -> "DynamoCustomers":
    return customers()


def subjects() -> "DynamoSubjects":
    from functions.adapters.dynamo.subscriptions.subject_store import DynamoSubjects

    return DynamoSubjects(base.billing_table())


def subscriptions() -> "DynamoSubscriptions":
    from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions

    return DynamoSubscriptions(base.billing_table())


def subscription_addons() -> "SubscriptionAddons":
    from functions.application.subscriptions.buy_addon import SubscriptionAddons

    return SubscriptionAddons(
        catalog.plan_addons_of(), subscriptions(), catalog.metered_features(), base.clock(), base.new_ulid
    )


def meter_references() -> "MeterReferences":
    from functions.application.subscriptions.meter_references import MeterReferences

    return MeterReferences(
        catalog.features(),
        catalog.plans(),
        catalog.addons(),
        subscriptions(),
        entitlements.entitlements(),
        base.clock(),
    )


def holders() -> "Holders":
    from functions.application.subscriptions.held_by_subscriptions import Holders

    return Holders(subscriptions(), base.clock())


def catalogue() -> "Catalogue":
    from functions.application.subscriptions.create_subscription import Catalogue

    return Catalogue(catalog.plans(), catalog.metered_features())


def coupons() -> "DynamoCoupons":
    from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons

    return DynamoCoupons(base.billing_table())


def applied_coupons() -> "AppliedCoupons":
    from functions.application.subscriptions.apply_coupon import AppliedCoupons

    return AppliedCoupons(coupons(), billed_customers(), subscriptions(), base.clock(), base.new_ulid)


def plan_migrations() -> "DynamoPlanMigrations":
    from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations

    return DynamoPlanMigrations(base.billing_table())


@cache
def migration_runs() -> "StepFunctionsMigrations":
    from functions.adapters.workflow import StepFunctionsMigrations

    return StepFunctionsMigrations(base.aws("stepfunctions"), settings.migration_machine())


def migration_step(tenant: str, migration_id: str, attempt: int) -> "MigrationStep":
    from functions.application.subscriptions.work_migration import MigrationStep

    return MigrationStep(tenant, migration_id, attempt, plan_migrations(), base.clock())


def entitlement_backfills() -> "DynamoEntitlementBackfills":
    from functions.adapters.dynamo.subscriptions.entitlement_backfill_store import DynamoEntitlementBackfills

    return DynamoEntitlementBackfills(base.billing_table())


def entitlement_backfill_ports() -> "EntitlementBackfillPorts":
    from functions.application.subscriptions.backfill_entitlements import EntitlementBackfillPorts

    def note(error: Exception, tenant: str, customer_id: str) -> None:
        log.unexpected(error, tenant=tenant, customer_id=customer_id)

    return EntitlementBackfillPorts(entitlement_backfills(), subscriptions(), base.clock(), note)
