"""The composition root of billing and of its gateway."""

from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import base, catalog, metering, subscriptions

if TYPE_CHECKING:
    import stripe

    from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex, DynamoDuePlans
    from functions.adapters.dynamo.billing.failure_store import DynamoFailures, DynamoInvoiceRequests
    from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments, DynamoInvoicePayments
    from functions.adapters.dynamo.billing.push_store import DynamoPushStore
    from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns
    from functions.adapters.dynamo.subscriptions.billing_settings_store import DynamoBillingSettings
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoDifferences
    from functions.adapters.stripe.credentials import StripeCredentialsSource
    from functions.adapters.stripe.gateway import StripeGateway
    from functions.adapters.workflow import StepFunctionsRuns
    from functions.application.billing.backtest_plan import BacktestPorts
    from functions.application.billing.issue_invoice import BillingPorts
    from functions.application.billing.measure_usage import MeasuredUsage
    from functions.application.billing.migrate_one import Migrating
    from functions.application.billing.preview_invoice import PreviewPorts
    from functions.application.billing.reconcile import ReconciliationPorts
    from functions.domain.subscriptions.billing_settings import BillingSettings
    from functions.domain.subscriptions.plan_migration import PlanMigration


def billing_settings() -> "DynamoBillingSettings":
    from functions.adapters.dynamo.subscriptions.billing_settings_store import DynamoBillingSettings

    return DynamoBillingSettings(base.billing_table())


@cache
def invoice_documents() -> "DynamoInvoiceDocuments":
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoiceDocuments

    return DynamoInvoiceDocuments(base.billing_table())


@cache
def invoice_payments() -> "DynamoInvoicePayments":
    from functions.adapters.dynamo.billing.payment_store import DynamoInvoicePayments

    return DynamoInvoicePayments(base.billing_table())


@cache
def pushes() -> "DynamoPushStore":
    from functions.adapters.dynamo.billing.push_store import DynamoPushStore

    return DynamoPushStore(base.billing_table())


@cache
def stripe_credentials() -> "StripeCredentialsSource":
    from functions.adapters.stripe.credentials import StripeCredentialsSource

    return StripeCredentialsSource(settings.stripe_secret(), base.aws("secretsmanager"))


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


def invoices() -> "DynamoInvoices":
    from functions.adapters.dynamo.billing.invoice_store import DynamoInvoices

    return DynamoInvoices(base.billing_table())


def due_plans() -> "DynamoDuePlans":
    from functions.adapters.dynamo.billing.billing_index import DynamoDuePlans

    return DynamoDuePlans(base.billing_table())


def due_index() -> "DynamoDueIndex":
    from functions.adapters.dynamo.billing.billing_index import DynamoDueIndex

    return DynamoDueIndex(base.billing_table())


def billing_turns() -> "DynamoBillingTurns":
    from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns

    return DynamoBillingTurns(base.billing_table())


def billing_failures() -> "DynamoFailures":
    from functions.adapters.dynamo.billing.failure_store import DynamoFailures

    return DynamoFailures(base.billing_table())


def invoice_requests() -> "DynamoInvoiceRequests":
    from functions.adapters.dynamo.billing.failure_store import DynamoInvoiceRequests

    return DynamoInvoiceRequests(base.billing_table())


@cache
def billing_runs() -> "StepFunctionsRuns":
    from functions.adapters.workflow import StepFunctionsRuns

    return StepFunctionsRuns(base.aws("stepfunctions"), settings.billing_machine())


def migrating(tenant: str, migration: "PlanMigration") -> "Migrating":
    from functions.application.billing.migrate_one import Migrating, RememberedCatalogue

    remembered = RememberedCatalogue(catalog.plans(), catalog.metered_features())
    return Migrating(
        tenant,
        migration,
        remembered,
        catalog.plan_addons_of(),
        subscriptions.subscriptions(),
        base.clock(),
        base.new_ulid,
    )


def usage_meter() -> "MeasuredUsage":
    from functions.application.billing.measure_usage import MeasuredUsage
    from functions.application.metering.usage.query_usage import UsageReader
    from functions.application.metering.usage.usage_bounds import BILLING

    reader = UsageReader(metering.ledger(), metering.archive(), metering.lanes(), BILLING)
    return MeasuredUsage(reader, metering.ledger(), base.clock())


def preview_ports() -> "PreviewPorts":
    from functions.application.billing.preview_invoice import PreviewPorts

    return PreviewPorts(
        subscriptions.subscriptions(),
        subscriptions.billed_customers(),
        metering.api_usage_meter(),
        subscriptions.coupons(),
        invoices(),
        base.clock(),
        base.new_ulid,
    )


def backtest_ports() -> "BacktestPorts":
    from functions.application.billing.backtest_plan import BacktestPorts

    return BacktestPorts(
        catalog.plans(),
        catalog.metered_features(),
        subscriptions.billed_customers(),
        subscriptions.subscriptions(),
        metering.api_usage_meter(),
        base.clock(),
        base.new_ulid,
    )


def deed_preview_ports() -> "BillingPorts":
    """As a billing run has them, with usage as the API reads it."""
    return _billing_ports(metering.api_usage_meter())


def billing_ports() -> "BillingPorts":
    return _billing_ports(usage_meter())


def _billing_ports(usage: "MeasuredUsage") -> "BillingPorts":
    from functions.application.billing.issue_invoice import BillingPorts

    return BillingPorts(
        subscriptions=subscriptions.subscriptions(),
        invoices=invoices(),
        customers=subscriptions.billed_customers(),
        usage=usage,
        failures=billing_failures(),
        coupons=subscriptions.coupons(),
        clock=base.clock(),
        invoices_idle=cache(_invoices_idle),
    )


def _invoices_idle(tenant: str) -> bool:
    return invoices_idle(billing_settings().get(tenant))


def invoices_idle(decided: "BillingSettings") -> bool:
    """As the tenant wants it, or else the stage."""
    return settings.invoices_idle() if decided.invoices_idle is None else decided.invoices_idle


def differences() -> "DynamoDifferences":
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoDifferences

    return DynamoDifferences(base.billing_table())


def reconciliation_ports() -> "ReconciliationPorts":
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoRechecks
    from functions.application.billing.reconcile import ReconciliationPorts

    return ReconciliationPorts(
        late=metering.late_index(),
        rechecks=DynamoRechecks(base.billing_table()),
        customers=subscriptions.customers(),
        billed_customers=subscriptions.billed_customers(),
        subscriptions=subscriptions.subscriptions(),
        invoices=invoices(),
        usage=usage_meter(),
        differences=differences(),
        clock=base.clock(),
    )
