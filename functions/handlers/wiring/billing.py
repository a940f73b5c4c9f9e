"""The composition root of billing and of its gateway, on what `wiring` shares with everybody."""

from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import base as wiring

if TYPE_CHECKING:
    import stripe

    from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex, DynamoDuePlans
    from functions.adapters.dynamo.billing.failure_store import DynamoFailures, DynamoInvoiceRequests
    from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments, DynamoInvoicePayments
    from functions.adapters.dynamo.billing.push_store import DynamoPushStore
    from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns
    from functions.adapters.dynamo.catalog.feature_store import DynamoFeatures
    from functions.adapters.dynamo.catalog.plan_store import DynamoAddons, DynamoPlanAddons, DynamoPlans
    from functions.adapters.dynamo.subscriptions.billing_settings_store import DynamoBillingSettings
    from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
    from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations
    from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions
    from functions.adapters.stripe.credentials import StripeCredentialsSource
    from functions.adapters.stripe.gateway import StripeGateway
    from functions.adapters.workflow import StepFunctionsMigrations, StepFunctionsRuns
    from functions.application.billing.backtest_plan import BacktestPorts
    from functions.application.billing.issue_invoice import BillingPorts
    from functions.application.billing.measure_usage import MeasuredUsage
    from functions.application.billing.migrate_one import Migrating
    from functions.application.billing.preview_invoice import PreviewPorts
    from functions.application.catalog.manage_plan_addons import PlanAddonsOf
    from functions.application.subscriptions.apply_coupon import AppliedCoupons
    from functions.application.subscriptions.buy_addon import SubscriptionAddons
    from functions.application.subscriptions.create_subscription import Catalogue
    from functions.application.subscriptions.work_migration import MigrationStep
    from functions.domain.subscriptions.billing_settings import BillingSettings
    from functions.domain.subscriptions.plan_migration import PlanMigration


def billing_settings() -> "DynamoBillingSettings":
    from functions.adapters.dynamo.subscriptions.billing_settings_store import DynamoBillingSettings

    return DynamoBillingSettings(wiring.billing_table())


@cache
def invoice_documents() -> "DynamoInvoiceDocuments":
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments

    return DynamoInvoiceDocuments(wiring.billing_table())


@cache
def invoice_payments() -> "DynamoInvoicePayments":
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoicePayments

    return DynamoInvoicePayments(wiring.billing_table())


@cache
def pushes() -> "DynamoPushStore":
    from functions.adapters.dynamo.billing.push_store import DynamoPushStore

    return DynamoPushStore(wiring.billing_table())


@cache
def stripe_credentials() -> "StripeCredentialsSource":
    from functions.adapters.stripe.credentials import StripeCredentialsSource

    return StripeCredentialsSource(settings.stripe_secret(), wiring.aws("secretsmanager"))


@cache
def _stripe_client(api_key: str, timeout_seconds: int) -> "stripe.StripeClient":
    from functions.adapters.stripe.gateway import stripe_client

    return stripe_client(api_key, settings.stripe_api_base(), timeout_seconds=timeout_seconds)


def _gateway(timeout_seconds: int) -> "StripeGateway":
    from functions.adapters.stripe.gateway import StripeGateway

    # The key is asked for at each call, so that a rotated one is used without a new container.
    return StripeGateway(lambda: _stripe_client(stripe_credentials().get().api_key, timeout_seconds))


@cache
def payment_gateway() -> "StripeGateway":
    from functions.adapters.stripe.gateway import PUSH_TIMEOUT_SECONDS

    return _gateway(PUSH_TIMEOUT_SECONDS)


@cache
def webhook_gateway() -> "StripeGateway":
    from functions.adapters.stripe.gateway import WEBHOOK_TIMEOUT_SECONDS

    return _gateway(WEBHOOK_TIMEOUT_SECONDS)


def plans() -> "DynamoPlans":
    from functions.adapters.dynamo.catalog.plan_store import DynamoPlans

    return DynamoPlans(wiring.billing_table())


def addons() -> "DynamoAddons":
    from functions.adapters.dynamo.catalog.plan_store import DynamoAddons

    return DynamoAddons(wiring.billing_table())


def plan_addons() -> "DynamoPlanAddons":
    from functions.adapters.dynamo.catalog.plan_store import DynamoPlanAddons

    return DynamoPlanAddons(wiring.billing_table())


def plan_addons_of() -> "PlanAddonsOf":
    from functions.application.catalog.manage_plan_addons import PlanAddonsOf

    return PlanAddonsOf(plans(), addons(), plan_addons(), wiring.clock())


def subscription_addons() -> "SubscriptionAddons":
    from functions.application.subscriptions.buy_addon import SubscriptionAddons

    return SubscriptionAddons(plan_addons_of(), subscriptions(), metered_features(), wiring.clock(), wiring.new_ulid)


def catalogue() -> "Catalogue":
    from functions.application.subscriptions.create_subscription import Catalogue

    return Catalogue(plans(), metered_features())


def coupons() -> "DynamoCoupons":
    from functions.adapters.dynamo.subscriptions.coupon_store import DynamoCoupons

    return DynamoCoupons(wiring.billing_table())


def applied_coupons() -> "AppliedCoupons":
    from functions.application.subscriptions.apply_coupon import AppliedCoupons

    return AppliedCoupons(coupons(), billed_customers(), subscriptions(), wiring.clock(), wiring.new_ulid)


def subscriptions() -> "DynamoSubscriptions":
    from functions.adapters.dynamo.subscriptions.subscription_store import DynamoSubscriptions

    return DynamoSubscriptions(wiring.billing_table())


def invoices() -> "DynamoInvoices":
    from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices

    return DynamoInvoices(wiring.billing_table())


def due_plans() -> "DynamoDuePlans":
    from functions.adapters.dynamo.billing.billing_index import DynamoDuePlans

    return DynamoDuePlans(wiring.billing_table())


def due_index() -> "DynamoDueIndex":
    from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex

    return DynamoDueIndex(wiring.billing_table())


def billing_turns() -> "DynamoBillingTurns":
    from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns

    return DynamoBillingTurns(wiring.billing_table())


def billing_failures() -> "DynamoFailures":
    from functions.adapters.dynamo.billing.failure_store import DynamoFailures

    return DynamoFailures(wiring.billing_table())


def invoice_requests() -> "DynamoInvoiceRequests":
    from functions.adapters.dynamo.billing.failure_store import DynamoInvoiceRequests

    return DynamoInvoiceRequests(wiring.billing_table())


@cache
def billing_runs() -> "StepFunctionsRuns":
    from functions.adapters.workflow import StepFunctionsRuns

    return StepFunctionsRuns(wiring.aws("stepfunctions"), settings.billing_machine())


def plan_migrations() -> "DynamoPlanMigrations":
    from functions.adapters.dynamo.subscriptions.plan_migration_store import DynamoPlanMigrations

    return DynamoPlanMigrations(wiring.billing_table())


@cache
def migration_runs() -> "StepFunctionsMigrations":
    from functions.adapters.workflow import StepFunctionsMigrations

    return StepFunctionsMigrations(wiring.aws("stepfunctions"), settings.migration_machine())


def migration_step(tenant: str, migration_id: str, attempt: int) -> "MigrationStep":
    from functions.application.subscriptions.work_migration import MigrationStep

    return MigrationStep(tenant, migration_id, attempt, plan_migrations(), wiring.clock())


def migrating(tenant: str, migration: "PlanMigration") -> "Migrating":
    from functions.application.billing.migrate_one import Migrating, RememberedCatalogue

    remembered = RememberedCatalogue(plans(), metered_features())
    return Migrating(tenant, migration, remembered, plan_addons_of(), subscriptions(), wiring.clock(), wiring.new_ulid)


def billed_customers() -> "DynamoCustomers":
    return wiring.customers()


def metered_features() -> "DynamoFeatures":
    return wiring.features()


def usage_meter() -> "MeasuredUsage":
    from functions.application.billing.measure_usage import MeasuredUsage
    from functions.application.metering.usage.query_usage import UsageReader
    from functions.application.metering.usage.usage_bounds import BILLING

    reader = UsageReader(wiring.ledger(), wiring.archive(), wiring.lanes(), BILLING)
    return MeasuredUsage(reader, wiring.ledger(), wiring.clock())


def api_usage_meter() -> "MeasuredUsage":
    """The same for one request, which together reads what one question may: nobody waits as long as a run does."""
    from functions.application.billing.measure_usage import MeasuredUsage

    reader = wiring.usage_reader().sharing("ask for fewer customers, fewer or shorter periods, or fewer lines at once")
    return MeasuredUsage(reader, wiring.ledger(), wiring.clock())


def preview_ports() -> "PreviewPorts":
    from functions.application.billing.preview_invoice import PreviewPorts

    return PreviewPorts(
        subscriptions(), billed_customers(), api_usage_meter(), coupons(), invoices(), wiring.clock(), wiring.new_ulid
    )


def backtest_ports() -> "BacktestPorts":
    from functions.application.billing.backtest_plan import BacktestPorts

    return BacktestPorts(
        plans(),
        metered_features(),
        billed_customers(),
        subscriptions(),
        api_usage_meter(),
        wiring.clock(),
        wiring.new_ulid,
    )


def deed_preview_ports() -> "BillingPorts":
    """As a billing run has them, with usage as the API reads it."""
    return _billing_ports(api_usage_meter())


def billing_ports() -> "BillingPorts":
    return _billing_ports(usage_meter())


def _billing_ports(usage: "MeasuredUsage") -> "BillingPorts":
    from functions.application.billing.issue_invoice import BillingPorts

    return BillingPorts(
        subscriptions=subscriptions(),
        invoices=invoices(),
        customers=billed_customers(),
        usage=usage,
        failures=billing_failures(),
        coupons=coupons(),
        clock=wiring.clock(),
        invoices_idle=cache(_invoices_idle),
    )


def _invoices_idle(tenant: str) -> bool:
    return invoices_idle(billing_settings().get(tenant))


def invoices_idle(decided: "BillingSettings") -> bool:
    """As the tenant wants it, or else the stage."""
    return settings.invoices_idle() if decided.invoices_idle is None else decided.invoices_idle
