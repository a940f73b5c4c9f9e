"""The composition root of looking at billed periods again."""

from functools import cache
from typing import TYPE_CHECKING

from functions.handlers import settings
from functions.handlers.wiring import base as wiring
from functions.handlers.wiring import billing as wiring_billing

if TYPE_CHECKING:
    from functions.adapters.dynamo.metering.late_store import DynamoLateIndex
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoDifferences
    from functions.application.billing.reconcile import ReconciliationPorts


@cache
def late_index() -> "DynamoLateIndex":
    from functions.adapters.dynamo.metering.late_store import DynamoLateIndex

    return DynamoLateIndex(wiring.aws("dynamodb"), settings.usage_table())


def differences() -> "DynamoDifferences":
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoDifferences

    return DynamoDifferences(wiring.billing_table())


def ports() -> "ReconciliationPorts":
    from functions.adapters.dynamo.subscriptions.reconciliation_store import DynamoRechecks
    from functions.application.billing.reconcile import ReconciliationPorts

    return ReconciliationPorts(
        late=late_index(),
        rechecks=DynamoRechecks(wiring.billing_table()),
        customers=wiring.customers(),
        billed_customers=wiring_billing.billed_customers(),
        subscriptions=wiring_billing.subscriptions(),
        invoices=wiring_billing.invoices(),
        usage=wiring_billing.usage_meter(),
        differences=differences(),
        clock=wiring.clock(),
    )
