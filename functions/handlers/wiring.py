"""The composition root: one cached factory per port, importing its technology only when first asked."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import stripe

    from functions.adapters.clock import SystemClock
    from functions.adapters.dynamo.payment_store import DynamoInvoiceDocuments, DynamoInvoicePayments
    from functions.adapters.dynamo.push_store import DynamoPushStore
    from functions.adapters.dynamo.table import Table
    from functions.adapters.stripe.credentials import StripeCredentialsSource
    from functions.adapters.stripe.gateway import StripeGateway


@cache
def clock() -> "SystemClock":
    from functions.adapters.clock import SystemClock

    return SystemClock()


@cache
def billing_table() -> "Table":
    from functions.adapters.dynamo.client import dynamodb_client
    from functions.adapters.dynamo.table import Table
    from functions.handlers import settings

    return Table(dynamodb_client(), settings.billing_table())


@cache
def invoice_documents() -> "DynamoInvoiceDocuments":
    from functions.adapters.dynamo.payment_store import DynamoInvoiceDocuments

    return DynamoInvoiceDocuments(billing_table())


@cache
def invoice_payments() -> "DynamoInvoicePayments":
    from functions.adapters.dynamo.payment_store import DynamoInvoicePayments

    return DynamoInvoicePayments(billing_table())


@cache
def pushes() -> "DynamoPushStore":
    from functions.adapters.dynamo.push_store import DynamoPushStore

    return DynamoPushStore(billing_table())


@cache
def stripe_credentials() -> "StripeCredentialsSource":
    import boto3

    from functions.adapters.stripe.credentials import StripeCredentialsSource
    from functions.handlers import settings

    return StripeCredentialsSource(settings.stripe_secret(), boto3.client("secretsmanager"))


@cache
def _stripe_client(api_key: str, timeout_seconds: int) -> "stripe.StripeClient":
    from functions.adapters.stripe.gateway import stripe_client
    from functions.handlers import settings

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
